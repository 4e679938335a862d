/// Writes JSON (RFC 8259), one member after the other.
struct JSONWriter {
  private(set) var text = ""
  private var depth = 0
  /// Whether something precedes at this depth.
  private var needsComma = false

  mutating func object(_ name: StaticString? = nil, _ members: (inout JSONWriter) -> Void) {
    object(quoted: name.map { "\"\($0)\"" }, members)
  }

  /// An object under a name that is not known beforehand.
  mutating func object(named name: String, _ members: (inout JSONWriter) -> Void) {
    object(quoted: Self.quoted(name), members)
  }

  private mutating func object(quoted name: String?, _ members: (inout JSONWriter) -> Void) {
    begin(name)
    text += "{"
    depth += 1
    needsComma = false
    members(&self)
    depth -= 1
    newLine()
    text += "}"
    needsComma = true
    if depth == 0 { text += "\n" }
  }

  mutating func member(_ name: StaticString, _ value: Int) {
    begin("\"\(name)\"")
    text += value.description
  }

  mutating func member(_ name: StaticString, _ value: String) {
    begin("\"\(name)\"")
    text += Self.quoted(value)
  }

  private mutating func begin(_ name: String?) {
    if needsComma { text += "," }
    if depth > 0 { newLine() }
    if let name { text += name + ": " }
    needsComma = true
  }

  private mutating func newLine() {
    text += "\n"
    for _ in 0..<depth { text += "  " }
  }

  /// RFC 8259, section 7.
  static func quoted(_ string: String) -> String {
    var quoted = "\""
    for scalar in string.unicodeScalars {
      switch scalar.value {
      case 0x22: quoted += "\\\""
      case 0x5c: quoted += "\\\\"
      case 0x0a: quoted += "\\n"
      case 0x09: quoted += "\\t"
      case 0..<0x20:
        let digits = String(scalar.value, radix: 16)
        quoted += "\\u"
        for _ in digits.utf8.count..<4 { quoted += "0" }
        quoted += digits
      default: quoted.unicodeScalars.append(scalar)
      }
    }
    return quoted + "\""
  }
}
