@testable import Network

/// A frame that a stack sent, for tests to look into.
struct Frame: Equatable {
  var bytes: [UInt8]
  var checksum: PartialChecksum?
  var segmentation: Segmentation?

  var destination: MACAddress { MACAddress(number(0, 6)) }
  var source: MACAddress { MACAddress(number(6, 6)) }
  var type: UInt16 { UInt16(number(12, 2)) }
  var isARP: Bool { type == 0x0806 }
  var isIPv4: Bool { type == 0x0800 }
  var isIPv6: Bool { type == 0x86dd }

  /// The IP packet, or whatever else is in the frame.
  var packet: [UInt8] { Array(bytes[14...]) }
  /// What the IP packet's payload is, without looking at extension headers.
  var ipNumber: UInt8 { isIPv4 ? bytes[23] : bytes[20] }
  var hopLimit: UInt8 { isIPv4 ? bytes[22] : bytes[21] }
  var ipSource: IPAddress { isIPv4 ? .v4(IPv4Address(UInt32(number(26, 4)))) : .v6(ipv6(22)) }
  var ipDestination: IPAddress { isIPv4 ? .v4(IPv4Address(UInt32(number(30, 4)))) : .v6(ipv6(38)) }
  var payloadOffset: Int { isIPv4 ? 14 + Int(bytes[14] & 0xf) * 4 : 54 }
  var payload: [UInt8] { Array(bytes[payloadOffset...]) }

  /// Of IPv4, with flags.
  var fragmentField: UInt16 { UInt16(number(20, 2)) }

  func number(_ offset: Int, _ count: Int) -> UInt64 {
    bytes[offset..<offset + count].reduce(0) { $0 << 8 | UInt64($1) }
  }

  private func ipv6(_ offset: Int) -> IPv6Address {
    IPv6Address(high: number(offset, 8), low: number(offset + 8, 8))
  }

  /// What is wrong with the lengths and checksums that the stack is to get right; nil: nothing.
  var fault: String? {
    if isIPv4 {
      if Packets.checksum(Array(bytes[14..<payloadOffset])) != 0 { return "header checksum" }
      if Int(number(16, 2)) != bytes.count - 14 { return "total length" }
      if fragmentField & 0x3fff != 0 { return nil }
    } else if isIPv6 {
      if Int(number(18, 2)) != bytes.count - 54 { return "payload length" }
    } else {
      return nil
    }
    switch ipNumber {
    case 6, 17:
      let sum = Packets.transportChecksum(payload, from: ipSource, to: ipDestination, number: ipNumber)
      if let checksum {
        guard checksum.start == payloadOffset, checksum.offset == (ipNumber == 6 ? 16 : 6) else { return "csum_start" }
        // The field has the pseudo-header's sum, so that the sum over the payload alone is the whole one.
        let field = UInt16(number(payloadOffset + checksum.offset, 2))
        let pseudo = ~Packets.checksum(
          Packets.address(ipSource) + Packets.address(ipDestination) + Packets.bytes(UInt64(payload.count), 4)
            + [0, 0, 0, ipNumber])
        return field == pseudo ? nil : "pseudo-header's sum"
      }
      return sum == 0 ? nil : "checksum of protocol \(ipNumber)"
    case 1: return Packets.checksum(payload) == 0 ? nil : "ICMP checksum"
    case 58:
      return Packets.transportChecksum(payload, from: ipSource, to: ipDestination, number: 58) == 0
        ? nil : "ICMPv6 checksum"
    default: return nil
    }
  }
}
