/// Reads fields up to the empty line behind them (RFC 9112, 5), however the bytes are split.
///
/// A byte is looked at once for the end of its line, and once more when its line is complete. Whatever the limits, what is
/// kept is never more than they allow.
struct FieldParser: Sendable {
  private let byteLimit: Int
  private let countLimit: Int
  /// Where in the fields' text the line begins that is not complete yet.
  private var lineStart = 0
  /// How many bytes the lines had that are complete.
  private var byteCount = 0

  init(byteLimit: Int, countLimit: Int) {
    self.byteLimit = byteLimit
    self.countLimit = countLimit
  }

  /// Begins behind what is in the fields' text, which is a start line or nothing.
  mutating func begin(_ fields: borrowing HTTPFields) {
    lineStart = fields.text.count
    byteCount = 0
  }

  /// Takes what belongs to the fields from `position` on, and moves that.
  ///
  /// - Returns: whether that was all of them.
  mutating func parse(
    _ input: Span<UInt8>, _ position: inout Int, into fields: inout HTTPFields
  ) throws(HTTPFault) -> Bool {
    while try input.takeLine(
      &position, into: &fields.text, from: lineStart, limit: byteLimit - byteCount, .fieldsTooLarge)
    {
      let end = fields.text.count
      if end == lineStart { return true }
      guard fields.count < countLimit else { throw .tooManyFields }
      let (name, value) = try Self.parseLine(fields.text.bytes, from: lineStart)
      fields.append(name: name, value: value)
      byteCount += end - lineStart
      lineStart = end
    }
    return false
  }

  /// - Returns: where the field's name and its value are.
  private static func parseLine(
    _ text: Span<UInt8>, from lineStart: Int
  ) throws(HTTPFault) -> (name: Range<Int>, value: Range<Int>) {
    guard !text[lineStart].isSpaceOrTab else { throw .foldedField }
    var colon = lineStart
    while colon < text.count, text[colon].isTokenCharacter { colon += 1 }
    guard colon > lineStart, colon < text.count, text[colon] == ASCII.colon else { throw .badFieldName }
    let value = text.trimmed(colon + 1..<text.count)
    for index in value where !text[index].isFieldCharacter { throw .badFieldValue }
    return (lineStart..<colon, value)
  }
}

extension Span where Element == UInt8 {
  /// Moves bytes to the end of `text`, up to the end of the line that begins at `start` there.
  ///
  /// - Parameters:
  ///   - position: of the next byte; moved behind what was taken.
  ///   - limit: how long the line may be, without its end.
  /// - Returns: whether the line is complete; then CR LF is taken, and not in `text`.
  func takeLine(
    _ position: inout Int, into text: inout ByteBuffer, from start: Int, limit: Int, _ fault: HTTPFault
  ) throws(HTTPFault) -> Bool {
    let lineFeed = firstIndex(of: ASCII.lineFeed, from: position)
    let end = lineFeed ?? count
    // The CR may come with this piece or have come with the last one, and is not part of the line.
    let room = limit + 1 - (text.count - start)
    guard end - position <= room else {
      text.append(extracting(position..<position + room))
      throw fault
    }
    text.append(extracting(position..<end))
    position = end
    guard lineFeed != nil else { return false }
    position += 1
    guard text.count > start, text.bytes[text.count - 1] == ASCII.carriageReturn else { throw .bareLineFeed }
    text.removeLast(1)
    return true
  }
}
