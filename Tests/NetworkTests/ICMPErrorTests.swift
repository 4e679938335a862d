import Testing

@testable import Network

/// Errors from the network about what a stack sent.
@Suite struct ICMPErrorTests {
  private static let router = SocketAddress(.v4(Host.router), port: 0)
  private static let elsewhere = IPv4Address(192, 0, 2, 1)

  /// A host with a router that it knows, and a port that sent to elsewhere.
  private static func host() throws -> (Host, UDPPort, Frame) {
    let host = Host.fixed()
    let port = try host.stack.udp.bind()
    try port.send([UInt8](repeating: 1, count: 1400).span.bytes, to: SocketAddress(.v4(elsewhere), port: 7))
    _ = host.frames()
    host.receive(Packets.arp(operation: 2, Host.router, Host.peerLink, Host.own, Host.ownLink), type: 0x0806)
    return (host, port, try #require(host.frame()))
  }

  private static func error(_ type: UInt8, _ code: UInt8, rest: UInt32 = 0, about packet: [UInt8]) -> [UInt8] {
    Packets.ipv4(
      from: Host.router, to: Host.own, number: 1,
      Packets.icmp(type: type, code: code, rest: rest, packet, from: .v4(Host.router), to: .v4(Host.own)))
  }

  @Test(arguments: [
    (3, 3, UDPFailure.Reason.refused), (3, 1, .unreachable), (11, 0, .unreachable), (3, 13, .unreachable),
  ])
  func aPortIsTold(type: UInt8, code: UInt8, reason: UDPFailure.Reason) throws {
    let (host, port, sent) = try Self.host()
    host.receive(Self.error(type, code, about: Array(sent.packet[..<28])))
    #expect(port.takeFailure() == UDPFailure(destination: SocketAddress(.v4(Self.elsewhere), port: 7), reason: reason))
    #expect(port.takeFailure() == nil)
  }

  @Test func errorsAboutWhatOthersSentAreNotBelieved() throws {
    let (host, port, sent) = try Self.host()
    var packet = sent.packet
    packet[15] ^= 1
    host.receive(Self.error(3, 3, about: packet))
    packet = sent.packet
    packet[21] ^= 1
    host.receive(Self.error(3, 3, about: packet))
    packet = sent.packet
    // A later fragment has no ports.
    packet[7] = 1
    host.receive(Self.error(3, 3, about: packet))
    for count in 0..<28 { host.receive(Self.error(3, 3, about: Array(sent.packet[..<count]))) }
    #expect(port.takeFailure() == nil)
    #expect(host.frames().isEmpty)
  }

  @Test func aSmallerPathIsTakenForItsTimeAndNotBelowAMinimum() throws {
    let (host, port, sent) = try Self.host()
    let destination = IPAddress.v4(Self.elsewhere)
    func sizes() throws -> [Int] {
      try port.send([UInt8](repeating: 1, count: 1400).span.bytes, to: SocketAddress(destination, port: 7))
      return host.frames().filter { !$0.isARP }.map(\.packet.count)
    }
    #expect(try sizes() == [1428])
    host.receive(Self.error(3, 4, rest: 1000, about: sent.packet))
    #expect(try sizes() == [996, 452])
    #expect(host.stack.statistics.loweredPathMTUs == 1)
    host.receive(Self.error(3, 4, rest: 68, about: sent.packet))
    // The minimum, less what is no multiple of eight.
    #expect(try sizes().max() == 548)
    // A larger one is no news, and neither is one larger than what was sent.
    host.receive(Self.error(3, 4, rest: 1400, about: sent.packet))
    host.receive(Self.error(3, 4, rest: 9000, about: sent.packet))
    #expect(try sizes().max() == 548)
    host.advance(milliseconds: PathMTULimits.milliseconds)
    host.receive(Packets.arp(operation: 2, Host.router, Host.peerLink, Host.own, Host.ownLink), type: 0x0806)
    #expect(try sizes() == [1428])
  }

  @Test func forgedPathsAreNotBelieved() throws {
    let (host, _, sent) = try Self.host()
    var packet = sent.packet
    // To a destination that nothing was sent to.
    packet[19] ^= 1
    host.receive(Self.error(3, 4, rest: 600, about: packet))
    #expect(host.stack.statistics.loweredPathMTUs == 0)
  }

  @Test func pathsThatAreRememberedAreBounded() {
    var cache = PathMTUCache()
    let now = NetworkInstant(nanoseconds: 0)
    for index in 0..<10_000 as Range<UInt32> {
      let isLowered = cache.lower(to: .v4(IPv4Address(index + 1)), mtu: 600, link: 1500, at: now)
      #expect(isLowered)
    }
    #expect(cache.count == PathMTULimits.count)
  }

  @Test func aConnectionAttemptEndsByAnError() throws {
    let host = Host.fixed()
    let socket = try host.stack.tcp.connect(
      to: SocketAddress(.v4(Self.elsewhere), port: 80), from: .v4(Host.own), at: host.now)
    _ = host.frames()
    host.receive(Packets.arp(operation: 2, Host.router, Host.peerLink, Host.own, Host.ownLink), type: 0x0806)
    let syn = try #require(host.frame())
    var forged = syn.packet
    forged[27] ^= 1
    host.receive(Self.error(3, 3, about: forged))
    #expect(socket.state == .synSent)
    host.receive(Self.error(3, 3, about: Array(syn.packet[..<28])))
    #expect(socket.state == .closed)
  }

  /// A traceroute to us: the probes' time to live is at its end here, which is no reason not to take them.
  @Test func probesOfATracerouteAreAnswered() {
    let host = Host.fixed()
    host.meetPeer()
    for port in 33434..<33464 as Range<UInt16> {
      host.receive(
        Packets.ipv4(
          from: Host.peer, to: Host.own, number: 17,
          Packets.udp(
            from: SocketAddress(.v4(Host.peer), port: 40000), to: SocketAddress(.v4(Host.own), port: port), [1, 2]),
          ttl: 1))
    }
    let answers = host.frames()
    #expect(answers.count == 30)
    #expect(answers.allSatisfy { Array($0.payload[..<2]) == [3, 3] })
  }
}
