/// Reads what a message has before its body: the start line and the header fields, however the bytes are split.
struct HeadParser<Line: StartLine>: ~Copyable, Sendable {
  /// The fields that have been read.
  private(set) var fields = HTTPFields()
  /// The start line, once it has been read.
  private(set) var line: Line?
  private(set) var isComplete = false

  private var fieldParser: FieldParser
  private let lineLimit: Int
  private let emptyLineLimit: Int
  private var emptyLineCount = 0

  init(_ limits: HTTPLimits) {
    fieldParser = FieldParser(byteLimit: limits.fieldsByteCount, countLimit: limits.fieldCount)
    lineLimit = limits.startLineByteCount
    emptyLineLimit = Line.followsEmptyLines ? limits.emptyLineCount : 0
  }

  /// Whether a message has begun.
  var hasBegun: Bool { !fields.text.isEmpty || line != nil }

  /// Takes what belongs to the head from `position` on, and moves that. Looks at `isComplete` afterwards.
  mutating func parse(_ input: Span<UInt8>, _ position: inout Int) throws(HTTPFault) {
    while line == nil {
      guard try takeStartLine(input, &position) else { return }
    }
    isComplete = try fieldParser.parse(input, &position, into: &fields)
  }

  /// See `parse(_:_:)`.
  mutating func parse(_ input: borrowing ByteBuffer, _ position: inout Int) throws(HTTPFault) {
    try parse(input.bytes, &position)
  }

  /// Takes the next line, which is the start line unless it is empty.
  ///
  /// - Returns: whether there was a whole line.
  private mutating func takeStartLine(_ input: Span<UInt8>, _ position: inout Int) throws(HTTPFault) -> Bool {
    do throws(HTTPFault) {
      guard
        try input.takeLine(&position, into: &fields.text, from: 0, limit: lineLimit, .targetTooLong)
      else { return false }
    } catch {
      throw error == .targetTooLong ? Line.fault(ofLongLine: fields.text.bytes) : error
    }
    if fields.text.isEmpty {
      emptyLineCount += 1
      guard emptyLineCount <= emptyLineLimit else { throw .badStartLine }
    } else {
      line = try Line(fields.text.bytes)
      fieldParser.begin(fields)
    }
    return true
  }

  /// Begins with the next message.
  mutating func reset() {
    fields.removeAll()
    line = nil
    isComplete = false
    emptyLineCount = 0
  }

  /// Gives memory back that an unusually large message took.
  mutating func shrink() {
    fields.shrink()
  }
}
