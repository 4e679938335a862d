/// Writes JSON (RFC 8259) into memory.
///
///     var json = JSONWriter()
///     json.object { json in
///       json.member("id") { $0.number(7) }
///       json.member("name") { $0.string("Ada") }
///     }
///     try await response.send(json.bytes, as: JSONWriter.type)
public struct JSONWriter: Sendable {
  /// What was written.
  public private(set) var bytes: [UInt8] = []
  /// Whether the next value of an array or member of an object is not the first.
  private var needsComma = false

  /// The media type.
  public static var type: StaticString { "application/json" }

  public init() {}

  /// Writes an object, whose members `body` writes.
  public mutating func object(_ body: (inout JSONWriter) -> Void) {
    nest("{", body, "}")
  }

  /// Writes an array, whose values `body` writes.
  public mutating func array(_ body: (inout JSONWriter) -> Void) {
    nest("[", body, "]")
  }

  /// Writes a member of an object, whose value `body` writes.
  public mutating func member(_ name: String, _ body: (inout JSONWriter) -> Void) {
    string(name)
    bytes.append(ASCII.colon)
    needsComma = false
    body(&self)
  }

  public mutating func number(_ number: Int) { value(number.description) }

  public mutating func boolean(_ boolean: Bool) { value(boolean ? "true" : "false") }

  public mutating func null() { value("null") }

  public mutating func string(_ text: String) {
    separate()
    bytes.append(Self.quote)
    for byte in text.utf8 {
      switch byte {
      case Self.quote, Self.backslash: bytes += [Self.backslash, byte]
      // RFC 8259, 7: control characters are not written as they are.
      case 0..<0x20:
        bytes += Array("\\u00".utf8)
        bytes += [Self.digit(byte >> 4), Self.digit(byte & 15)]
      default: bytes.append(byte)
      }
    }
    bytes.append(Self.quote)
  }

  private static var quote: UInt8 { 0x22 }
  private static var backslash: UInt8 { 0x5c }

  private static func digit(_ value: UInt8) -> UInt8 { value < 10 ? ASCII.zero + value : 0x61 + value - 10 }

  private mutating func value(_ text: String) {
    separate()
    bytes += Array(text.utf8)
  }

  private mutating func separate() {
    if needsComma { bytes.append(ASCII.comma) }
    needsComma = true
  }

  private mutating func nest(_ opening: Unicode.Scalar, _ body: (inout JSONWriter) -> Void, _ closing: Unicode.Scalar) {
    separate()
    bytes.append(UInt8(ascii: opening))
    needsComma = false
    body(&self)
    bytes.append(UInt8(ascii: closing))
    needsComma = true
  }
}
