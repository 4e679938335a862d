import Testing

@testable import Network

@Suite struct IPv6Tests {
  private static let linkLocal = IPv6Address("fe80::ff:fe00:1")!
  private static let global = IPv6Address("2001:db8:1::ff:fe00:1")!
  private static let peer = IPv6Address("fe80::2")!
  private static let router = IPv6Address("fe80::fe")!
  private static let routerLink = MACAddress(0x0200_0000_00fe)
  private static let elsewhere = IPv6Address("2001:db8:9::9")!

  private static func icmp(
    _ type: UInt8, rest: UInt32 = 0, _ body: [UInt8] = [], from source: IPv6Address, to destination: IPv6Address,
    hopLimit: UInt8 = 255
  ) -> [UInt8] {
    Packets.ipv6(
      from: source, to: destination, number: 58,
      Packets.icmp(type: type, rest: rest, body, from: .v6(source), to: .v6(destination)), hopLimit: hopLimit)
  }

  private static func link(_ option: UInt8, _ link: MACAddress) -> [UInt8] {
    [option, 1] + Packets.bytes(link.value, 6)
  }

  private static func prefix(
    _ text: String, length: UInt8 = 64, flags: UInt8 = 0xc0, valid: UInt32 = 86_400, preferred: UInt32 = 14_400
  ) -> [UInt8] {
    [3, 4, length, flags] + Packets.bytes(UInt64(valid), 4) + Packets.bytes(UInt64(preferred), 4) + [0, 0, 0, 0]
      + Packets.address(.v6(IPv6Address(text)!))
  }

  private static func advertisement(
    _ options: [UInt8], lifetime: UInt16 = 1800, from source: IPv6Address = router, hopLimit: UInt8 = 255
  ) -> [UInt8] {
    icmp(
      134, rest: 64 << 24 | UInt32(lifetime), [0, 0, 0, 0, 0, 0, 0, 0] + options, from: source, to: .allNodes,
      hopLimit: hopLimit)
  }

  private static func receive(_ host: Host, _ packet: [UInt8], from link: MACAddress = Host.peerLink) {
    host.receive(packet, from: link, type: 0x86dd)
  }

  /// With its link-local address, and nothing left to send.
  private static func host(_ ipv6: NetworkConfiguration.IPv6 = .automatic) -> Host {
    let host = Host(NetworkConfiguration(ipv4: .none, ipv6: ipv6))
    _ = host.frames()
    host.advance(milliseconds: 1000)
    _ = host.frames()
    return host
  }

  /// Tells the stack where a neighbour is, as it asks.
  private static func answerSolicitation(_ host: Host, _ frame: Frame, at link: MACAddress) {
    let target = IPv6Address(high: frame.number(54 + 8, 8), low: frame.number(54 + 16, 8))
    guard case .v6(let source) = frame.ipSource else { return }
    receive(
      host,
      icmp(136, rest: 0x6000_0000, Packets.address(.v6(target)) + Self.link(2, link), from: target, to: source),
      from: link)
  }

  @Test func anAddressIsAskedForBeforeItIsUsed() throws {
    let host = Host(NetworkConfiguration(ipv4: .none))
    let frames = host.frames()
    #expect(host.stack.addresses.isEmpty)
    let report = try #require(frames.first { $0.ipNumber == 0 })
    #expect(report.hopLimit == 1 && report.ipDestination == .v6(IPv6Address("ff02::16")!))
    let icmp = Array(report.payload[8...])
    #expect(icmp[0] == 143)
    #expect(Array(icmp[12..<28]) == Packets.address(.v6(Self.linkLocal.solicitedNode)))
    #expect(Packets.transportChecksum(icmp, from: report.ipSource, to: report.ipDestination, number: 58) == 0)
    let question = try #require(frames.first { $0.ipNumber == 58 && $0.payload[0] == 135 })
    #expect(question.ipSource == .v6(.any) && question.hopLimit == 255)
    #expect(question.ipDestination == .v6(Self.linkLocal.solicitedNode))
    #expect(question.payload.count == 24)
    let solicitation = try #require(frames.first { $0.ipNumber == 58 && $0.payload[0] == 133 })
    #expect(solicitation.ipSource == .v6(.any) && solicitation.ipDestination == .v6(.allRouters))
    host.advance(milliseconds: 999)
    #expect(host.stack.addresses.isEmpty)
    host.advance(milliseconds: 1)
    #expect(host.stack.addresses == [.v6(Self.linkLocal)])
    #expect(!host.stack.isConfigured)
  }

