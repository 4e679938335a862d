import CLinux

/// A few pieces of guest memory for one readv or writev.
struct IOVectors {
  /// The most pieces that it takes: a console's buffers hardly ever have more than one or two.
  static let capacity = 16

  private var vectors = InlineArray<16, iovec>(repeating: iovec())
  private(set) var count = 0
  private(set) var byteCount = 0
  private let byteLimit: Int

  /// - Parameter byteLimit: the most bytes of all pieces together.
  init(byteLimit: Int) {
    self.byteLimit = byteLimit
  }

  /// Adds a piece, or as much of it as there is room for.
  mutating func append(_ bytes: UnsafeRawBufferPointer) {
    let length = min(bytes.count, byteLimit - byteCount)
    guard length > 0, count < Self.capacity, let start = bytes.baseAddress else { return }
    // The type is both readv's and writev's, which is why it is mutable; nothing is written through it here.
    vectors[count] = iovec(iov_base: UnsafeMutableRawPointer(mutating: start), iov_len: length)
    count += 1
    byteCount += length
  }

  /// Hands the pieces to a system call.
  mutating func withPointer<Result>(_ body: (UnsafePointer<iovec>, Int32) -> Result) -> Result {
    let count = Int32(count)
    var span = vectors.mutableSpan
    return span.withUnsafeMutableBufferPointer { body(UnsafePointer($0.baseAddress!), count) }
  }
}
