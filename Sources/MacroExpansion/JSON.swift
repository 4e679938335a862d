/// A JSON value (RFC 8259). Numbers are whole; any other, of which no message has any use, is read as null.
enum JSON {
  case null
  case boolean(Bool)
  case number(Int)
  case string(String)
  case array([JSON])
  case object([String: JSON])

  /// The member of that name; nil if there is none, or if this is no object.
  subscript(name: String) -> JSON? {
    if case .object(let members) = self { members[name] } else { nil }
  }

  var string: String? {
    if case .string(let string) = self { string } else { nil }
  }

  var number: Int? {
    if case .number(let number) = self { number } else { nil }
  }

  var array: [JSON]? {
    if case .array(let elements) = self { elements } else { nil }
  }
}

// MARK: Writing

extension JSON {
  var text: String {
    switch self {
    case .null: "null"
    case .boolean(let value): value ? "true" : "false"
    case .number(let value): String(value)
    case .string(let string): JSON.quoted(string)
    case .array(let elements): "[" + elements.map(\.text).joined(separator: ",") + "]"
    case .object(let members):
      "{" + members.map { JSON.quoted($0.key) + ":" + $0.value.text }.joined(separator: ",") + "}"
    }
  }

  private static func quoted(_ string: String) -> String {
    var text = "\""
    for scalar in string.unicodeScalars {
      switch scalar {
      case "\"": text += "\\\""
      case "\\": text += "\\\\"
      case "\n": text += "\\n"
      case "\0"..<" ": text += "\\u00" + (scalar.value < 16 ? "0" : "") + String(scalar.value, radix: 16)
      default: text.unicodeScalars.append(scalar)
      }
    }
    return text + "\""
  }
}

// MARK: Reading

extension JSON {
  /// The value that a text is; nil if it is none.
  init?(_ text: [UInt8]) {
    var reader = Reader(text: text)
    guard let value = reader.value() else { return nil }
    self = value
  }

  private struct Reader {
    let text: [UInt8]
    var place = 0

    mutating func value() -> JSON? {
      switch next() {
      case UInt8(ascii: "{"): object()
      case UInt8(ascii: "["): array()
      case UInt8(ascii: "\""): string().map { .string($0) }
      case UInt8(ascii: "t"): take("rue") ? .boolean(true) : nil
      case UInt8(ascii: "f"): take("alse") ? .boolean(false) : nil
      case UInt8(ascii: "n"): take("ull") ? .null : nil
      case _?: number()
      case nil: nil
      }
    }

    /// The next byte that is not white space.
    private mutating func next() -> UInt8? {
      while place < text.count {
        place += 1
        switch text[place - 1] {
        case UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: "\n"), UInt8(ascii: "\r"): continue
        case let byte: return byte
        }
      }
      return nil
    }

    private mutating func take(_ rest: StaticString) -> Bool {
      let end = place + rest.utf8CodeUnitCount
      guard end <= text.count, text[place..<end].elementsEqual(Array("\(rest)".utf8)) else { return false }
      place = end
      return true
    }

    private mutating func number() -> JSON? {
      let start = place - 1
      while place < text.count, "+-.eE0123456789".utf8.contains(text[place]) { place += 1 }
      let digits = String(decoding: text[start..<place], as: UTF8.self)
      return Int(digits).map { .number($0) } ?? (Double(digits) == nil ? nil : .null)
    }

    private mutating func array() -> JSON? {
      var elements: [JSON] = []
      if next() == UInt8(ascii: "]") { return .array([]) }
      place -= 1
      while let element = value() {
        elements.append(element)
        switch next() {
        case UInt8(ascii: ","): continue
        case UInt8(ascii: "]"): return .array(elements)
        default: return nil
        }
      }
      return nil
    }

    private mutating func object() -> JSON? {
      var members: [String: JSON] = [:]
      var byte = next()
      if byte == UInt8(ascii: "}") { return .object([:]) }
      while byte == UInt8(ascii: "\""), let name = string(), next() == UInt8(ascii: ":"), let member = value() {
        members[name] = member
        switch next() {
        case UInt8(ascii: ","): byte = next()
        case UInt8(ascii: "}"): return .object(members)
        default: return nil
        }
      }
      return nil
    }

    /// What is behind an opening quotation mark.
    private mutating func string() -> String? {
      var bytes: [UInt8] = []
      while place < text.count {
        place += 1
        switch text[place - 1] {
        case UInt8(ascii: "\""):
          return String(decoding: bytes, as: UTF8.self)
        case UInt8(ascii: "\\"):
          guard let scalar = escape() else { return nil }
          bytes += Array(String(scalar).utf8)
        case let byte:
          bytes.append(byte)
        }
      }
      return nil
    }

    /// What is behind a backslash.
    private mutating func escape() -> Unicode.Scalar? {
      guard place < text.count else { return nil }
      place += 1
      switch text[place - 1] {
      case UInt8(ascii: "b"): return "\u{8}"
      case UInt8(ascii: "f"): return "\u{c}"
      case UInt8(ascii: "n"): return "\n"
      case UInt8(ascii: "r"): return "\r"
      case UInt8(ascii: "t"): return "\t"
      case UInt8(ascii: "u"):
        guard let first = unit() else { return nil }
        guard UTF16.isLeadSurrogate(first) else { return Unicode.Scalar(first) }
        guard take("\\u"), let second = unit(), UTF16.isTrailSurrogate(second) else { return nil }
        return UTF16.decode(UTF16.EncodedScalar([first, second]))
      case let byte: return Unicode.Scalar(byte)
      }
    }

    private mutating func unit() -> UInt16? {
      guard place + 4 <= text.count else { return nil }
      place += 4
      return UInt16(String(decoding: text[place - 4..<place], as: UTF8.self), radix: 16)
    }
  }
}
