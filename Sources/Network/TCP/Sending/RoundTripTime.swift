/// The retransmission timeout (RFC 6298).
struct RoundTripTime {
  /// RFC 6298 (2.1).
  private static let initialTimeout: UInt64 = 1_000_000_000
  /// RFC 6298 (2.4) wants a second, in doubt; 200 ms is what Linux and the BSDs have, as timers are not as coarse any more. It
  /// is above all delayed acknowledgements.
  private static let minimumTimeout: UInt64 = 200_000_000
  /// RFC 6298 (2.5): at least 60 seconds.
  static let maximumTimeout: UInt64 = 60_000_000_000
  /// RFC 6298 (2.3): G, the granularity of the clock. Timestamps count milliseconds.
  private static let granularity: UInt64 = 1_000_000

  /// In nanoseconds; nil before the first measurement.
  private(set) var smoothed: UInt64?
  private var variation: UInt64 = 0
  private var timeout = initialTimeout
  /// How often the timer has expired since it was last set for something new.
  private(set) var backoff = 0

  /// RFC 6298 (2.2, 2.3), with alpha 1/8 and beta 1/4.
  mutating func add(_ sample: UInt64) {
    // Longer than that is a broken clock.
    let sample = min(sample, Self.maximumTimeout)
    if let smoothed {
      let difference = smoothed > sample ? smoothed - sample : sample - smoothed
      variation = variation - variation / 4 + difference / 4
      self.smoothed = smoothed - smoothed / 8 + sample / 8
    } else {
      smoothed = sample
      variation = sample / 2
    }
    timeout = max((smoothed ?? 0) + max(Self.granularity, 4 * variation), Self.minimumTimeout)
    timeout = min(timeout, Self.maximumTimeout)
  }

  /// The timer expired (RFC 6298, 5.5).
  mutating func backOff() { backoff += 1 }

  /// Something new was acknowledged.
  mutating func resetBackoff() { backoff = 0 }

  /// The handshake took more than one SYN, so its timeout was too short for this path (RFC 6298, 5.7).
  mutating func distrustHandshake() {
    if smoothed == nil { timeout = 3_000_000_000 }
  }

  /// In nanoseconds, with the backoff.
  var retransmissionTimeout: UInt64 {
    backoff >= 20 ? Self.maximumTimeout : min(timeout << UInt64(backoff), Self.maximumTimeout)
  }
}
