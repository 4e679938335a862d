/// The packet that an ICMP error quotes, as far as it says whom the error concerns.
struct QuotedPacket {
  var source: SocketAddress
  var destination: SocketAddress
  /// `IPProtocol.tcp` or `IPProtocol.udp`
  var number: UInt8
  /// Of TCP only; 0 otherwise.
  var sequence: UInt32
  /// The whole packet's size, as its header says.
  var byteCount: Int

  /// nil: neither TCP nor UDP, not the first fragment, or too little of it (RFC 792: eight bytes of the payload).
  init?(v4 packet: RawSpan) {
    guard packet.byteCount >= IPv4Header.byteCount, packet[0] >> 4 == 4 else { return nil }
    let header = Int(packet[0] & 0xf) * 4
    // The offset's 13 bits: only the first fragment has ports.
    guard header >= IPv4Header.byteCount, packet.byteCount >= header + 8, packet.load(6, as: UInt16.self) & 0x1fff == 0
    else { return nil }
    self.init(
      number: packet[9], byteCount: Int(packet.load(2, as: UInt16.self)), from: .v4(IPv4Address(packet.load(12))),
      to: .v4(IPv4Address(packet.load(16))), transport: packet.extracting(header...))
  }

  /// Packets of ours have no extension headers in front of TCP and UDP, unless they are fragments.
  init?(v6 packet: RawSpan) {
    guard packet.byteCount >= IPv6Header.byteCount + 8, packet[0] >> 4 == 6 else { return nil }
    var number = packet[IPv6Header.numberOffset]
    var offset = IPv6Header.byteCount
    if number == IPProtocol.fragment {
      guard packet.load(offset + 2, as: UInt16.self) >> 3 == 0 else { return nil }
      number = packet[offset]
      offset += 8
    }
    guard packet.byteCount >= offset + 8 else { return nil }
    self.init(
      number: number, byteCount: IPv6Header.byteCount + Int(packet.load(4, as: UInt16.self)),
      from: .v6(IPv6Address(packet, at: 8)), to: .v6(IPv6Address(packet, at: 24)),
      transport: packet.extracting(offset...))
  }

  private init?(number: UInt8, byteCount: Int, from source: IPAddress, to destination: IPAddress, transport: RawSpan) {
    guard number == IPProtocol.tcp || number == IPProtocol.udp else { return nil }
    self.number = number
    self.byteCount = byteCount
    self.source = SocketAddress(source, port: transport.load(0))
    self.destination = SocketAddress(destination, port: transport.load(2))
    sequence = number == IPProtocol.tcp ? transport.load(4) : 0
  }
}