  @Test(arguments: [true, false]) func anAddressThatSomebodyHasIsNotUsed(asks: Bool) {
    let host = Host(NetworkConfiguration(ipv4: .none))
    _ = host.frames()
    let target = Packets.address(.v6(Self.linkLocal))
    Self.receive(
      host,
      asks
        ? Self.icmp(135, target, from: .any, to: Self.linkLocal.solicitedNode)
        : Self.icmp(136, rest: 0x2000_0000, target, from: Self.linkLocal, to: .allNodes))
    host.advance(milliseconds: 2000)
    #expect(host.stack.addresses.isEmpty)
    #expect(host.stack.statistics.addressConflicts == 1)
  }

  @Test func questionsAreAnswered() throws {
    let host = Self.host()
    let target = Packets.address(.v6(Self.linkLocal))
    Self.receive(
      host, Self.icmp(135, target + Self.link(1, Host.peerLink), from: Self.peer, to: Self.linkLocal.solicitedNode))
    let frames = host.frames()
    #expect(frames.count == 1)
    let answer = try #require(frames.first)
    #expect(answer.destination == Host.peerLink && answer.hopLimit == 255)
    #expect(answer.ipSource == .v6(Self.linkLocal) && answer.ipDestination == .v6(Self.peer))
    #expect(answer.payload[0] == 136 && answer.number(58, 4) == 0x6000_0000)
    #expect(Array(answer.payload[8...]) == target + Self.link(2, Host.ownLink))
    #expect(host.stack.neighbours.count == 0)
    // From nobody: everybody is told.
    Self.receive(host, Self.icmp(135, target, from: .any, to: Self.linkLocal.solicitedNode))
    let toAll = try #require(host.frame())
    #expect(toAll.ipDestination == .v6(.allNodes) && toAll.number(58, 4) == 0x2000_0000)
  }

  @Test func discoveryFromAfarIsNotBelieved() {
    let host = Self.host()
    let target = Packets.address(.v6(Self.linkLocal))
    Self.receive(
      host, Self.icmp(135, target, from: Self.peer, to: Self.linkLocal.solicitedNode, hopLimit: 254))
    Self.receive(host, Self.advertisement(Self.prefix("2001:db8:1::"), hopLimit: 64))
    Self.receive(host, Self.advertisement(Self.prefix("2001:db8:1::"), from: Self.elsewhere))
    // An option of no length, and one past the end.
    Self.receive(host, Self.advertisement([1, 0, 0, 0, 0, 0, 0, 0]))
    Self.receive(host, Self.advertisement(Self.prefix("2001:db8:1::") + [1, 2, 0, 0, 0, 0, 0, 0]))
    #expect(host.frames().isEmpty)
    #expect(host.stack.ipv6?.routers.isEmpty == true && host.stack.ipv6?.addresses.count == 1)
  }

  @Test func aRouterGivesAPrefix() throws {
    let host = Self.host()
    Self.receive(
      host,
      Self.advertisement(
        Self.link(1, Self.routerLink) + Self.prefix("2001:db8:1::") + [5, 1, 0, 0, 0, 0, 0x05, 0x78]
          + [25, 3, 0, 0, 0, 0, 4, 0] + Packets.address(.v6(IPv6Address("2001:db8::53")!))),
      from: Self.routerLink)
    let question = host.frames().filter { $0.ipNumber == 58 }
    #expect(question.map(\.ipDestination) == [.v6(Self.global.solicitedNode)])
    #expect(!host.stack.isConfigured)
    host.advance(milliseconds: 1000)
    _ = host.frames()
    #expect(host.stack.isConfigured)
    #expect(host.stack.addresses == [.v6(Self.global), .v6(Self.linkLocal)])
    #expect(host.stack.nameServers == [.v6(IPv6Address("2001:db8::53")!)])
    #expect(host.stack.mtu(of: .v6(Self.elsewhere)) == 1400)
    #expect(host.stack.sourceAddress(for: .v6(Self.elsewhere)) == .v6(Self.global))
    #expect(host.stack.sourceAddress(for: .v6(Self.peer)) == .v6(Self.linkLocal))
    // Elsewhere is behind the router; what is in the prefix is not.
    let port = try host.stack.udp.bind()
    try port.send([1].span.bytes, to: SocketAddress(.v6(Self.elsewhere), port: 9))
    let toRouter = try #require(host.frame())
    #expect(toRouter.ipDestination == .v6(Self.router.solicitedNode))
    Self.answerSolicitation(host, toRouter, at: Self.routerLink)
    #expect(host.frames().map(\.destination) == [Self.routerLink])
    try port.send([1].span.bytes, to: SocketAddress(.v6(IPv6Address("2001:db8:1::5")!), port: 9))
    #expect(host.frame()?.ipDestination == .v6(IPv6Address("ff02::1:ff00:5")!))
  }

