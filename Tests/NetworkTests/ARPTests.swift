import Testing

@testable import Network

@Suite struct ARPTests {
  @Test func theAddressIsAnnouncedAtTheStart() {
    let host = Host(NetworkConfiguration(ipv4: .fixed(Host.own, prefixLength: 24, gateway: nil), ipv6: .none))
    let frames = host.frames()
    #expect(frames.count == 1)
    #expect(frames[0].destination == .broadcast)
    #expect(frames[0].packet == Packets.arp(operation: 1, Host.own, Host.ownLink, Host.own))
  }

  @Test func questionsAreAnswered() {
    let host = Host.fixed()
    host.receiveFrame(
      Packets.ethernet(
        to: .broadcast, from: Host.peerLink, type: 0x0806, Packets.arp(operation: 1, Host.peer, Host.peerLink, Host.own)
      ))
    let frames = host.frames()
    #expect(frames.count == 1)
    #expect(frames[0].destination == Host.peerLink)
    #expect(frames[0].packet == Packets.arp(operation: 2, Host.own, Host.ownLink, Host.peer, Host.peerLink))
  }

  @Test func questionsAboutOthersAreNot() {
    let host = Host.fixed()
    host.receive(Packets.arp(operation: 1, Host.peer, Host.peerLink, Host.router), type: 0x0806)
    #expect(host.frames().isEmpty)
  }

  @Test func whatNobodyAskedForIsNotBelieved() {
    let host = Host.fixed()
    for operation in [1, 2] as [UInt16] {
      host.receive(
        Packets.arp(operation: operation, Host.peer, Host.peerLink, Host.own, Host.ownLink), type: 0x0806)
      _ = host.frames()
    }
    #expect(host.stack.neighbours.count == 0)
  }

  @Test func aKnownNeighbourWithAnotherAddressIsAskedAtTheOldOne() {
    let host = Host.fixed()
    host.meetPeer()
    let thief = MACAddress(0x0200_0000_0666)
    host.receive(Packets.arp(operation: 2, Host.peer, thief, Host.own, Host.ownLink), type: 0x0806)
    let frames = host.frames()
    #expect(frames.count == 1)
    #expect(frames[0].destination == Host.peerLink)
    // The owner answers, and keeps what it had.
    host.receive(Packets.arp(operation: 2, Host.peer, Host.peerLink, Host.own, Host.ownLink), type: 0x0806)
    host.receive(Self.ping())
    #expect(host.frames().map(\.destination) == [Host.peerLink])
  }

  @Test func aNeighbourThatMovedIsFoundAgain() {
    let host = Host.fixed()
    host.meetPeer()
    host.advance(milliseconds: 60_000)
    host.receive(Self.ping())
    // Used as it was, and asked.
    #expect(host.frames().map(\.isARP) == [false, true])
    for _ in 0..<2 {
      host.advance(milliseconds: 1000)
      #expect(host.frames().map(\.destination) == [Host.peerLink])
    }
    host.advance(milliseconds: 1000)
    host.receive(Self.ping())
    #expect(host.frames().map(\.destination) == [.broadcast])
    let place = MACAddress(0x0200_0000_0077)
    host.receive(Packets.arp(operation: 2, Host.peer, place, Host.own, Host.ownLink), type: 0x0806)
    #expect(host.frames().map(\.destination) == [place])
  }

  @Test func nobodyAnswersThreeQuestions() throws {
    let host = Host.fixed()
    let port = try host.stack.udp.bind()
    try port.send([1, 2, 3].span.bytes, to: SocketAddress(.v4(Host.peer), port: 9))
    var questions = host.frames().count
    for _ in 0..<5 {
      host.advance(milliseconds: 1000)
      questions += host.frames().count
    }
    #expect(questions == 3)
    #expect(
      port.takeFailure()
        == UDPFailure(destination: SocketAddress(.v4(Host.peer), port: 9), reason: .unreachable))
    #expect(host.stack.statistics.failedNeighbours == 1)
    #expect(host.stack.neighbours.count == 0)
  }

  @Test func ourAddressIsDefended() {
    let host = Host.fixed()
    host.receive(Packets.arp(operation: 1, Host.own, Host.peerLink, Host.own), type: 0x0806)
    #expect(host.stack.statistics.addressConflicts == 1)
    #expect(host.frames().map(\.packet) == [Packets.arp(operation: 1, Host.own, Host.ownLink, Host.own)])
  }

  @Test func aFloodOfSpoofedPingsLeavesTheTableBounded() {
    let host = Host(
      NetworkConfiguration(ipv4: .fixed(Host.own, prefixLength: 8, gateway: nil), ipv6: .none))
    _ = host.frames()
    host.meetPeer()
    for index in 0..<5000 as Range<UInt32> {
      let source = IPv4Address(0x0a01_0000 + index)
      host.receive(
        Packets.ipv4(
          from: source, to: Host.own, number: 1,
          Packets.icmp(type: 8, [UInt8](repeating: 0, count: 1000), from: .v4(source), to: .v4(Host.own))))
      _ = host.frames()
    }
    #expect(host.stack.neighbours.count <= NeighbourLimits.incompleteCount + 1)
    // Who was known still is.
    host.receive(Self.ping())
    #expect(host.frames().map(\.isARP) == [false])
  }

  private static func ping() -> [UInt8] {
    Packets.ipv4(
      from: Host.peer, to: Host.own, number: 1, Packets.icmp(type: 8, from: .v4(Host.peer), to: .v4(Host.own)))
  }
}
