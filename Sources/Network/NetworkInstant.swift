/// A moment on the clock of whoever drives the stack, which never goes backwards.
public struct NetworkInstant: Comparable, Hashable, Sendable {
  /// Nanoseconds since a moment of the driver's choice.
  public var nanoseconds: UInt64

  public init(nanoseconds: UInt64) {
    self.nanoseconds = nanoseconds
  }

  public static func < (a: Self, b: Self) -> Bool { a.nanoseconds < b.nanoseconds }

  /// - Parameter milliseconds: not negative.
  func advanced(byMilliseconds milliseconds: Int) -> NetworkInstant {
    NetworkInstant(nanoseconds: nanoseconds + UInt64(milliseconds) * 1_000_000)
  }

  /// Whole milliseconds since an earlier moment; 0 if that is not earlier.
  func milliseconds(since earlier: NetworkInstant) -> Int {
    nanoseconds > earlier.nanoseconds ? Int((nanoseconds - earlier.nanoseconds) / 1_000_000) : 0
  }
}
