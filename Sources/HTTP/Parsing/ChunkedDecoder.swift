/// Takes the chunks off a body (RFC 9112, 7.1), however the bytes are split.
struct ChunkedDecoder: ~Copyable {
  /// The trailer fields, once the body is complete.
  private(set) var trailers = HTTPFields()

  private var state = State.size
  private var trailerParser: FieldParser
  /// How much more of the body there may be.
  private var bodyRoom: Int
  private var extensionRoom: Int
  /// What is left of the present chunk, and while its size is read, that.
  private var chunkByteCount = 0
  private var digitCount = 0

  private enum State {
    /// In a chunk's size.
    case size
    /// Behind it, where whitespace and extensions may be.
    case sizeExtension
    /// In front of the line feed after the size.
    case sizeEnd
    case data
    /// In front of the CR or of the LF behind the data.
    case dataEnd, dataLineFeed
    case trailers
    case complete
  }

  init(_ limits: HTTPLimits) {
    trailerParser = FieldParser(byteLimit: limits.fieldsByteCount, countLimit: limits.fieldCount)
    bodyRoom = limits.bodyByteCount
    extensionRoom = limits.chunkExtensionByteCount
  }

  var isComplete: Bool { if case .complete = state { true } else { false } }

  /// Takes what belongs to the body from `position` on, and moves that, up to the end of a piece of content.
  ///
  /// - Returns: Where in the input the piece is, never empty; nil if the body is complete, or if more input is needed.
  mutating func next(_ input: Span<UInt8>, _ position: inout Int) throws(HTTPFault) -> Range<Int>? {
    while position < input.count {
      switch state {
      case .size: try takeSize(input[position])
      case .sizeExtension: try takeExtension(input[position])
      case .sizeEnd:
        guard input[position] == ASCII.lineFeed else { throw .badChunk }
        try beginChunk()
      case .data:
        let start = position
        let byteCount = min(chunkByteCount, input.count - start)
        position += byteCount
        chunkByteCount -= byteCount
        if chunkByteCount == 0 { state = .dataEnd }
        return start..<position
      case .dataEnd:
        guard input[position] == ASCII.carriageReturn else { throw .badChunk }
        state = .dataLineFeed
      case .dataLineFeed:
        guard input[position] == ASCII.lineFeed else { throw .badChunk }
        state = .size
      case .trailers:
        if try trailerParser.parse(input, &position, into: &trailers) { state = .complete }
        return nil
      case .complete: return nil
      }
      position += 1
    }
    return nil
  }

  private mutating func takeSize(_ byte: UInt8) throws(HTTPFault) {
    guard let digit = byte.hexadecimalValue else {
      guard digitCount > 0 else { throw .badChunk }
      state = .sizeExtension
      return try takeExtension(byte)
    }
    // A size may have any number of digits (RFC 9112, 7.1); one that could not be counted is above every limit.
    guard chunkByteCount <= Int.max >> 4 else { throw .bodyTooLarge }
    chunkByteCount = chunkByteCount << 4 | Int(digit)
    digitCount += 1
    if digitCount > Self.freeDigitCount { try takeExtensionRoom() }
  }

  /// How many digits a size has at most without leading zeros, or of a writer that always writes as many. More are taken for
  /// what extensions are, bytes that say nothing.
  private static var freeDigitCount: Int { 16 }

  private mutating func takeExtensionRoom() throws(HTTPFault) {
    guard extensionRoom > 0 else { throw .chunkExtensionsTooLong }
    extensionRoom -= 1
  }

  /// Chunk extensions are ignored (RFC 9112, 7.1.1). A lone line feed in one, and whitespace behind a size without one, are
  /// where parsers have differed.
  private mutating func takeExtension(_ byte: UInt8) throws(HTTPFault) {
    if byte == ASCII.carriageReturn {
      guard isInExtension || !isPadded else { throw .badChunk }
      state = .sizeEnd
      return
    }
    guard byte.isFieldCharacter else { throw .badChunk }
    // The first thing behind the whitespace is a semicolon.
    if !isInExtension {
      guard byte == ASCII.semicolon || byte.isSpaceOrTab else { throw .badChunk }
      isInExtension = byte == ASCII.semicolon
      isPadded = true
    }
    try takeExtensionRoom()
  }

  private var isInExtension = false
  /// There is something behind the size.
  private var isPadded = false

  private mutating func beginChunk() throws(HTTPFault) {
    isInExtension = false
    isPadded = false
    digitCount = 0
    if chunkByteCount == 0 {
      trailerParser.begin(trailers)
      state = .trailers
    } else {
      guard chunkByteCount <= bodyRoom else { throw .bodyTooLarge }
      bodyRoom -= chunkByteCount
      state = .data
    }
  }
}
