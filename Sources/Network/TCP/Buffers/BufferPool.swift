/// The memory of all streams of all connections, in chunks of one size, and its bound.
final class BufferPool {
  /// A power of two. Small enough for many connections with few bytes each, large enough that a segment of 64 KiB is few
  /// copies.
  static let chunkByteCount = 4096

  /// As many as a window of 1 MiB has are kept for the next one who needs some.
  private static let spareLimit = 256

  private let chunkLimit: Int
  private var spares: [[UInt8]] = []
  private(set) var chunkCount = 0

  init(byteLimit: Int) {
    chunkLimit = byteLimit / Self.chunkByteCount
  }

  /// What is in use.
  var byteCount: Int { chunkCount * Self.chunkByteCount }

  /// Whether windows should not grow.
  var isScarce: Bool { chunkCount >= chunkLimit / 2 }

  /// Whether there is room for `count` chunks more of what is to be sent; see `TCPLimits.bufferByteCount`.
  func hasRoomToSend(_ count: Int) -> Bool { chunkCount + count <= chunkLimit - chunkLimit / 4 }

  /// A chunk with anything in it; nil at the limit.
  func take() -> [UInt8]? {
    guard chunkCount < chunkLimit else { return nil }
    chunkCount += 1
    return spares.popLast() ?? [UInt8](repeating: 0, count: Self.chunkByteCount)
  }

  func give(_ chunk: consuming [UInt8]) {
    chunkCount -= 1
    if spares.count < Self.spareLimit { spares.append(chunk) }
  }
}
