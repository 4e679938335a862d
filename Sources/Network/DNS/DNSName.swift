/// A domain name in the form it has in messages: labels with their lengths in front, and an empty one at the end
/// (RFC 1035, 3.1), in lower case.
struct DNSName: Hashable, Sendable {
  let bytes: [UInt8]

  /// RFC 1035, 2.3.4.
  static let byteCount = 255
  static let labelByteCount = 63

  /// - Parameter bytes: a name in this form, as `DNSMessageReader` has checked it.
  init(checked bytes: [UInt8]) {
    self.bytes = bytes
  }

  /// A host name: letters, digits, hyphens and underscores, with dots between labels and perhaps one at the end
  /// (RFC 1123, 2.1; the underscore is no host's, but many networks have such names). nil for anything else.
  init?(_ text: String) {
    self.init(text: text.utf8)
  }

  init?(text: some Collection<UInt8>) {
    var bytes: [UInt8] = []
    var rest = text[...]
    guard !rest.isEmpty else { return nil }
    while !rest.isEmpty {
      let label = rest.prefix { $0 != UInt8(ascii: ".") }
      guard (1...Self.labelByteCount).contains(label.count), label.first != UInt8(ascii: "-") else { return nil }
      bytes.append(UInt8(label.count))
      for character in label {
        guard Self.isHostCharacter(character) else { return nil }
        bytes.append(Self.lowerCase(character))
      }
      rest = rest[label.endIndex...].dropFirst()
    }
    bytes.append(0)
    guard bytes.count <= Self.byteCount else { return nil }
    self.bytes = bytes
  }

  /// Whether the name has one label only, and may need a domain behind it.
  var isSingleLabel: Bool { bytes.count == Int(bytes[0]) + 2 }

  /// The name with a domain behind it; nil if that is too long.
  func appending(_ domain: DNSName) -> DNSName? {
    let both = bytes.dropLast() + domain.bytes
    return both.count <= Self.byteCount ? DNSName(checked: Array(both)) : nil
  }

  /// A byte of a name as it is compared: only the letters of ASCII have case (RFC 4343, 3). Lengths of labels are below
  /// where letters begin, and stay.
  static func lowerCase(_ byte: UInt8) -> UInt8 {
    (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte) ? byte | 0x20 : byte
  }

  private static func isHostCharacter(_ character: UInt8) -> Bool {
    switch character {
    case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"):
      true
    default: false
    }
  }
}
