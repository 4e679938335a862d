@testable import Network

/// Frames for a stack that are right where an input does not say otherwise: lengths and checksums would keep nearly
/// everything at random from being looked at.
struct FrameBuilder {
  static let own = IPv4Address(10, 0, 0, 1)
  static let ownLink = MACAddress(0x0200_0000_0001)
  static let peerLink = MACAddress(0x0200_0000_0002)
  /// The link-local address of `ownLink`.
  static let own6 = IPv6Address(linkLocal: ownLink)

  /// What the payload of an IP packet may be.
  private static let numbers: [UInt8] = [1, 6, 17, 58, 44, 0, 60, 43]
  /// Ports that the stack under test has something at, and one that it has not.
  private static let ports: [UInt16] = [80, 53, 7, 68, 67, 9]

  static func ethernet(_ type: UInt16, _ payload: [UInt8], to destination: MACAddress = ownLink) -> [UInt8] {
    var frame = [UInt8](repeating: 0, count: EthernetHeader.byteCount)
    var span = frame.mutableSpan
    var bytes = span.mutableBytes
    EthernetHeader(from: peerLink, to: destination, type: type).store(in: &bytes)
    return frame + payload
  }

  /// A frame with a tag (IEEE 802.1Q) behind its addresses, nearly always for priority alone.
  static func tagged(_ frame: [UInt8], _ input: inout FuzzInput) -> [UInt8] {
    guard frame.count >= EthernetHeader.byteCount else { return frame }
    var tagged = [UInt8](frame[..<12])
    tagged += input.next(below: 8) == 0 ? [0x88, 0xa8] : [0x81, 0x00]
    tagged.append(input.next(UInt8.self) & 0xf0)
    tagged.append(input.next(below: 4) == 0 ? input.next(UInt8.self) : 0)
    return tagged + frame[12...]
  }

  static func arp(_ input: inout FuzzInput) -> [UInt8] {
    let operation: ARPMessage.Operation = input.flag() ? .reply : .request
    let sender = address4(&input)
    let target = address4(&input)
    var payload = [UInt8](repeating: 0, count: ARPMessage.byteCount)
    var span = payload.mutableSpan
    var bytes = span.mutableBytes
    ARPMessage(
      operation, from: sender, at: MACAddress(0x0200_0000_0002 + UInt64(input.next(below: 3))), to: target, at: ownLink
    )
    .store(in: &bytes, at: 0)
    return ethernet(EthernetHeader.typeARP, payload, to: input.flag() ? .broadcast : ownLink)
  }

  static func ipv4(_ input: inout FuzzInput) -> [UInt8] {
    let source = address4(&input)
    let destination = input.next(below: 8) == 0 ? address4(&input) : own
    let number = numbers[input.next(below: numbers.count)]
    let payload = transport(number, .v4(source), .v4(destination), &input)
    var header = IPv4Header(from: source, to: destination, number: number, payloadByteCount: payload.count)
    if input.next(below: 4) == 0 {
      header.isFragmentable = true
      header.identification = UInt16(input.next(below: 3))
      header.fragmentOffset = (input.flag() ? input.next(below: 16) : Int(input.next(UInt16.self) & 0x1fff)) * 8
      header.hasMoreFragments = input.flag()
    }
    var bytes = [UInt8](repeating: 0, count: IPv4Header.byteCount)
    var span = bytes.mutableSpan
    var raw = span.mutableBytes
    header.store(in: &raw, at: 0)
    return ethernet(EthernetHeader.typeIPv4, bytes + payload)
  }

  static func ipv6(_ input: inout FuzzInput) -> [UInt8] {
    let source = address6(&input)
    let destination = input.next(below: 4) == 0 ? address6(&input) : own6
    let final = numbers[input.next(below: numbers.count)]
    var payload = transport(final, .v6(source), .v6(destination), &input)
    var number = final
    for _ in 0..<input.next(below: 4) {
      let kind: UInt8 = [0, 43, 44, 60][input.next(below: 4)]
      var header: [UInt8] = [number, 0]
      for _ in 0..<6 { header.append(input.flag() ? 0 : input.next()) }
      payload = header + payload
      number = kind
    }
    var header = IPv6Header(from: source, to: destination, number: number, payloadByteCount: payload.count)
    header.hopLimit = input.flag() ? 255 : input.next()
    var bytes = [UInt8](repeating: 0, count: IPv6Header.byteCount)
    var span = bytes.mutableSpan
    var raw = span.mutableBytes
    header.store(in: &raw, at: 0)
    return ethernet(EthernetHeader.typeIPv6, bytes + payload)
  }

  private static func address4(_ input: inout FuzzInput) -> IPv4Address {
    switch input.next(below: 8) {
    case 0: own
    case 1: .any
    case 2: .broadcast
    case 3: IPv4Address(input.next())
    default: IPv4Address(10, 0, 0, 2 + UInt8(input.next(below: 4)))
    }
  }

  private static func address6(_ input: inout FuzzInput) -> IPv6Address {
    switch input.next(below: 8) {
    case 0: own6
    case 1: .any
    case 2: .allNodes
    case 3: own6.solicitedNode
    case 4: IPv6Address(high: input.next(), low: input.next())
    default: IPv6Address(high: own6.high, low: 2 + UInt64(input.next(below: 4)))
    }
  }

  /// The layer above IP, its checksum right nearly always.
  private static func transport(
    _ number: UInt8, _ source: IPAddress, _ destination: IPAddress, _ input: inout FuzzInput
  ) -> [UInt8] {
    var payload: [UInt8] = []
    if number == IPProtocol.tcp || number == IPProtocol.udp {
      for _ in 0..<2 {
        let port = ports[input.next(below: ports.count)]
        payload += [UInt8(port >> 8), UInt8(truncatingIfNeeded: port)]
      }
    }
    payload += input.take(Int(input.next(UInt8.self)))
    var checksumOffset: Int?
    switch number {
    case IPProtocol.udp where payload.count >= UDPHeader.byteCount:
      payload[4] = UInt8(payload.count >> 8)
      payload[5] = UInt8(truncatingIfNeeded: payload.count)
      checksumOffset = UDPHeader.checksumOffset
    case IPProtocol.icmp, IPProtocol.icmpv6: checksumOffset = ICMPMessage.checksumOffset
    default: break
    }
    guard let checksumOffset, payload.count >= checksumOffset + 2, input.next(below: 16) != 0 else { return payload }
    payload[checksumOffset] = 0
    payload[checksumOffset + 1] = 0
    var checksum = InternetChecksum()
    if number != IPProtocol.icmp {
      checksum.addPseudoHeader(from: source, to: destination, protocol: number, length: payload.count)
    }
    checksum.add(payload.span.bytes)
    payload[checksumOffset] = UInt8(checksum.value >> 8)
    payload[checksumOffset + 1] = UInt8(truncatingIfNeeded: checksum.value)
    return payload
  }
}
