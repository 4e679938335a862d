import SeededRandom
import Testing

@testable import Network

@Suite struct IPv4Tests {
  private static let payload = (0..<65_000).map { UInt8(truncatingIfNeeded: $0 * 7) }

  private static func echo(_ type: UInt8, _ payload: [UInt8]) -> [UInt8] {
    Packets.icmp(type: type, rest: 0x1234_0001, payload, from: .v4(Host.peer), to: .v4(Host.own))
  }

  private static func packet(_ payload: [UInt8], number: UInt8 = 1, from source: IPv4Address = Host.peer) -> [UInt8] {
    Packets.ipv4(from: source, to: Host.own, number: number, payload)
  }

  /// A datagram in fragments.
  private static func fragments(_ payload: [UInt8], size: Int = 1480, id: UInt16 = 1, number: UInt8 = 1) -> [[UInt8]] {
    stride(from: 0, to: payload.count, by: size).map { offset in
      let end = min(offset + size, payload.count)
      return Packets.ipv4(
        from: Host.peer, to: Host.own, number: number, Array(payload[offset..<end]), id: id,
        fragment: UInt16(offset / 8) | (end < payload.count ? 0x2000 : 0))
    }
  }

  /// The payload of fragments that were sent, put together in the plainest way.
  private static func joined(_ frames: [Frame]) -> [UInt8] {
    var payload: [UInt8] = []
    for (index, frame) in frames.enumerated() {
      #expect(Int(frame.fragmentField & 0x1fff) * 8 == payload.count)
      #expect((frame.fragmentField & 0x2000 != 0) == (index < frames.count - 1))
      #expect(frame.number(18, 2) == frames[0].number(18, 2))
      payload += frame.payload
    }
    return payload
  }

  @Test func echoIsAnswered() {
    let host = Host.fixed()
    host.meetPeer()
    host.receive(Self.packet(Self.echo(8, [1, 2, 3])))
    let frames = host.frames()
    #expect(frames.count == 1)
    #expect(frames[0].ipSource == .v4(Host.own) && frames[0].ipDestination == .v4(Host.peer))
    #expect(frames[0].payload == Self.echo(0, [1, 2, 3]))
    #expect(frames[0].hopLimit == 64)
  }

  @Test(arguments: [0, 1, 1471, 1472, 1473, 2953, 9000, 65_000]) func echoOfAnySizeInFragments(size: Int) {
    let host = Host.fixed()
    host.meetPeer()
    for packet in Self.fragments(Self.echo(8, Array(Self.payload[..<size]))) { host.receive(packet) }
    let frames = host.frames()
    #expect(frames.allSatisfy { $0.bytes.count <= 1514 })
    #expect(Self.joined(frames) == Self.echo(0, Array(Self.payload[..<size])))
  }

  @Test func fragmentsInAnyOrderAndTwice() {
    var random = SeededGenerator(seed: 5)
    for round in 0..<50 as Range<UInt16> {
      let host = Host.fixed()
      host.meetPeer()
      let fragments = Self.fragments(Self.echo(8, Array(Self.payload[..<20_000])), size: 8 * 50, id: round)
      // The datagram is complete with the last of the originals, so copies are of those that came before.
      var shuffled = fragments.shuffled(using: &random)
      for _ in 0..<10 {
        let index = Int.random(in: 0..<shuffled.count - 1, using: &random)
        shuffled.insert(shuffled[index], at: Int.random(in: index + 1..<shuffled.count, using: &random))
      }
      for packet in shuffled { host.receive(packet) }
      #expect(Self.joined(host.frames()) == Self.echo(0, Array(Self.payload[..<20_000])))
    }
  }

  @Test func overlappingFragmentsAreNoDatagram() {
    let message = Self.echo(8, Array(Self.payload[..<3000]))
    let good = Self.fragments(message)
    let overlap = Packets.ipv4(
      from: Host.peer, to: Host.own, number: 1, Array(message[1472..<1600]), id: 1, fragment: 1472 / 8 | 0x2000)
    let different = Packets.ipv4(
      from: Host.peer, to: Host.own, number: 1, [UInt8](repeating: 9, count: 1480), id: 1, fragment: 0x2000)
    for bad in [overlap, different] {
      let host = Host.fixed()
      host.meetPeer()
      for packet in [good[0], bad, good[1], good[2]] { host.receive(packet) }
      #expect(host.frames().isEmpty)
    }
  }

