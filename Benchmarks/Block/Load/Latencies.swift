/// How long each request took, in memory that is allocated once.
struct Latencies: @unchecked Sendable {
  /// Each element has one writer: the worker whose request it is.
  private let durations: UnsafeMutableBufferPointer<Duration>

  init(count: Int) {
    durations = .allocate(capacity: count)
    // Touched beforehand, so that no page is first used while requests are timed.
    durations.initialize(repeating: .zero)
  }

  func record(_ duration: Duration, request: Int) {
    durations[request] = duration
  }

  func sort() {
    var durations = durations
    durations.sort()
  }

  /// The nearest-rank percentile of sorted durations, in nanoseconds.
  func percentile(_ percent: Int) -> UInt64 {
    nanoseconds(durations[max((durations.count * percent + 99) / 100, 1) - 1])
  }
}
