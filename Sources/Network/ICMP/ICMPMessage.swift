/// The messages of ICMP (RFC 792) and ICMPv6 (RFC 4443) that are spoken here.
enum ICMPMessage {
  /// Type, code, checksum, and four bytes that depend on the type.
  static let headerByteCount = 8
  static let checksumOffset = 2

  enum V4 {
    static let echoReply: UInt8 = 0
    static let unreachable: UInt8 = 3
    static let echoRequest: UInt8 = 8
    static let timeExceeded: UInt8 = 11
    static let parameterProblem: UInt8 = 12
  }

  enum V6 {
    static let unreachable: UInt8 = 1
    static let packetTooBig: UInt8 = 2
    static let timeExceeded: UInt8 = 3
    static let parameterProblem: UInt8 = 4
    static let echoRequest: UInt8 = 128
    static let echoReply: UInt8 = 129
    static let multicastQuery: UInt8 = 130
    static let routerSolicitation: UInt8 = 133
    static let routerAdvertisement: UInt8 = 134
    static let neighbourSolicitation: UInt8 = 135
    static let neighbourAdvertisement: UInt8 = 136
    /// Types below this are errors (RFC 4443, 2.1).
    static let firstInformational: UInt8 = 128
    static let multicastReport: UInt8 = 143
  }

  /// Makes a whole message of its parts.
  ///
  /// - Parameters:
  ///   - rest: the four bytes after the checksum.
  static func make(
    type: UInt8, code: UInt8 = 0, rest: UInt32 = 0, body: RawSpan, from source: IPAddress, to destination: IPAddress
  ) -> [UInt8] {
    var message = [UInt8](repeating: 0, count: headerByteCount + body.byteCount)
    var span = message.mutableSpan
    var bytes = span.mutableBytes
    bytes.store(type, at: 0)
    bytes.store(code, at: 1)
    bytes.store(rest, at: 4)
    bytes.store(body, at: headerByteCount)
    bytes.store(checksum(bytes.bytes, from: source, to: destination), at: checksumOffset)
    return message
  }

  /// What goes into the checksum field of a message that has 0 there; of a message as received: 0 if it is right.
  /// ICMPv6's covers the pseudo-header (RFC 4443, 2.3).
  static func checksum(_ message: RawSpan, from source: IPAddress, to destination: IPAddress) -> UInt16 {
    var checksum = InternetChecksum()
    if destination.isIPv6 {
      checksum.addPseudoHeader(
        from: source, to: destination, protocol: IPProtocol.icmpv6, length: message.byteCount)
    }
    checksum.add(message)
    return checksum.value
  }
}
