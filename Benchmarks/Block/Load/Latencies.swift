/// How long each request took, in nanoseconds up to four seconds, in memory that is allocated once.
struct Latencies: @unchecked Sendable {
  /// Each element has one writer: the worker whose request it is.
  private let values: UnsafeMutableBufferPointer<UInt32>

  init(count: Int) {
    values = .allocate(capacity: count)
    // Touched beforehand, so that no page is first used while requests are timed.
    values.initialize(repeating: 0)
  }

  func record(_ duration: Duration, request: Int) {
    values[request] = UInt32(clamping: nanoseconds(duration))
  }

  func sort() {
    var values = values
    values.sort()
  }

  /// The nearest-rank percentile of sorted values.
  func percentile(_ percent: Int) -> UInt32 {
    values[max((values.count * percent + 99) / 100, 1) - 1]
  }
}
