/// How much may be on its way: slow start (RFC 5681) and CUBIC (RFC 9438), in whole numbers, as a unikernel's kernel mode may
/// do without floating point. All windows are in bytes.
struct CongestionControl {
  /// Bytes that may be in flight.
  private(set) var window: Int
  private(set) var slowStartThreshold = Int.max
  /// The sender's maximum segment, SMSS.
  private var segmentByteCount: Int

  /// CUBIC's W_max: where the window was at the last loss.
  private var lastMaximum = 0
  /// When this epoch of congestion avoidance began.
  private var epochStart: NetworkInstant?
  /// CUBIC's K: how long after `epochStart` the window is back at `lastMaximum`.
  private var returnMilliseconds = 0
  /// CUBIC's W_est: what Reno would have; times 256.
  private var renoWindow = 0

  /// beta_cubic, in thousandths (RFC 9438, 4.6).
  private static let decrease = 700
  /// C is 0.4 (RFC 9438, 5.1); as a fraction.
  private static let growthNumerator = 4
  private static let growthDenominator = 10
  /// alpha_cubic is 3 (1 - beta) / (1 + beta) (RFC 9438, 4.3), in thousandths.
  private static let renoIncrease = 529
  /// So that the cube of a time does not overflow: 100 s.
  private static let longestMilliseconds = 100_000
  /// Above what any receiver here or elsewhere announces; so that nothing overflows.
  private static let largestWindow = 1 << 30

  init(segmentByteCount: Int) {
    self.segmentByteCount = segmentByteCount
    window = Self.initialWindow(segmentByteCount)
  }

  /// RFC 6928, 2.
  private static func initialWindow(_ segment: Int) -> Int {
    min(10 * segment, max(2 * segment, 14_600))
  }

  /// The path or the handshake told what a segment may have.
  mutating func setSegment(_ byteCount: Int, isInitial: Bool) {
    segmentByteCount = byteCount
    window = isInitial ? Self.initialWindow(byteCount) : max(window, byteCount)
  }

  /// Nothing was sent for longer than the retransmission timeout (RFC 5681, 4.1).
  mutating func restartAfterIdle() {
    window = min(window, Self.initialWindow(segmentByteCount))
    epochStart = nil
  }

  /// SYN or SYN+ACK was lost (RFC 5681, 3.1).
  mutating func restartAfterLostHandshake() { window = segmentByteCount }

  /// New bytes were acknowledged.
  ///
  /// - Parameters:
  ///   - flight: what was in flight before. A window that is not used does not grow (RFC 9438, 5.8).
  ///   - roundTrip: in nanoseconds.
  mutating func acknowledged(_ count: Int, flight: Int, roundTrip: UInt64, at now: NetworkInstant) {
    if window < slowStartThreshold {
      // Twice the flight is as far as slow start can take it in this round.
      guard flight * 2 >= window else { return }
      window = min(window + count, slowStartThreshold, Self.largestWindow)
      return
    }
    guard flight + 2 * segmentByteCount >= window else {
      // CUBIC's clock must not run while the application is what limits.
      epochStart = nil
      return
    }
    if epochStart == nil { beginEpoch(at: now) }
    let elapsed = now.milliseconds(since: epochStart ?? now) + Int(roundTrip / 1_000_000)
    let increase = window < lastMaximum ? Self.renoIncrease : 1000
    renoWindow += min(count, window) * 256 * segmentByteCount / window * increase / 1000
    let target = min(max(cubicWindow(after: elapsed), window), window + window / 2)
    window += (target - window) * min(count, window) / window
    window = min(max(window, renoWindow / 256), Self.largestWindow)
  }

  /// A loss was found by duplicate acknowledgements or SACK (RFC 9438, 4.6, 4.7).
  mutating func lost(flight: Int) {
    // Fast convergence: who loses before it is back makes room for others.
    lastMaximum = window < lastMaximum ? window * (1000 + Self.decrease) / 2000 : window
    slowStartThreshold = max(flight * Self.decrease / 1000, 2 * segmentByteCount)
    window = slowStartThreshold
    epochStart = nil
  }

  /// The retransmission timer expired for the first time for these bytes (RFC 5681, 3.1; RFC 9438, 4.8).
  mutating func timedOut(flight: Int) {
    lost(flight: flight)
    window = segmentByteCount
  }

  /// It expired again.
  mutating func timedOutAgain() { window = segmentByteCount }

  private mutating func beginEpoch(at now: NetworkInstant) {
    epochStart = now
    renoWindow = window * 256
    guard lastMaximum > window else {
      lastMaximum = window
      returnMilliseconds = 0
      return
    }
    // K = cbrt((W_max - cwnd) / C), windows in segments, K in seconds (RFC 9438, 4.2).
    let segments1000 = (lastMaximum - window) * 1000 / segmentByteCount
    let cube = segments1000 * 1_000_000 * Self.growthDenominator / Self.growthNumerator
    returnMilliseconds = cubeRoot(min(cube, 1_000_000_000_000_000))
  }

  /// W_cubic(t) = C (t - K)^3 + W_max (RFC 9438, 4.2).
  private func cubicWindow(after milliseconds: Int) -> Int {
    let time = min(max(milliseconds - returnMilliseconds, -Self.longestMilliseconds), Self.longestMilliseconds)
    let segments1000 = time * time * time / 1_000_000 * Self.growthNumerator / Self.growthDenominator
    return min(lastMaximum + segments1000 * segmentByteCount / 1000, Self.largestWindow)
  }
}

/// The largest whole number whose cube is not above a number up to 10^15.
private func cubeRoot(_ number: Int) -> Int {
  var root = 0
  for bit in stride(from: 16, through: 0, by: -1) {
    let candidate = root | 1 << bit
    if candidate * candidate * candidate <= number { root = candidate }
  }
  return root
}
