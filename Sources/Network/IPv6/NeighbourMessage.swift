/// The messages of neighbour discovery (RFC 4861, 4), as ICMPv6 has them: the header's last four bytes and a body.
enum NeighbourMessage {
  /// RFC 4861, 6.1 and 7.1: a packet that a router forwarded has less.
  static let hopLimit: UInt8 = 255

  /// Where the options begin, from the ICMPv6 header on.
  static let optionsOffset = 24
  static let routerOptionsOffset = 16

  enum Option {
    static let sourceLink: UInt8 = 1
    static let targetLink: UInt8 = 2
    static let prefix: UInt8 = 3
    static let mtu: UInt8 = 5
    /// RFC 8106, 5.1.
    static let nameServers: UInt8 = 25
  }

  /// Flags of a neighbour advertisement.
  static let isSolicited: UInt32 = 0x4000_0000
  static let overrides: UInt32 = 0x2000_0000

  /// The target's address and, if there is one, an option with the sender's address on the link.
  static func body(target: IPv6Address?, option: UInt8, link: MACAddress?) -> [UInt8] {
    let targetByteCount = target == nil ? 0 : 16
    var body = [UInt8](repeating: 0, count: targetByteCount + (link == nil ? 0 : 8))
    var span = body.mutableSpan
    var bytes = span.mutableBytes
    if let target { bytes.store(target, at: 0) }
    if let link {
      bytes.store(option, at: targetByteCount)
      bytes.store(1 as UInt8, at: targetByteCount + 1)
      bytes.store(link, at: targetByteCount + 2)
    }
    return body
  }

  /// Goes through the options; false: one is empty or reaches past the end, and the message is nothing (RFC 4861, 4.6).
  static func forEachOption(
    in message: RawSpan, from start: Int, _ body: (_ type: UInt8, _ option: RawSpan) -> Void
  ) -> Bool {
    var offset = start
    while offset < message.byteCount {
      guard message.byteCount - offset >= 8 else { return false }
      let byteCount = Int(message[offset + 1]) * 8
      guard byteCount > 0, byteCount <= message.byteCount - offset else { return false }
      body(message[offset], message.extracting(offset..<offset + byteCount))
      offset += byteCount
    }
    return true
  }

  /// The sender's address on the link, as an option has it.
  static func link(in message: RawSpan, option wanted: UInt8) -> (isValid: Bool, link: MACAddress?) {
    var link: MACAddress?
    let isValid = forEachOption(in: message, from: optionsOffset) { type, option in
      if type == wanted { link = MACAddress(option, at: 2) }
    }
    if let found = link, found.isGroup || found.value == 0 { return (false, nil) }
    return (isValid, link)
  }
}