  /// What an advertisement does not say stays as it was (RFC 4861, 6.3.4).
  @Test func aBareAdvertisementKeepsWhatIsKnown() {
    let host = Self.host()
    Self.receive(
      host,
      Self.advertisement(
        Self.prefix("2001:db8:1::") + [5, 1, 0, 0, 0, 0, 0x05, 0x78] + [25, 3, 0, 0, 0, 0, 4, 0]
          + Packets.address(.v6(IPv6Address("2001:db8::53")!))))
    host.advance(milliseconds: 1000)
    _ = host.frames()
    for options in [[], [5, 1, 0, 0, 0, 0, 0, 1], [25, 1, 0, 0, 0, 0, 0, 0], [3, 1, 0, 0, 0, 0, 0, 0]] as [[UInt8]] {
      Self.receive(host, Self.advertisement(options))
      // Not even of a router that goes, but for itself.
      Self.receive(host, Self.advertisement(options, lifetime: 0, from: IPv6Address("fe80::fd")!))
    }
    #expect(host.stack.addresses == [.v6(Self.global), .v6(Self.linkLocal)])
    #expect(host.stack.nameServers == [.v6(IPv6Address("2001:db8::53")!)])
    #expect(host.stack.mtu(of: .v6(Self.elsewhere)) == 1400)
    #expect(host.stack.ipv6?.routers.map(\.address) == [Self.router])
    #expect(host.stack.ipv6?.isOnLink(IPv6Address("2001:db8:1::5")!) == true)
  }

  @Test func whatARouterGaveEnds() {
    let host = Self.host()
    Self.receive(host, Self.advertisement(Self.prefix("2001:db8:1::", valid: 20_000, preferred: 10_000)))
    host.advance(milliseconds: 1000)
    // Somebody says that the address is over: it lasts for two hours.
    Self.receive(host, Self.advertisement(Self.prefix("2001:db8:1::", valid: 1, preferred: 1)))
    host.advance(milliseconds: 7_199_000)
    #expect(host.stack.addresses.contains(.v6(Self.global)))
    host.advance(milliseconds: 2_000)
    #expect(!host.stack.addresses.contains(.v6(Self.global)))
    #expect(host.stack.ipv6?.routers.isEmpty == true)
    #expect(host.stack.sourceAddress(for: .v6(Self.elsewhere)) == nil)
  }

  @Test func aFloodOfAdvertisementsIsBounded() {
    let host = Self.host()
    for index in 0..<1000 {
      let router = IPv6Address(high: Self.router.high, low: UInt64(index + 1000))
      Self.receive(
        host, Self.advertisement(Self.prefix("2001:db8:\(String(index, radix: 16))::"), from: router))
    }
    #expect(host.stack.ipv6?.addresses.count == IPv6Limits.addressCount)
    #expect(host.stack.ipv6?.prefixes.count == IPv6Limits.prefixCount)
    #expect(host.stack.ipv6?.routers.count == IPv6Limits.routerCount)
    _ = host.frames()
  }

  @Test func aRouterThatDoesNotAnswerIsPassedOver() throws {
    let host = Self.host()
    Self.receive(host, Self.advertisement(Self.prefix("2001:db8:1::")))
    Self.receive(host, Self.advertisement([], from: IPv6Address("fe80::fd")!))
    host.advance(milliseconds: 1000)
    _ = host.frames()
    let port = try host.stack.udp.bind()
    try port.send([1].span.bytes, to: SocketAddress(.v6(Self.elsewhere), port: 9))
    for _ in 0..<4 {
      _ = host.frames()
      host.advance(milliseconds: 1000)
    }
    #expect(port.takeFailure()?.reason == .unreachable)
    try port.send([1].span.bytes, to: SocketAddress(.v6(Self.elsewhere), port: 9))
    #expect(host.frame()?.ipDestination == .v6(IPv6Address("fe80::fd")!.solicitedNode))
  }

  @Test func aFixedAddressAndGateway() throws {
    let host = Self.host(.fixed(IPv6Address("2001:db8::2")!, prefixLength: 64, gateway: Self.router))
    #expect(host.stack.addresses == [.v6(IPv6Address("2001:db8::2")!), .v6(Self.linkLocal)])
    Self.receive(host, Self.advertisement(Self.prefix("2001:db8:1::"), from: IPv6Address("fe80::bad")!))
    #expect(host.stack.ipv6?.routers.map(\.address) == [Self.router])
    #expect(host.stack.ipv6?.addresses.count == 2)
  }