  @Test func aFragmentBehindTheEndIsNoDatagram() {
    // The "ping of death": the last fragment's end is above 65,535.
    let host = Host.fixed()
    host.meetPeer()
    let bytes = [UInt8](repeating: 0, count: 1480)
    host.receive(Packets.ipv4(from: Host.peer, to: Host.own, number: 1, bytes, fragment: 0x1fff))
    // A last fragment before one that has been there.
    host.receive(Packets.ipv4(from: Host.peer, to: Host.own, number: 1, bytes, id: 2, fragment: 370 | 0x2000))
    host.receive(Packets.ipv4(from: Host.peer, to: Host.own, number: 1, bytes, id: 2, fragment: 0))
    host.receive(Packets.ipv4(from: Host.peer, to: Host.own, number: 1, Array(bytes[..<5]), id: 3, fragment: 0x2000))
    host.receive(Packets.ipv4(from: Host.peer, to: Host.own, number: 1, [], id: 4, fragment: 0x2000))
    #expect(host.frames().isEmpty)
  }

  @Test func aFloodOfFragmentsIsBounded() {
    let host = Host.fixed()
    host.meetPeer()
    for id in 0..<2000 as Range<UInt16> {
      // The far end of a datagram, which takes as much memory as all of it.
      let bytes = [UInt8](repeating: 1, count: 1024)
      host.receive(Packets.ipv4(from: Host.peer, to: Host.own, number: 17, bytes, id: id, fragment: 8000 | 0x2000))
    }
    for packet in Self.fragments(Self.echo(8, Array(Self.payload[..<9000])), id: 9999) { host.receive(packet) }
    #expect(Self.joined(host.frames()).count == 9008)
    var reassembler = Reassembler()
    for id in 0..<2000 as Range<UInt32> {
      let key = Reassembler.Key(source: .v4(Host.peer), destination: .v4(Host.own), identification: id, number: 17)
      let bytes = [UInt8](repeating: 1, count: 1024)
      _ = reassembler.add(
        Reassembler.Fragment(offset: 64_000, hasMore: true, number: 17), of: key, payload: bytes.span.bytes,
        at: host.now)
      #expect(reassembler.byteCount <= ReassemblyLimits.byteCount)
    }
  }

  @Test func aFloodOfTinyFragmentsIsBounded() {
    let host = Host.fixed()
    host.meetPeer()
    for packet in Self.fragments(Self.echo(8, Array(Self.payload[..<8000])), size: 8) { host.receive(packet) }
    #expect(host.frames().isEmpty)
  }

  @Test func anIncompleteDatagramIsToldAfterItsTime() {
    let host = Host.fixed()
    host.meetPeer()
    let fragments = Self.fragments(
      Packets.udp(
        from: SocketAddress(.v4(Host.peer), port: 9), to: SocketAddress(.v4(Host.own), port: 9),
        Array(Self.payload[..<4000])), number: 17)
    host.receive(fragments[0])
    host.receive(fragments[1])
    host.advance(milliseconds: ReassemblyLimits.milliseconds - 1)
    #expect(host.frames().isEmpty)
    host.advance(milliseconds: 1)
    let frames = host.frames()
    #expect(frames.count == 1)
    #expect(frames.first.map { Array($0.payload[..<2]) } == [11, 1])
    host.receive(fragments[2])
    #expect(host.frames().isEmpty)
  }

  @Test func optionsAreSkipped() {
    let host = Host.fixed()
    host.meetPeer()
    host.receive(
      Packets.ipv4(from: Host.peer, to: Host.own, number: 1, Self.echo(8, [5]), options: [1, 1, 1, 0]))
    #expect(host.frames().first?.payload == Self.echo(0, [5]))
  }

  @Test func paddingIsNotPayload() {
    let host = Host.fixed()
    host.meetPeer()
    host.receive(Self.packet(Self.echo(8, [])) + [UInt8](repeating: 0xff, count: 18))
    #expect(host.frames().first?.payload == Self.echo(0, []))
  }

  @Test(arguments: 0..<20) func aHeaderWithAWrongByteIsDropped(offset: Int) {
    let host = Host.fixed()
    host.meetPeer()
    var packet = Self.packet(Self.echo(8, []))
    packet[offset] ^= 0x10
    host.receive(packet)
    #expect(host.frames().isEmpty)
    #expect(host.stack.statistics.malformedPackets == 1)
  }

  @Test func shortPacketsAreDropped() {
    let host = Host.fixed()
    let packet = Packets.ethernet(to: host.link, from: Host.peerLink, type: 0x0800, Self.packet(Self.echo(8, [1, 2])))
    for count in 0..<packet.count { host.receiveFrame(Array(packet[..<count])) }
    #expect(host.stack.statistics.malformedPackets == UInt64(packet.count))
    #expect(host.frames().isEmpty)
  }

