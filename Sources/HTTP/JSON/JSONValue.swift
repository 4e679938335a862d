/// A value of JSON (RFC 8259).
public indirect enum JSONValue: Equatable, Sendable {
  case null
  case boolean(Bool)
  /// As it was written: what it is rounded to is the reader's choice.
  case number(String)
  case string(String)
  case array([JSONValue])
  /// In the order in which they were written; no two have one name.
  case object([Member])

  /// A name and its value.
  public struct Member: Equatable, Sendable {
    public let name: String
    public let value: JSONValue
  }

  /// Reads a text that is one value and whitespace around it.
  ///
  /// - Throws: What is wrong with it, and where.
  public init(parsing bytes: [UInt8], limits: JSONLimits = JSONLimits()) throws(JSONError) {
    guard bytes.count <= limits.byteCount else { throw JSONError(offset: limits.byteCount, reason: .tooLong) }
    var parser = JSONParser(bytes, limits)
    self = try parser.parse()
  }

  /// The value of an object's member; nil if it has none with this name, or if this is no object.
  public subscript(_ name: String) -> JSONValue? {
    guard case .object(let members) = self else { return nil }
    return members.first { $0.name == name }?.value
  }

  /// The number, if it is one without fraction and exponent that fits.
  public var integer: Int? { if case .number(let text) = self { Int(text) } else { nil } }

  /// The text of a string.
  public var text: String? { if case .string(let text) = self { text } else { nil } }

  /// The values of an array.
  public var elements: [JSONValue]? { if case .array(let elements) = self { elements } else { nil } }
}

/// What a text of JSON may cost.
public struct JSONLimits: Sendable {
  /// Of the text, in bytes. Stops: texts that fill the memory.
  public var byteCount = 1 << 20
  /// How deep arrays and objects may be in each other. Stops: brackets that fill the stack.
  public var depth = 32
  /// How many members an object may have. Stops: many names, each of which is compared with all others.
  public var memberCount = 256

  public init() {}
}

/// Why a text is not JSON, or not within the limits.
public struct JSONError: Error, Equatable, Sendable, CustomStringConvertible {
  public enum Reason: Equatable, Sendable {
    case unexpectedByte, unexpectedEnd, badString, badNumber, duplicateName, tooDeep, tooLong, tooManyMembers
  }

  /// Where it goes wrong, in bytes.
  public let offset: Int
  public let reason: Reason

  /// One line.
  public var description: String {
    let words =
      switch reason {
      case .unexpectedByte: "unexpected byte"
      case .unexpectedEnd: "unexpected end"
      case .badString: "malformed string"
      case .badNumber: "malformed number"
      case .duplicateName: "a name that was there before"
      case .tooDeep: "nested too deep"
      case .tooLong: "too long"
      case .tooManyMembers: "too many members"
      }
    return "JSON, byte \(offset): \(words)"
  }
}