  @Test func echoesOfAnySizeAndInFragments() throws {
    let host = Self.host()
    let payload = (0..<65_000).map { UInt8(truncatingIfNeeded: $0 * 7) }
    var isFirst = true
    for size in [0, 1, 1232, 1452, 1453, 9000, 65_000] {
      let message = Packets.icmp(
        type: 128, rest: 7, Array(payload[..<size]), from: .v6(Self.peer), to: .v6(Self.linkLocal))
      if message.count <= 1460 {
        Self.receive(host, Packets.ipv6(from: Self.peer, to: Self.linkLocal, number: 58, message))
      } else {
        for offset in stride(from: 0, to: message.count, by: 1448).reversed() {
          let end = min(offset + 1448, message.count)
          let header: [UInt8] =
            [58, 0] + Packets.bytes(UInt64(offset) | (end < message.count ? 1 : 0), 2)
            + Packets.bytes(UInt64(size), 4)
          Self.receive(
            host,
            Packets.ipv6(from: Self.peer, to: Self.linkLocal, number: 44, header + message[offset..<end]))
        }
      }
      if isFirst {
        Self.answerSolicitation(host, try #require(host.frame()), at: Host.peerLink)
        isFirst = false
      }
      let frames = host.frames()
      var reply: [UInt8] = []
      for frame in frames {
        #expect(frame.bytes.count <= 1514)
        reply += frames.count == 1 ? frame.payload : Array(frame.payload[8...])
        if frames.count > 1 {
          #expect(frame.ipNumber == 44 && frame.payload[0] == 58)
          #expect(Int(frame.number(56, 2) & ~7) + frame.payload.count - 8 == reply.count)
        }
      }
      #expect(
        reply
          == Packets.icmp(
            type: 129, rest: 7, Array(payload[..<size]), from: .v6(Self.linkLocal), to: .v6(Self.peer)))
    }
  }

  @Test func extensionHeadersAreSkippedWithinABound() throws {
    let host = Self.host()
    let message = Packets.icmp(type: 128, from: .v6(Self.peer), to: .v6(Self.linkLocal))
    func packet(_ count: Int) -> [UInt8] {
      var payload: [UInt8] = []
      for index in 0..<count { payload += [index == count - 1 ? 58 : 60, 0, 1, 4, 0, 0, 0, 0] }
      return Packets.ipv6(from: Self.peer, to: Self.linkLocal, number: count == 0 ? 58 : 60, payload + message)
    }
    Self.receive(host, packet(0))
    Self.answerSolicitation(host, try #require(host.frame()), at: Host.peerLink)
    #expect(host.frames().count == 1)
    Self.receive(host, packet(IPv6Limits.extensionHeaderCount))
    #expect(host.frames().first?.payload.first == 129)
    Self.receive(host, packet(IPv6Limits.extensionHeaderCount + 1))
    #expect(host.frames().isEmpty)
  }

  @Test(arguments: [
    // Unknown option that wants an error; routing with segments left; hop-by-hop behind another; unknown header.
    (60, [58, 0, 0x82, 4, 0, 0, 0, 0] as [UInt8], [4, 2] as [UInt8], 42),
    (43, [58, 0, 0, 1, 0, 0, 0, 0], [4, 0], 42), (60, [0, 0, 1, 4, 0, 0, 0, 0], [4, 1], 40),
    (99, [0, 0, 0, 0, 0, 0, 0, 0], [4, 1], 6),
  ]) func badHeadersAreToldSo(number: UInt8, header: [UInt8], kind: [UInt8], pointer: UInt64) throws {
    let host = Self.host()
    let message = Packets.icmp(type: 128, from: .v6(Self.peer), to: .v6(Self.linkLocal))
    Self.receive(host, Packets.ipv6(from: Self.peer, to: Self.linkLocal, number: number, header + message))
    Self.answerSolicitation(host, try #require(host.frame()), at: Host.peerLink)
    let error = try #require(host.frame())
    #expect(Array(error.payload[..<2]) == kind)
    #expect(error.number(58, 4) == pointer)
  }

  @Test func sourcesThatNoHostHasAreDropped() {
    let host = Self.host()
    for source in ["::", "::1", "ff02::1", "::ffff:10.0.0.1", "fe80::ff:fe00:1"] {
      let source = IPv6Address(source)!
      Self.receive(host, Packets.ipv6(from: source, to: Self.linkLocal, number: 17, [0, 1, 0, 1, 0, 8, 0, 0]))
    }
    #expect(host.stack.statistics.spoofedPackets == 5)
    #expect(host.frames().isEmpty)
  }

  @Test func aQueryIsAnsweredByAReport() throws {
    let host = Self.host()
    let query = Self.icmp(
      130, rest: 1000 << 16, [UInt8](repeating: 0, count: 20), from: Self.router, to: .allNodes, hopLimit: 1)
    Self.receive(host, query)
    #expect(host.frames().isEmpty)
    host.advance(milliseconds: 1000)
    let report = try #require(host.frame())
    #expect(report.ipNumber == 0 && report.payload[8] == 143)
  }
}