  @Test(arguments: [
    IPv4Address.any, .broadcast, IPv4Address(127, 0, 0, 1), IPv4Address(224, 0, 0, 1), IPv4Address(10, 0, 0, 255),
    Host.own,
  ]) func sourcesThatNoHostHasAreDropped(source: IPv4Address) {
    let host = Host.fixed()
    host.receive(Self.packet(Self.echo(8, []), from: source))
    #expect(host.frames().isEmpty)
    #expect(host.stack.statistics.spoofedPackets == 1)
  }

  @Test func packetsToOthersAreDropped() {
    let host = Host.fixed()
    host.receive(Packets.ipv4(from: Host.peer, to: Host.router, number: 1, Self.echo(8, [])))
    host.receiveFrame(
      Packets.ethernet(
        to: MACAddress(0x0200_0000_0099), from: Host.peerLink, type: 0x0800, Self.packet(Self.echo(8, []))))
    #expect(host.frames().isEmpty)
    #expect(host.stack.statistics.foreignPackets == 2)
  }

  @Test func nothingAnswersABroadcast() {
    let host = Host.fixed()
    host.meetPeer()
    let own = SocketAddress(.v4(Host.own), port: 9)
    let peer = SocketAddress(.v4(Host.peer), port: 9)
    for destination in [IPv4Address(10, 0, 0, 255), .broadcast] {
      host.receive(Packets.ipv4(from: Host.peer, to: destination, number: 1, Self.echo(8, [])))
      host.receive(Packets.ipv4(from: Host.peer, to: destination, number: 99, []))
      host.receive(
        Packets.ipv4(
          from: Host.peer, to: destination, number: 17,
          Packets.udp(from: peer, to: SocketAddress(.v4(destination), port: 9), [])))
    }
    // Nor a frame that everybody got.
    host.receiveFrame(
      Packets.ethernet(
        to: .broadcast, from: Host.peerLink, type: 0x0800, Self.packet(Packets.udp(from: peer, to: own, []), number: 17)
      ))
    #expect(host.frames().isEmpty)
  }

  @Test func unknownProtocolsAreToldSo() {
    let host = Host.fixed()
    host.meetPeer()
    host.receive(Self.packet([1, 2, 3, 4], number: 99))
    let frames = host.frames()
    #expect(frames.count == 1)
    #expect(frames.first.map { Array($0.payload[..<2]) } == [3, 2])
    #expect(frames.first.map { Array($0.payload[8...]) } == Self.packet([1, 2, 3, 4], number: 99))
  }

  @Test func errorsAreRare() {
    let host = Host.fixed()
    host.meetPeer()
    for _ in 0..<500 { host.receive(Self.packet([1, 2, 3, 4], number: 99)) }
    #expect(host.frames().count == ErrorRate.burst)
    #expect(host.stack.statistics.suppressedErrors == UInt64(500 - ErrorRate.burst))
    host.advance(milliseconds: 100)
    for _ in 0..<500 { host.receive(Self.packet([1, 2, 3, 4], number: 99)) }
    #expect(host.frames().count == 10)
  }

  @Test func packetsToElsewhereGoToTheGateway() throws {
    let host = Host.fixed()
    let port = try host.stack.udp.bind()
    try port.send([1].span.bytes, to: SocketAddress(.v4(IPv4Address(192, 0, 2, 1)), port: 9))
    let question = host.frames()
    #expect(question.map(\.packet) == [Packets.arp(operation: 1, Host.own, Host.ownLink, Host.router)])
    host.receive(Packets.arp(operation: 2, Host.router, Host.peerLink, Host.own, Host.ownLink), type: 0x0806)
    let frames = host.frames()
    #expect(frames.map(\.destination) == [Host.peerLink])
    #expect(frames.first?.ipDestination == .v4(IPv4Address(192, 0, 2, 1)))
  }

  @Test func withoutAGatewayElsewhereIsUnreachable() throws {
    let host = Host(NetworkConfiguration(ipv4: .fixed(Host.own, prefixLength: 24, gateway: nil), ipv6: .none))
    _ = host.frames()
    let port = try host.stack.udp.bind()
    try port.send([1].span.bytes, to: SocketAddress(.v4(IPv4Address(192, 0, 2, 1)), port: 9))
    #expect(host.frames().isEmpty)
    #expect(port.takeFailure()?.reason == .unreachable)
  }
}
