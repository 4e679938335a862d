import Testing

@testable import Network

/// Frames with the tag of IEEE 802.1Q.
@Suite struct PriorityTagTests {
  /// A frame from the peer with tags between the addresses and the type, each of 16 bits of type and of control information.
  private func frame(_ packet: [UInt8], type: UInt16, tags: [(UInt16, UInt16)], to link: MACAddress = Host.ownLink)
    -> [UInt8]
  {
    let frame = Packets.ethernet(to: link, from: Host.peerLink, type: type, packet)
    let tags = tags.flatMap { Packets.bytes(UInt64($0.0), 2) + Packets.bytes(UInt64($0.1), 2) }
    return Array(frame[..<12]) + tags + Array(frame[12...])
  }

  private static let ping = Packets.ipv4(
    from: Host.peer, to: Host.own, number: 1,
    Packets.icmp(type: 8, rest: 5, [1, 2, 3], from: .v4(Host.peer), to: .v4(Host.own)))

  /// Any priority, droppable or not: as if there were no tag, and the answer has none.
  @Test(arguments: [0x0000, 0x2000, 0x1000, 0xf000] as [UInt16]) func aTagForPriorityIsSkipped(control: UInt16) throws {
    let host = Host.fixed()
    let question = Packets.arp(operation: 1, Host.peer, Host.peerLink, Host.own)
    host.receiveFrame(frame(question, type: 0x0806, tags: [(0x8100, control)], to: .broadcast))
    #expect(host.frames().map(\.type) == [0x0806])
    host.meetPeer()
    host.receiveFrame(frame(Self.ping, type: 0x0800, tags: [(0x8100, control)]))
    let answer = try #require(host.frame())
    #expect(answer.isIPv4 && answer.payload[0] == 0 && Array(answer.payload[4...]) == [0, 0, 0, 5, 1, 2, 3])
    // A checksum that the device vouches for, and one that it does not.
    let syn = Segment(.syn, sequence: 1, acknowledgement: 0, window: 100)
      .bytes(from: SocketAddress(.v4(Host.peer), port: 9), to: SocketAddress(.v4(Host.own), port: 80))
    for isRight in [true, false] {
      var segment = syn
      if !isRight { segment[16] ^= 0xff }
      let packet = Packets.ipv4(from: Host.peer, to: Host.own, number: 6, segment)
      host.receiveFrame(frame(packet, type: 0x0800, tags: [(0x8100, control)]), checksumIsValid: !isRight)
      #expect(host.frames().map(\.ipNumber) == [6])
    }
    #expect(host.stack.statistics.foreignPackets == 0 && host.stack.statistics.malformedPackets == 0)
  }

  @Test func aTagBeforeIPv6IsSkipped() throws {
    let host = Host(NetworkConfiguration(ipv4: .none))
    host.advance(milliseconds: 1500)
    _ = host.frames()
    let (own, peer) = (IPv6Address(linkLocal: Host.ownLink), IPv6Address(linkLocal: Host.peerLink))
    let question = Packets.ipv6(
      from: peer, to: own.solicitedNode, number: 58,
      Packets.icmp(
        type: 135, Packets.address(.v6(own)) + [1, 1] + Packets.bytes(Host.peerLink.value, 6), from: .v6(peer),
        to: .v6(own.solicitedNode)),
      hopLimit: 255)
    host.receiveFrame(
      frame(question, type: 0x86dd, tags: [(0x8100, 0xe000)], to: MACAddress(0x3333_ff00_0001)))
    let answer = try #require(host.frame())
    #expect(answer.isIPv6 && answer.payload[0] == 136 && answer.destination == Host.peerLink)
  }

  /// Other VLANs, a second tag, and a provider's tag.
  @Test(
    arguments: [
      [0x8100_0001], [0x8100_0fff], [0x8100_e064], [0x88a8_0000], [0x8100_0000, 0x8100_0000],
      [0x8100_0000, 0x88a8_0000],
      [0x88a8_0000, 0x8100_0000], [0x9100_0000],
    ] as [[UInt32]]) func otherTagsAreNotTaken(tags: [UInt32])
  {
    let host = Host.fixed()
    host.meetPeer()
    let tags = tags.map { (UInt16($0 >> 16), UInt16(truncatingIfNeeded: $0)) }
    host.receiveFrame(frame(Self.ping, type: 0x0800, tags: tags))
    #expect(host.frames().isEmpty && host.stack.statistics.foreignPackets == 1)
  }

  @Test func aTagThatIsCutOffIsNone() {
    let whole = frame(Self.ping, type: 0x0800, tags: [(0x8100, 0)])
    for byteCount in 0..<whole.count {
      let host = Host.fixed()
      host.receiveFrame(Array(whole[..<byteCount]))
      #expect(host.frames().isEmpty && host.stack.statistics.malformedPackets == 1)
    }
  }
}
