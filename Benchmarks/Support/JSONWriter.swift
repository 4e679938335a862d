/// Writes JSON (RFC 8259), one member after the other.
package struct JSONWriter {
  package private(set) var text = ""
  private var depth = 0
  private var needsComma = false

  package init() {}

  /// An object, or an array's element if it has no name.
  package mutating func object(_ name: String? = nil, _ members: (inout JSONWriter) -> Void) {
    enclosed(in: ("{", "}"), name, members)
  }

  package mutating func array(_ name: String, _ elements: (inout JSONWriter) -> Void) {
    enclosed(in: ("[", "]"), name, elements)
  }

  package mutating func member(_ name: String, _ value: Int) {
    begin(name)
    text += value.description
  }

  package mutating func member(_ name: String, _ value: Bool) {
    begin(name)
    text += value ? "true" : "false"
  }

  package mutating func member(_ name: String, _ value: String) {
    begin(name)
    text += Self.quoted(value)
  }

  /// Thousandths as a number.
  package mutating func member(_ name: String, _ value: Ratio) {
    begin(name)
    text += value.exactText
  }

  private mutating func enclosed(
    in brackets: (String, String), _ name: String?, _ content: (inout JSONWriter) -> Void
  ) {
    begin(name)
    text += brackets.0
    depth += 1
    needsComma = false
    content(&self)
    depth -= 1
    newLine()
    text += brackets.1
    needsComma = true
    if depth == 0 { text += "\n" }
  }

  private mutating func begin(_ name: String?) {
    if needsComma { text += "," }
    if depth > 0 { newLine() }
    if let name { text += "\(Self.quoted(name)): " }
    needsComma = true
  }

  private mutating func newLine() {
    text += "\n" + String(repeating: " ", count: 2 * depth)
  }

  private static func quoted(_ string: String) -> String {
    var quoted = "\""
    for scalar in string.unicodeScalars {
      switch scalar.value {
      case 0x22: quoted += "\\\""
      case 0x5c: quoted += "\\\\"
      // QEMU's words, the only text here that is not this program's own, are a line.
      case 0..<0x20: quoted += " "
      default: quoted.unicodeScalars.append(scalar)
      }
    }
    return quoted + "\""
  }
}
