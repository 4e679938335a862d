/// Names that mean something without the DNS, and that no server is ever asked about.
enum SpecialName {
  /// `localhost` and what is below it (RFC 6761, 6.3).
  case loopback
  /// Names that never exist in the DNS: `invalid` (RFC 6761, 6.4), `onion` (RFC 7686, 2), and what is below them.
  case nowhere
}

extension DNSName {
  /// nil: a name as any other.
  var special: SpecialName? {
    if isWithin("localhost") { return .loopback }
    return isWithin("invalid") || isWithin("onion") ? .nowhere : nil
  }

  /// Whether the last label is a number, decimal or hexadecimal. Such a name is an address in one of the forms of `inet_aton`,
  /// or a mistake: no top-level domain is one (RFC 1123, 2.1; RFC 3696, 2).
  var isNumeric: Bool {
    let label = lastLabel
    let isDigit = { (byte: UInt8) in (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }
    return label.allSatisfy(isDigit)
      || label.starts(with: "0x".utf8) && label.dropFirst(2).allSatisfy { hexadecimalValue($0) != nil }
  }

  /// - Parameter label: in lower case, as names here are.
  private func isWithin(_ label: String) -> Bool { lastLabel.elementsEqual(label.utf8) }

  /// The top-level domain.
  private var lastLabel: ArraySlice<UInt8> {
    var label = bytes[..<0]
    var offset = 0
    while bytes[offset] != 0 {
      label = bytes[offset + 1..<offset + 1 + Int(bytes[offset])]
      offset = label.endIndex
    }
    return label
  }
}
