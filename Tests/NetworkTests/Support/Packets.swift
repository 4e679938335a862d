@testable import Network

/// Packets made byte by byte, without the code under test.
enum Packets {
  static func ethernet(to destination: MACAddress, from source: MACAddress, type: UInt16, _ payload: [UInt8]) -> [UInt8]
  {
    bytes(destination.value, 6) + bytes(source.value, 6) + bytes(UInt64(type), 2) + payload
  }

  static func arp(
    operation: UInt16, _ sender: IPv4Address, _ senderLink: MACAddress, _ target: IPv4Address,
    _ targetLink: MACAddress = MACAddress(0)
  ) -> [UInt8] {
    [0, 1, 8, 0, 6, 4] + bytes(UInt64(operation), 2) + bytes(senderLink.value, 6) + bytes(UInt64(sender.value), 4)
      + bytes(targetLink.value, 6) + bytes(UInt64(target.value), 4)
  }

  /// - Parameters:
  ///   - fragment: the 16 bits with flags and offset.
  ///   - options: a multiple of four bytes.
  static func ipv4(
    from source: IPv4Address, to destination: IPv4Address, number: UInt8, _ payload: [UInt8], id: UInt16 = 1,
    fragment: UInt16 = 0, ttl: UInt8 = 64, options: [UInt8] = []
  ) -> [UInt8] {
    var header: [UInt8] = [0x45 + UInt8(options.count / 4), 0]
    header += bytes(UInt64(20 + options.count + payload.count), 2) + bytes(UInt64(id), 2) + bytes(UInt64(fragment), 2)
    header += [ttl, number, 0, 0] + bytes(UInt64(source.value), 4) + bytes(UInt64(destination.value), 4) + options
    let sum = checksum(header)
    header[10] = UInt8(sum >> 8)
    header[11] = UInt8(sum & 0xff)
    return header + payload
  }

  static func ipv6(
    from source: IPv6Address, to destination: IPv6Address, number: UInt8, _ payload: [UInt8], hopLimit: UInt8 = 64
  ) -> [UInt8] {
    [0x60, 0, 0, 0] + bytes(UInt64(payload.count), 2) + [number, hopLimit] + address(.v6(source))
      + address(.v6(destination)) + payload
  }

  static func udp(
    from source: SocketAddress, to destination: SocketAddress, _ payload: [UInt8], checksum hasChecksum: Bool = true
  ) -> [UInt8] {
    var packet =
      bytes(UInt64(source.port), 2) + bytes(UInt64(destination.port), 2) + bytes(UInt64(8 + payload.count), 2) + [0, 0]
      + payload
    if hasChecksum {
      let sum = transportChecksum(packet, from: source.address, to: destination.address, number: 17)
      packet[6] = UInt8(sum >> 8)
      packet[7] = UInt8(sum & 0xff)
    }
    return packet
  }

  /// An ICMP message of either version.
  static func icmp(
    type: UInt8, code: UInt8 = 0, rest: UInt32 = 0, _ body: [UInt8] = [], from source: IPAddress,
    to destination: IPAddress
  ) -> [UInt8] {
    var packet = [type, code, 0, 0] + bytes(UInt64(rest), 4) + body
    let sum =
      source.isIPv6 ? transportChecksum(packet, from: source, to: destination, number: 58) : checksum(packet)
    packet[2] = UInt8(sum >> 8)
    packet[3] = UInt8(sum & 0xff)
    return packet
  }

  /// RFC 1071, in the plainest way.
  static func checksum(_ bytes: [UInt8]) -> UInt16 {
    var sum = 0
    for index in stride(from: 0, to: bytes.count, by: 2) {
      sum += Int(bytes[index]) << 8 + (index + 1 < bytes.count ? Int(bytes[index + 1]) : 0)
    }
    while sum > 0xffff { sum = sum & 0xffff + sum >> 16 }
    return ~UInt16(sum)
  }

  static func transportChecksum(
    _ packet: [UInt8], from source: IPAddress, to destination: IPAddress, number: UInt8
  ) -> UInt16 {
    checksum(address(source) + address(destination) + bytes(UInt64(packet.count), 4) + [0, 0, 0, number] + packet)
  }

  static func address(_ address: IPAddress) -> [UInt8] {
    switch address {
    case .v4(let address): bytes(UInt64(address.value), 4)
    case .v6(let address): bytes(address.high, 8) + bytes(address.low, 8)
    }
  }

  /// The last bytes of a number, the most significant one first.
  static func bytes(_ value: UInt64, _ count: Int) -> [UInt8] {
    (0..<count).reversed().map { UInt8(truncatingIfNeeded: value >> UInt64($0 * 8)) }
  }
}
