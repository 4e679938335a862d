/// Whether a text is JSON (RFC 8259), by its grammar alone.
struct JSONSyntax {
  private var rest: ArraySlice<UInt8>

  static func isValid(_ text: String) -> Bool {
    var parser = JSONSyntax(rest: Array(text.utf8)[...])
    guard parser.value() else { return false }
    parser.skipSpace()
    return parser.rest.isEmpty
  }

  private mutating func value() -> Bool {
    skipSpace()
    switch rest.first ?? 0 {
    case UInt8(ascii: "{"): return list(closedBy: UInt8(ascii: "}")) { $0.member() }
    case UInt8(ascii: "["): return list(closedBy: UInt8(ascii: "]")) { $0.value() }
    case UInt8(ascii: "\""): return string()
    case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return number()
    default: return take("true") || take("false") || take("null")
    }
  }

  private mutating func list(closedBy end: UInt8, _ element: (inout JSONSyntax) -> Bool) -> Bool {
    rest.removeFirst()
    skipSpace()
    if take(end) { return true }
    repeat {
      guard element(&self) else { return false }
      skipSpace()
    } while take(UInt8(ascii: ","))
    return take(end)
  }

  private mutating func member() -> Bool {
    skipSpace()
    guard string() else { return false }
    skipSpace()
    return take(UInt8(ascii: ":")) && value()
  }

  private mutating func string() -> Bool {
    guard take(UInt8(ascii: "\"")) else { return false }
    while let byte = rest.popFirst() {
      switch byte {
      case UInt8(ascii: "\""): return true
      case ..<0x20: return false
      case UInt8(ascii: "\\"):
        guard let escape = rest.popFirst() else { return false }
        if escape == UInt8(ascii: "u") {
          guard rest.count >= 4, rest.prefix(4).allSatisfy(Self.isHexadecimalDigit) else { return false }
          rest.removeFirst(4)
        } else if !Array("\"\\/bfnrt".utf8).contains(escape) {
          return false
        }
      default: break
      }
    }
    return false
  }

  private static func isHexadecimalDigit(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "f"),
      UInt8(ascii: "A")...UInt8(ascii: "F"):
      true
    default: false
    }
  }

  /// Whole numbers only: the reports have no others.
  private mutating func number() -> Bool {
    _ = take(UInt8(ascii: "-"))
    let digits = rest.prefix { UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 }
    guard !digits.isEmpty, digits.count == 1 || digits.first != UInt8(ascii: "0") else { return false }
    rest.removeFirst(digits.count)
    return true
  }

  private mutating func skipSpace() {
    while let byte = rest.first, [0x20, 0x0a, 0x0d, 0x09].contains(byte) { rest.removeFirst() }
  }

  private mutating func take(_ byte: UInt8) -> Bool {
    guard rest.first == byte else { return false }
    rest.removeFirst()
    return true
  }

  private mutating func take(_ word: String) -> Bool {
    guard rest.starts(with: word.utf8) else { return false }
    rest.removeFirst(word.utf8.count)
    return true
  }
}
