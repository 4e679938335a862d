/// Finds a body's content and its end, however the bytes are split.
struct BodyDecoder: ~Copyable {
  private var kind = Kind.plain
  /// Without chunks: how much is left, at most.
  private var left = 0
  /// Has the trailer fields, once the body is complete.
  private(set) var chunks: ChunkedDecoder

  private enum Kind { case plain, chunked, untilEnd }

  /// A body of no bytes.
  init(_ limits: HTTPLimits) {
    chunks = ChunkedDecoder(limits)
  }

  /// Begins with the next message's body.
  mutating func begin(_ length: BodyLength, _ limits: HTTPLimits) throws(HTTPFault) {
    if kind == .chunked { chunks = ChunkedDecoder(limits) }
    switch length {
    case .bytes(let count):
      guard count <= limits.bodyByteCount, count < .max else { throw .bodyTooLarge }
      (kind, left) = (.plain, count)
    case .chunked: kind = .chunked
    case .untilEnd: (kind, left) = (.untilEnd, limits.bodyByteCount)
    }
  }

  var isComplete: Bool {
    switch kind {
    case .plain: left == 0
    case .chunked: chunks.isComplete
    case .untilEnd: false
    }
  }

  /// How many of the next bytes are content and nothing else, at most; 0 where there are chunks, or nothing is left.
  var plainByteCount: Int { kind == .chunked ? 0 : left }

  /// Whether there are no chunks.
  var isPlain: Bool { kind != .chunked }

  /// Whether the end of the connection is the end of the body.
  var endsWithConnection: Bool { kind == .untilEnd }

  /// Takes what belongs to the body from `position` on, and moves that, up to the end of a piece of content.
  ///
  /// - Returns: Where in the input the piece is, never empty; nil if the body is complete, or if more input is needed.
  mutating func next(_ input: Span<UInt8>, _ position: inout Int) throws(HTTPFault) -> Range<Int>? {
    guard kind != .chunked else { return try chunks.next(input, &position) }
    let start = position
    let byteCount = min(left, input.count - start)
    if kind == .untilEnd, byteCount < input.count - start { throw .bodyTooLarge }
    guard byteCount > 0 else { return nil }
    take(byteCount)
    position += byteCount
    return start..<position
  }

  /// See `next(_:_:)`.
  mutating func next(_ input: borrowing ByteBuffer, _ position: inout Int) throws(HTTPFault) -> Range<Int>? {
    try next(input.bytes, &position)
  }

  /// Counts content that came past `next`; at most `plainByteCount`.
  mutating func take(_ byteCount: Int) {
    left -= byteCount
  }
}
