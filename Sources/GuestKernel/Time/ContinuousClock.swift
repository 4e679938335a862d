#if hasFeature(Embedded)
  /// A clock that never stops or goes back, counted from the machine's start. See Swift's `ContinuousClock`, of which
  /// Embedded Swift has none: `Clock` needs untyped `throws`.
  public struct ContinuousClock: Sendable {
    /// What two moments are apart.
    public typealias Duration = Swift.Duration

    /// A moment of this clock.
    public struct Instant: InstantProtocol, Hashable, Sendable {
      /// Nanoseconds since the machine's start.
      var nanoseconds: UInt64

      /// The present moment.
      public static var now: Instant { Instant(nanoseconds: monotonicNanoseconds()) }

      /// The moment so much later, or earlier; as close to it as the clock has.
      public func advanced(by duration: Duration) -> Instant {
        let distance = duration.nanoseconds
        guard distance < 0 else { return Instant(nanoseconds: nanoseconds.addingSaturated(UInt64(distance))) }
        return Instant(nanoseconds: nanoseconds - min(nanoseconds, distance.magnitude))
      }

      /// How much later another moment is; negative if it is earlier.
      public func duration(to other: Instant) -> Duration {
        .nanoseconds(Int64(bitPattern: other.nanoseconds &- nanoseconds))
      }

      /// Whether a moment is before another.
      public static func < (first: Instant, second: Instant) -> Bool { first.nanoseconds < second.nanoseconds }

      /// How much later one moment is than another.
      public static func - (later: Instant, earlier: Instant) -> Duration { earlier.duration(to: later) }
      /// See `advanced(by:)`.
      public static func + (instant: Instant, duration: Duration) -> Instant { instant.advanced(by: duration) }
      /// See `advanced(by:)`.
      public static func - (instant: Instant, duration: Duration) -> Instant { instant.advanced(by: .zero - duration) }
      /// See `advanced(by:)`.
      public static func += (instant: inout Instant, duration: Duration) { instant = instant + duration }
    }

    /// The clock, of which there is one.
    public init() {}

    /// The present moment.
    public var now: Instant { .now }

    /// One nanosecond, the unit that the clock counts in.
    public var minimumResolution: Duration { .nanoseconds(1) }

    /// How long `work` takes.
    public func measure(_ work: () -> Void) -> Duration {
      let start = now
      work()
      return now - start
    }

    /// How long `work` takes.
    public func measure(_ work: () async -> Void) async -> Duration {
      let start = now
      await work()
      return now - start
    }

    /// Returns at `deadline`, or throws as soon as the task is cancelled.
    public func sleep(until deadline: Instant) async throws(_Concurrency.CancellationError) {
      try await Task.sleep(until: deadline)
    }
  }

  extension UInt64 {
    fileprivate func addingSaturated(_ other: UInt64) -> UInt64 {
      let (sum, overflow) = addingReportingOverflow(other)
      return overflow ? .max : sum
    }
  }
#endif
