import Testing

@testable import Network

/// What comes in a frame to everybody, and what is for everybody.
@Suite struct BroadcastFrameTests {
  private static let peerV6 = IPv6Address("fe80::2")!
  private static let ownV6 = IPv6Address("fe80::ff:fe00:1")!

  /// A SYN for port 80, from port 4000.
  private static func syn(from source: IPAddress, to destination: IPAddress) -> [UInt8] {
    var segment = Packets.bytes(4000, 2) + Packets.bytes(80, 2) + Packets.bytes(1000, 4) + Packets.bytes(0, 4)
    segment += [0x50, 0x02] + Packets.bytes(65_535, 2) + [0, 0, 0, 0]
    let sum = Packets.transportChecksum(segment, from: source, to: destination, number: 6)
    segment.replaceSubrange(16..<18, with: Packets.bytes(UInt64(sum), 2))
    switch (source, destination) {
    case (.v4(let source), .v4(let destination)):
      return Packets.ipv4(from: source, to: destination, number: 6, segment)
    case (.v6(let source), .v6(let destination)):
      return Packets.ipv6(from: source, to: destination, number: 6, segment)
    default: return []
    }
  }

  /// To everybody, and to nobody, as passt has it with an inherited connection.
  @Test(arguments: [MACAddress.broadcast, MACAddress(0)])
  func aSynForUsIsAnsweredHoweverItCame(destination: MACAddress) throws {
    let host = Host.fixed()
    let listener = try host.stack.tcp.listen(on: nil, port: 80, backlog: 8)
    host.meetPeer()
    host.receiveFrame(
      Packets.ethernet(
        to: destination, from: Host.peerLink, type: 0x0800, Self.syn(from: .v4(Host.peer), to: .v4(Host.own))))
    let answers = host.frames()
    #expect(answers.count == 1)
    let answer = try #require(answers.first)
    #expect(answer.destination == Host.peerLink && answer.ipNumber == 6 && answer.payload[13] == 0x12)
    _ = consume listener
  }

  @Test func aSynOverIPv6IsAnsweredHoweverItCame() throws {
    let host = Host(NetworkConfiguration(ipv4: .none))
    _ = try host.stack.tcp.listen(on: nil, port: 80, backlog: 8)
    host.advance(milliseconds: 1000)
    _ = host.frames()
    host.receiveFrame(
      Packets.ethernet(
        to: .broadcast, from: Host.peerLink, type: 0x86dd, Self.syn(from: .v6(Self.peerV6), to: .v6(Self.ownV6))))
    // Where the peer is is asked first.
    let question = try #require(host.frame())
    #expect(question.ipNumber == 58 && question.payload[0] == 135)
    #expect(host.stack.tcp.statistics.halfOpenCount == 1)
  }

  @Test(arguments: [IPv4Address.broadcast, IPv4Address(10, 0, 0, 255)])
  func aSynForEverybodyIsNotAnswered(destination: IPv4Address) throws {
    let host = Host.fixed()
    _ = try host.stack.tcp.listen(on: nil, port: 80, backlog: 8)
    host.meetPeer()
    for link in [.broadcast, Host.ownLink] {
      host.receiveFrame(
        Packets.ethernet(
          to: link, from: Host.peerLink, type: 0x0800, Self.syn(from: .v4(Host.peer), to: .v4(destination))))
    }
    #expect(host.frames().isEmpty)
    #expect(host.stack.tcp.statistics.halfOpenCount == 0)
  }

  @Test func anAddressOfIPv6IsAnnouncedOnceItIsOurs() throws {
    let host = Host(NetworkConfiguration(ipv4: .none))
    _ = host.frames()
    host.advance(milliseconds: 1000)
    let announcement = try #require(host.frames().first { $0.ipNumber == 58 && $0.payload[0] == 136 })
    #expect(announcement.destination == MACAddress(multicast: .allNodes) && announcement.hopLimit == 255)
    #expect(announcement.ipSource == .v6(Self.ownV6) && announcement.ipDestination == .v6(.allNodes))
    // Override, and nothing that was asked for (RFC 4861, 4.4).
    #expect(announcement.number(58, 4) == 0x2000_0000)
    #expect(
      Array(announcement.payload[8...])
        == Packets.address(.v6(Self.ownV6)) + [2, 1] + Packets.bytes(Host.ownLink.value, 6))
  }
}
