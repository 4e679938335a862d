/// The header of an IPv6 packet (RFC 8200, 3).
struct IPv6Header {
  /// What follows the header, extension headers included.
  var payloadByteCount: Int
  /// What the first header after this one is: one of `IPProtocol`.
  var number: UInt8
  var hopLimit: UInt8 = IPProtocol.hopLimit
  /// DSCP and ECN (RFC 2474, RFC 3168).
  var trafficClass: UInt8 = 0
  var source: IPv6Address
  var destination: IPv6Address

  static let byteCount = 40
  /// Where the next header's number is in the header.
  static let numberOffset = 6

  init(from source: IPv6Address, to destination: IPv6Address, number: UInt8, payloadByteCount: Int) {
    self.source = source
    self.destination = destination
    self.number = number
    self.payloadByteCount = payloadByteCount
  }

  /// nil: not a packet of IPv6 of which all is there.
  @inline(__always)
  init?(_ packet: RawSpan) {
    guard packet.byteCount >= Self.byteCount else { return nil }
    let versionAndClass: UInt16 = packet.load(0)
    payloadByteCount = Int(packet.load(4, as: UInt16.self))
    guard versionAndClass >> 12 == 6, payloadByteCount <= packet.byteCount - Self.byteCount else { return nil }
    trafficClass = UInt8(truncatingIfNeeded: versionAndClass >> 4)
    number = packet[6]
    hopLimit = packet[7]
    source = IPv6Address(packet, at: 8)
    destination = IPv6Address(packet, at: 24)
  }

  @inline(__always)
  func store(in frame: inout MutableRawSpan, at offset: Int) {
    // The flow label is 0: none (RFC 6437, 2).
    frame.store(6 << 28 | UInt32(trafficClass) << 20, at: offset)
    frame.store(UInt16(payloadByteCount), at: offset + 4)
    frame.store(UInt16(number) << 8 | UInt16(hopLimit), at: offset + 6)
    frame.store(source, at: offset + 8)
    frame.store(destination, at: offset + 24)
  }
}
