/// Reads JSON by its grammar (RFC 8259), and nothing that is nearly JSON.
struct JSONParser {
  private let bytes: [UInt8]
  private let limits: JSONLimits
  private var position = 0
  private var depth = 0

  init(_ bytes: [UInt8], _ limits: JSONLimits) {
    self.bytes = bytes
    self.limits = limits
  }

  mutating func parse() throws(JSONError) -> JSONValue {
    let value = try parseValue()
    skipSpace()
    guard position == bytes.count else { throw error(.unexpectedByte) }
    return value
  }

  // MARK: Values

  private mutating func parseValue() throws(JSONError) -> JSONValue {
    skipSpace()
    switch try peek() {
    case UInt8(ascii: "{"): return .object(try parseMembers())
    case UInt8(ascii: "["): return .array(try parseElements())
    case UInt8(ascii: "\""): return .string(try parseString())
    case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return .number(try parseNumber())
    case UInt8(ascii: "t"): return try parseWord("true", .boolean(true))
    case UInt8(ascii: "f"): return try parseWord("false", .boolean(false))
    case UInt8(ascii: "n"): return try parseWord("null", .null)
    default: throw error(.unexpectedByte)
    }
  }

  private mutating func parseWord(_ word: StaticString, _ value: JSONValue) throws(JSONError) -> JSONValue {
    let end = position + word.utf8CodeUnitCount
    guard end <= bytes.count else { throw error(.unexpectedEnd) }
    guard bytes.span.extracting(position..<end).equals(word) else { throw error(.unexpectedByte) }
    position = end
    return value
  }

  private mutating func parseElements() throws(JSONError) -> [JSONValue] {
    try enter()
    var elements: [JSONValue] = []
    if try !takeIf("]") {
      repeat { elements.append(try parseValue()) } while try takeSeparator(or: "]")
    }
    depth -= 1
    return elements
  }

  private mutating func parseMembers() throws(JSONError) -> [JSONValue.Member] {
    try enter()
    var members: [JSONValue.Member] = []
    if try !takeIf("}") {
      repeat {
        guard members.count < limits.memberCount else { throw error(.tooManyMembers) }
        skipSpace()
        let start = position
        guard try peek() == UInt8(ascii: "\"") else { throw error(.unexpectedByte) }
        let name = try parseString()
        // What two equal names mean differs between readers (RFC 8259, 4): somebody might be deceived.
        guard !members.contains(where: { $0.name == name }) else {
          throw JSONError(offset: start, reason: .duplicateName)
        }
        guard try takeIf(":") else { throw error(.unexpectedByte) }
        members.append(JSONValue.Member(name: name, value: try parseValue()))
      } while try takeSeparator(or: "}")
    }
    depth -= 1
    return members
  }

  /// Takes the opening bracket.
  private mutating func enter() throws(JSONError) {
    guard depth < limits.depth else { throw error(.tooDeep) }
    depth += 1
    position += 1
  }

  /// Returns whether there is another element; if not, the closing bracket was taken.
  private mutating func takeSeparator(or closing: Unicode.Scalar) throws(JSONError) -> Bool {
    if try takeIf(",") { return true }
    guard try takeIf(closing) else { throw error(.unexpectedByte) }
    return false
  }

  // MARK: Numbers

  private mutating func parseNumber() throws(JSONError) -> String {
    let start = position
    if bytes[position] == UInt8(ascii: "-") { position += 1 }
    let integerStart = position
    try takeDigits()
    // No leading zeros.
    guard bytes[integerStart] != ASCII.zero || position == integerStart + 1 else { throw error(.badNumber) }
    if position < bytes.count, bytes[position] == UInt8(ascii: ".") {
      position += 1
      try takeDigits()
    }
    if position < bytes.count, bytes[position] | 0x20 == UInt8(ascii: "e") {
      position += 1
      if position < bytes.count, bytes[position] == ASCII.plus || bytes[position] == UInt8(ascii: "-") { position += 1 }
      try takeDigits()
    }
    return String(decoding: bytes[start..<position], as: UTF8.self)
  }

  private mutating func takeDigits() throws(JSONError) {
    let start = position
    while position < bytes.count, bytes[position].isDigit { position += 1 }
    guard position > start else { throw error(.badNumber) }
  }

  // MARK: Strings

  private mutating func parseString() throws(JSONError) -> String {
    let start = position
    position += 1
    var text: [UInt8] = []
    while true {
      let byte = try peek()
      position += 1
      switch byte {
      case UInt8(ascii: "\""):
        guard let string = String(validating: text.span) else { throw JSONError(offset: start, reason: .badString) }
        return string
      case UInt8(ascii: "\\"): try takeEscape(into: &text)
      case 0..<0x20: throw JSONError(offset: position - 1, reason: .badString)
      default: text.append(byte)
      }
    }
  }

  private mutating func takeEscape(into text: inout [UInt8]) throws(JSONError) {
    let byte = try peek()
    position += 1
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(byte)
    case UInt8(ascii: "b"): text.append(0x08)
    case UInt8(ascii: "f"): text.append(0x0c)
    case UInt8(ascii: "n"): text.append(ASCII.lineFeed)
    case UInt8(ascii: "r"): text.append(ASCII.carriageReturn)
    case UInt8(ascii: "t"): text.append(ASCII.tab)
    case UInt8(ascii: "u"): text += Array(Character(try takeScalar()).utf8)
    default: throw JSONError(offset: position - 1, reason: .badString)
    }
  }

  /// Takes what is behind `\u`, and a second such escape if the first is half of a pair (RFC 8259, 7).
  private mutating func takeScalar() throws(JSONError) -> Unicode.Scalar {
    let start = position
    let first = try takeUnit()
    if let scalar = Unicode.Scalar(first) { return scalar }
    let isPair =
      0xd800..<0xdc00 ~= first && position + 2 <= bytes.count
      && bytes.span.extracting(position..<position + 2).equals("\\u")
    guard isPair else { throw JSONError(offset: start, reason: .badString) }
    position += 2
    let second = try takeUnit()
    guard 0xdc00..<0xe000 ~= second,
      let scalar = Unicode.Scalar(0x10000 + (UInt32(first) - 0xd800) << 10 + (UInt32(second) - 0xdc00))
    else { throw JSONError(offset: start, reason: .badString) }
    return scalar
  }

  private mutating func takeUnit() throws(JSONError) -> UInt16 {
    var unit: UInt16 = 0
    for _ in 0..<4 {
      guard let digit = try peek().hexadecimalValue else { throw error(.badString) }
      unit = unit << 4 | UInt16(digit)
      position += 1
    }
    return unit
  }

  // MARK: Bytes

  private func peek() throws(JSONError) -> UInt8 {
    guard position < bytes.count else { throw error(.unexpectedEnd) }
    return bytes[position]
  }

  private mutating func takeIf(_ character: Unicode.Scalar) throws(JSONError) -> Bool {
    skipSpace()
    guard try peek() == UInt8(ascii: character) else { return false }
    position += 1
    return true
  }

  private mutating func skipSpace() {
    while position < bytes.count {
      switch bytes[position] {
      case ASCII.space, ASCII.tab, ASCII.lineFeed, ASCII.carriageReturn: position += 1
      default: return
      }
    }
  }

  private func error(_ reason: JSONError.Reason) -> JSONError { JSONError(offset: position, reason: reason) }
}
