import Testing

@testable import Network

@Suite struct DHCPTests {
  private static let server = IPv4Address(10, 0, 0, 254)
  private static let offered = IPv4Address(10, 0, 0, 77)

  /// A server's answer to a message of the client, made byte by byte.
  private static func reply(
    to message: [UInt8], kind: UInt8, address: IPv4Address = offered, options: [UInt8]? = nil,
    from server: IPv4Address = server, to destination: IPv4Address = .broadcast
  ) -> [UInt8] {
    var reply = [UInt8](repeating: 0, count: 236)
    reply[0] = 2
    reply[1] = 1
    reply[2] = 6
    reply.replaceSubrange(4..<8, with: message[4..<8])
    reply.replaceSubrange(16..<20, with: Packets.address(.v4(address)))
    reply.replaceSubrange(28..<34, with: message[28..<34])
    reply += [0x63, 0x82, 0x53, 0x63, 53, 1, kind, 54, 4] + Packets.address(.v4(server))
    reply += options ?? Self.options()
    reply.append(255)
    return Packets.ipv4(
      from: server, to: destination, number: 17,
      Packets.udp(
        from: SocketAddress(.v4(server), port: 67), to: SocketAddress(.v4(destination), port: 68), reply))
  }

  private static func options(lease: UInt32 = 3600, more: [UInt8] = []) -> [UInt8] {
    [1, 4, 255, 255, 255, 0, 3, 4, 10, 0, 0, 254, 6, 8, 10, 0, 0, 253, 10, 0, 0, 252, 15, 4]
      + Array("lan.".utf8) + [51, 4] + Packets.bytes(UInt64(lease), 4) + [26, 2, 5, 0x14] + more
  }

  /// The DHCP message in a frame; nil: something else.
  private static func message(_ frame: Frame?) -> (kind: UInt8, bytes: [UInt8])? {
    guard let frame, frame.isIPv4, frame.ipNumber == 17, frame.number(frame.payloadOffset, 4) == 0x0044_0043 else {
      return nil
    }
    let bytes = Array(frame.payload[8...])
    // The kind is the first option.
    return (bytes[242], bytes)
  }

  private static func host() -> Host {
    Host(NetworkConfiguration(ipv6: .none, hostname: "web"))
  }

  /// As far as the address is in use.
  private static func bound(_ options: [UInt8]? = nil) throws -> (Host, [UInt8]) {
    let host = host()
    let discover = try #require(message(host.frame()))
    #expect(discover.kind == 1)
    host.receive(reply(to: discover.bytes, kind: 2, options: options))
    let request = try #require(message(host.frame()))
    #expect(request.kind == 3)
    #expect(request.bytes.starts(with: discover.bytes[..<12]))
    host.receive(reply(to: request.bytes, kind: 5, options: options))
    let probe = host.frames()
    #expect(probe.map(\.packet) == [Packets.arp(operation: 1, .any, Host.ownLink, offered)])
    #expect(!host.stack.isConfigured)
    host.advance(milliseconds: DHCPLimits.probeMilliseconds)
    #expect(host.frames().map(\.packet) == [Packets.arp(operation: 1, offered, Host.ownLink, offered)])
    return (host, request.bytes)
  }

  @Test func anAddressIsLeased() throws {
    let (host, request) = try Self.bound()
    #expect(host.stack.addresses == [.v4(Self.offered)])
    #expect(host.stack.isConfigured)
    #expect(host.stack.nameServers == [.v4(IPv4Address(10, 0, 0, 253)), .v4(IPv4Address(10, 0, 0, 252))])
    #expect(try host.firstHop(to: IPv4Address(192, 0, 2, 1)) == Self.server)
    #expect(host.stack.lease?.domain == DNSName("lan"))
    #expect(host.stack.mtu(of: .v4(Self.server)) == 1300)
    #expect(request.count >= 300)
    // Requested address and server.
    let options = Array(request[240...])
    for wanted in [[50, 4, 10, 0, 0, 77], [54, 4, 10, 0, 0, 254], [12, 3] + Array("web".utf8)] as [[UInt8]] {
      #expect(options.indices.contains { options[$0...].starts(with: wanted) })
    }
  }

  @Test func discoveryIsRepeatedMoreAndMoreSlowly() throws {
    let host = Self.host()
    var last = host.now
    var pauses: [Int] = []
    _ = host.frames()
    for _ in 0..<9 {
      #expect(host.advanceToDeadline())
      #expect(Self.message(host.frame())?.kind == 1)
      pauses.append(host.now.milliseconds(since: last))
      last = host.now
    }
    for (pause, base) in zip(pauses, [1, 2, 4, 8, 16, 32, 64, 64, 64]) {
      #expect((base * 750...base * 1250).contains(pause))
    }
  }

  @Test func aServerThatDoesNotAnswerTheRequestIsGivenUp() throws {
    let host = Self.host()
    let discover = try #require(Self.message(host.frame()))
    host.receive(Self.reply(to: discover.bytes, kind: 2))
    var kinds: [UInt8] = []
    for _ in 0..<5 {
      kinds += host.frames().compactMap { Self.message($0)?.kind }
      #expect(host.advanceToDeadline())
    }
    kinds += host.frames().compactMap { Self.message($0)?.kind }
    #expect(kinds == [3, 3, 3, 3, 1, 1])
  }

  @Test func answersForOthersAreNotTaken() throws {
    let host = Self.host()
    let discover = try #require(Self.message(host.frame())).bytes
    var other = discover
    other[4] ^= 1
    host.receive(Self.reply(to: other, kind: 2))
    other = discover
    other[33] ^= 1
    host.receive(Self.reply(to: other, kind: 2))
    // An acknowledgement that nobody asked for, and addresses that no host can have.
    host.receive(Self.reply(to: discover, kind: 5))
    host.receive(Self.reply(to: discover, kind: 2, address: .broadcast))
    host.receive(Self.reply(to: discover, kind: 2, address: .any))
    #expect(host.frames().isEmpty)
    // Another server acknowledges than the one that was asked.
    host.receive(Self.reply(to: discover, kind: 2))
    #expect(host.frames().count == 1)
    host.receive(Self.reply(to: discover, kind: 5, from: IPv4Address(10, 0, 0, 66)))
    host.receive(Self.reply(to: discover, kind: 6, from: IPv4Address(10, 0, 0, 66)))
    #expect(host.frames().isEmpty)
  }

  @Test func aRefusalBeginsAgainButNotAtOnce() throws {
    let host = Self.host()
    let discover = try #require(Self.message(host.frame())).bytes
    host.receive(Self.reply(to: discover, kind: 2))
    _ = host.frames()
    host.receive(Self.reply(to: discover, kind: 6))
    #expect(host.frames().isEmpty)
    let before = host.now
    #expect(host.advanceToDeadline())
    #expect(host.now.milliseconds(since: before) >= 750)
    let again = try #require(Self.message(host.frame()))
    #expect(again.kind == 1)
    #expect(Array(again.bytes[4..<8]) != Array(discover[4..<8]))
  }

  @Test func anAddressThatSomebodyHasIsDeclined() throws {
    let host = Self.host()
    let discover = try #require(Self.message(host.frame())).bytes
    host.receive(Self.reply(to: discover, kind: 2))
    _ = host.frames()
    host.receive(Self.reply(to: discover, kind: 5))
    _ = host.frames()
    host.receive(Packets.arp(operation: 2, Self.offered, Host.peerLink, .any, Host.ownLink), type: 0x0806)
    #expect(Self.message(host.frame())?.kind == 4)
    host.advance(milliseconds: DHCPLimits.declineMilliseconds - 1)
    #expect(host.frames().isEmpty && !host.stack.isConfigured)
    host.advance(milliseconds: 1)
    #expect(Self.message(host.frame())?.kind == 1)
  }

  @Test func aLeaseIsRenewedAtItsServerThenAtAnyThenLost() throws {
    let (host, _) = try Self.bound(Self.options(lease: 6, more: [58, 4, 0, 0, 0, 2, 59, 4, 0, 0, 0, 4]))
    host.advance(milliseconds: 1_900)
    let renewal = host.frames()
    // To the server itself, for which its address is asked first.
    #expect(renewal.map(\.isARP) == [true])
    host.receive(Packets.arp(operation: 2, Self.server, Host.peerLink, Self.offered, Host.ownLink), type: 0x0806)
    let frame = try #require(host.frame())
    #expect(frame.ipDestination == .v4(Self.server) && frame.ipSource == .v4(Self.offered))
    let request = try #require(Self.message(frame))
    #expect(request.kind == 3)
    #expect(Array(request.bytes[12..<16]) == [10, 0, 0, 77])
    // It is extended.
    host.receive(
      Self.reply(
        to: request.bytes, kind: 5, options: Self.options(lease: 6, more: [58, 4, 0, 0, 0, 2, 59, 4, 0, 0, 0, 4]),
        to: Self.offered))
    host.advance(milliseconds: 1_900)
    #expect(host.frames().isEmpty)
    // Then nobody answers any more.
    var broadcasts = 0
    while host.stack.isConfigured, host.advanceToDeadline() {
      for frame in host.frames() where Self.message(frame)?.kind == 3 {
        if frame.ipDestination == .v4(.broadcast) { broadcasts += 1 }
      }
    }
    #expect(broadcasts >= 1)
    #expect(host.stack.addresses.isEmpty)
    #expect(host.stack.lease == nil)
  }

  @Test func aRefusedRenewalTakesTheAddressAway() throws {
    let (host, _) = try Self.bound(Self.options(lease: 6))
    #expect(host.advanceToDeadline())
    _ = host.frames()
    host.receive(Packets.arp(operation: 2, Self.server, Host.peerLink, Self.offered, Host.ownLink), type: 0x0806)
    let request = try #require(Self.message(host.frame()))
    host.receive(Self.reply(to: request.bytes, kind: 6, to: Self.offered))
    #expect(!host.stack.isConfigured)
  }

  // MARK: Renewals that say little

  /// Goes on to the next question about the lease, and answers that.
  private static func renew(_ host: Host, options: [UInt8], from server: IPv4Address = server) throws {
    var request: [UInt8]?
    while request == nil, host.advanceToDeadline() {
      while let frame = host.frame() {
        if frame.isARP { host.answerARP(frame) } else { request = request ?? message(frame)?.bytes }
      }
    }
    host.receive(reply(to: try #require(request), kind: 5, options: options, from: server, to: offered))
  }

  private static let leaseOption: [UInt8] = [51, 4, 0, 0, 0, 60]

  @Test func aBareRenewalKeepsWhatIsKnown() throws {
    let (host, _) = try Self.bound(Self.options(lease: 60))
    for _ in 0..<3 {
      try Self.renew(host, options: Self.leaseOption)
      #expect(host.stack.addresses == [.v4(Self.offered)])
      #expect(host.stack.nameServers == [.v4(IPv4Address(10, 0, 0, 253)), .v4(IPv4Address(10, 0, 0, 252))])
      #expect(host.stack.lease?.domain == DNSName("lan"))
      #expect(host.stack.mtu(of: .v4(Self.server)) == 1300)
      #expect(try host.firstHop(to: IPv4Address(192, 0, 2, 1)) == Self.server)
    }
  }

  @Test func aBareRenewalKeepsTheMask() throws {
    let (host, _) = try Self.bound([1, 4, 255, 255, 255, 128, 3, 4, 10, 0, 0, 100] + Self.leaseOption)
    #expect(try host.firstHop(to: IPv4Address(10, 0, 0, 200)) == IPv4Address(10, 0, 0, 100))
    try Self.renew(host, options: Self.leaseOption)
    #expect(try host.firstHop(to: IPv4Address(10, 0, 0, 200)) == IPv4Address(10, 0, 0, 100))
  }

  @Test func aBareRebindingKeepsWhatIsKnown() throws {
    let times: [UInt8] = [58, 4, 0, 0, 0, 1, 59, 4, 0, 0, 0, 2]
    let (host, _) = try Self.bound(Self.options(lease: 60, more: times))
    // Nobody answers the questions to the server itself.
    var request: [UInt8]?
    while request == nil, host.advanceToDeadline() {
      while let frame = host.frame() {
        if frame.isARP { host.answerARP(frame) }
        if let message = Self.message(frame), frame.ipDestination == .v4(.broadcast) { request = message.bytes }
      }
    }
    let other = IPv4Address(10, 0, 0, 66)
    host.receive(
      Self.reply(to: try #require(request), kind: 5, options: Self.leaseOption, from: other, to: Self.offered))
    #expect(host.stack.lease?.server == other)
    #expect(host.stack.nameServers == [.v4(IPv4Address(10, 0, 0, 253)), .v4(IPv4Address(10, 0, 0, 252))])
    #expect(try host.firstHop(to: IPv4Address(192, 0, 2, 1)) == Self.server)
  }

  /// Without a lease's time it is the one before, with all three of its moments; with the same time again the other two are
  /// those before as well.
  @Test(arguments: [[], [51, 4, 0, 0, 0, 60]] as [[UInt8]]) func aBareRenewalKeepsTheTimes(options: [UInt8]) throws {
    let times: [UInt8] = [58, 4, 0, 0, 0, 10, 59, 4, 0, 0, 0, 40]
    let (host, _) = try Self.bound(Self.options(lease: 60, more: times))
    for _ in 0..<3 {
      let before = host.now
      try Self.renew(host, options: options)
      // From the request on, which was up to the time of ARP's probe before.
      #expect((9_800...10_000).contains(host.now.milliseconds(since: before)))
    }
    let times2 = try #require(host.stack.lease?.seconds)
    #expect(times2 == (10, 40, 60))
  }

  /// RFC 2131, 4.4.5: T1 and T2 are parts of the lease's time, and another time has others.
  @Test func anotherLeaseTimeHasItsOwnMoments() throws {
    let (host, _) = try Self.bound(Self.options(lease: 60, more: [58, 4, 0, 0, 0, 10, 59, 4, 0, 0, 0, 40]))
    try Self.renew(host, options: [51, 4, 0, 0, 0, 200])
    let before = host.now
    try Self.renew(host, options: [])
    #expect(host.now.milliseconds(since: before) == 100_000)
  }

  /// What a renewal does say counts, option by option; the program is told.
  @Test func aRenewalChangesWhatItSays() throws {
    let (host, _) = try Self.bound(Self.options(lease: 60))
    final class Observer: NetworkObserver {
      var count = 0
      func networkDidChange() { count += 1 }
    }
    let observer = Observer()
    host.stack.observer = observer
    try Self.renew(host, options: Self.leaseOption)
    #expect(observer.count == 0)
    try Self.renew(host, options: Self.leaseOption + [6, 4, 10, 0, 0, 9])
    #expect(observer.count == 1)
    #expect(host.stack.nameServers == [.v4(IPv4Address(10, 0, 0, 9))])
    try Self.renew(host, options: Self.leaseOption + [3, 4, 10, 0, 0, 8])
    #expect(observer.count == 2)
    #expect(try host.firstHop(to: IPv4Address(192, 0, 2, 1)) == IPv4Address(10, 0, 0, 8))
    #expect(host.stack.nameServers == [.v4(IPv4Address(10, 0, 0, 9))])
    host.stack.observer = nil
  }

  /// A renewal of other routes leaves the address and the neighbours alone: nothing is announced, nobody is asked again.
  @Test func otherRoutesLeaveTheNeighbours() throws {
    let (host, _) = try Self.bound(Self.options(lease: 60))
    #expect(try host.firstHop(to: IPv4Address(10, 0, 0, 9)) == IPv4Address(10, 0, 0, 9))
    try Self.renew(host, options: Self.leaseOption + [3, 4, 10, 0, 0, 8])
    #expect(host.frames().isEmpty)
    let port = try host.stack.udp.bind()
    try port.send(([1] as [UInt8]).span.bytes, to: SocketAddress(.v4(IPv4Address(10, 0, 0, 9)), port: 9))
    #expect(host.frames().map(\.isARP) == [false])
  }

  /// RFC 2131, 4.4.1: a new lease is what its acknowledgement says; of the offer and of earlier leases nothing is taken.
  @Test func anOfferIsNoRenewal() throws {
    let host = Self.host()
    let discover = try #require(Self.message(host.frame())).bytes
    host.receive(Self.reply(to: discover, kind: 2))
    let request = try #require(Self.message(host.frame())).bytes
    host.receive(Self.reply(to: request, kind: 5, options: Self.leaseOption))
    host.advance(milliseconds: DHCPLimits.probeMilliseconds)
    #expect(host.stack.addresses == [.v4(Self.offered)])
    #expect(host.stack.nameServers.isEmpty)
    #expect(try host.firstHop(to: IPv4Address(192, 0, 2, 1)) == nil)
  }

  // MARK: The domain

  /// The names that a lookup of one label asks servers for, which all say that there is none.
  private static func names(of host: String, domain: String) throws -> [String] {
    let (machine, _) = try bound(
      [1, 4, 255, 255, 255, 0, 6, 4, 10, 0, 0, 253, 15, UInt8(domain.utf8.count)] + Array(domain.utf8) + leaseOption)
    let lookup = machine.stack.resolver.lookup(host, at: machine.now)
    var names: [String] = []
    while lookup.result == nil, let frame = machine.frame() {
      guard !frame.isARP else {
        machine.answerARP(frame)
        continue
      }
      var message = Array(frame.payload[8...])
      names.append(String(decoding: message[12..<(message.count - 4)], as: UTF8.self).lowercased())
      message[2] = 0x81
      message[3] = 0x83
      machine.receive(
        Packets.ipv4(
          from: IPv4Address(10, 0, 0, 253), to: offered, number: 17,
          Packets.udp(
            from: SocketAddress(.v4(IPv4Address(10, 0, 0, 253)), port: 53),
            to: SocketAddress(.v4(offered), port: UInt16(frame.number(frame.payloadOffset, 2))), message)))
    }
    #expect(lookup.result == .failure(.nameNotFound))
    return names
  }

  /// In any case, and never behind or with a name that no server is asked about.
  @Test func theDomainIsPutBehindNames() throws {
    #expect(try Self.names(of: "Web", domain: "LAN.Example") == ["\u{3}web\u{3}lan\u{7}example\0", "\u{3}web\0"])
    #expect(try Self.names(of: "invalid", domain: "lan") == [])
    #expect(try Self.names(of: "web", domain: "localhost") == ["\u{3}web\0"])
    #expect(try Self.names(of: "web", domain: "x.invalid.") == ["\u{3}web\0"])
  }

  // MARK: Classless static routes (RFC 3442)

  @Test func classlessRoutesComeBeforeTheRouter() throws {
    let routes: [UInt8] = [
      // 0.0.0.0/0 by 10.0.0.1, 10.8.0.0/13 by .2, 10.9.0.0/16 by .3, 10.9.8.0/22 (with bits behind it) by .4,
      // 192.0.2.7/32 by .5, 172.16.0.0/12 on the link.
      0, 10, 0, 0, 1, 13, 10, 8, 10, 0, 0, 2, 16, 10, 9, 10, 0, 0, 3, 22, 10, 9, 11, 10, 0, 0, 4,
      32, 192, 0, 2, 7, 10, 0, 0, 5, 12, 172, 16, 0, 0, 0, 0,
    ]
    let (host, request) = try Self.bound(Self.options(more: [121, UInt8(routes.count)] + routes))
    for (destination, hop) in [
      ("192.0.2.1", "10.0.0.1"), ("10.8.0.1", "10.0.0.2"), ("10.9.0.1", "10.0.0.3"), ("10.9.8.1", "10.0.0.4"),
      ("10.9.11.255", "10.0.0.4"), ("10.9.12.1", "10.0.0.3"), ("192.0.2.7", "10.0.0.5"), ("192.0.2.8", "10.0.0.1"),
      ("172.31.0.1", "172.31.0.1"), ("172.32.0.1", "10.0.0.1"), ("10.0.0.9", "10.0.0.9"),
    ] {
      let address = try #require(IPv4Address(destination))
      #expect(try host.firstHop(to: address) == IPv4Address(hop), "\(destination)")
    }
    // RFC 3442: asked for before the router.
    let options = Array(request[240...])
    let list = try #require(options.indices.first { options[$0] == 55 && options[$0...].contains(121) })
    let asked = options[(list + 2)...].prefix(Int(options[list + 1]))
    let first = try #require(asked.firstIndex(of: 121)), second = try #require(asked.firstIndex(of: 3))
    #expect(first < second)
  }

  /// With 121 there is no way by option 3, even where 121 has none.
  @Test func classlessRoutesAreInsteadOfTheRouter() throws {
    let (host, _) = try Self.bound(Self.options(more: [121, 7, 16, 10, 9, 10, 0, 0, 3]))
    #expect(try host.firstHop(to: IPv4Address(10, 9, 0, 1)) == IPv4Address(10, 0, 0, 3))
    #expect(try host.firstHop(to: IPv4Address(192, 0, 2, 1)) == nil)
  }

  /// As Google Cloud gives them: an address alone in its network, and a router that a route says is on the link.
  @Test func anAddressAloneWithARouterOnTheLink() throws {
    let (host, _) = try Self.bound(
      [1, 4, 255, 255, 255, 255, 121, 14, 32, 10, 0, 0, 1, 0, 0, 0, 0, 0, 10, 0, 0, 1] + Self.leaseOption)
    #expect(try host.firstHop(to: IPv4Address(10, 0, 0, 1)) == IPv4Address(10, 0, 0, 1))
    #expect(try host.firstHop(to: IPv4Address(10, 0, 0, 2)) == IPv4Address(10, 0, 0, 1))
  }

  @Test(
    arguments: [
      [], [33, 10, 0, 0, 0, 10, 0, 0, 1], [0], [0, 10, 0, 0], [24, 10, 9], [0, 10, 0, 0, 1, 8],
      [0, 10, 0, 0, 1, 255, 10, 0, 0, 0, 10, 0, 0, 1], [0, 10, 0, 0, 1, 16, 10, 9, 10, 0, 0],
    ] as [[UInt8]]) func malformedClasslessRoutesAreNotThere(routes: [UInt8]) throws
  {
    let (host, _) = try Self.bound(Self.options(more: [121, UInt8(routes.count)] + routes))
    #expect(try host.firstHop(to: IPv4Address(192, 0, 2, 1)) == Self.server)
  }

  /// Own, multicast and broadcast addresses are no routers.
  @Test func routesByImpossibleRouters() throws {
    var routes: [UInt8] = []
    for router in [[10, 0, 0, 77], [224, 0, 0, 1], [255, 255, 255, 255], [10, 0, 0, 255], [127, 0, 0, 1]] as [[UInt8]] {
      routes += [16, 10, 9] + router
    }
    routes += [0, 10, 0, 0, 1]
    let (host, _) = try Self.bound(Self.options(more: [121, UInt8(routes.count)] + routes))
    #expect(try host.firstHop(to: IPv4Address(10, 9, 0, 1)) == IPv4Address(10, 0, 0, 1))
  }

  /// RFC 3396: in two parts, of which one is in the field of the file's name; the default route, which comes last, is not lost
  /// where there are more routes than are kept.
  @Test func aLongOptionInParts() throws {
    var routes: [UInt8] = []
    for index in 0..<100 as Range<UInt8> { routes += [24, 10, 9, index, 10, 0, 0, index + 1] }
    routes += [0, 10, 0, 0, 1]
    var options: [UInt8] = []
    for start in stride(from: 0, to: routes.count, by: 253) {
      let part = routes[start..<min(start + 253, routes.count)]
      options += [121, UInt8(part.count)] + part
    }
    let (host, _) = try Self.bound(Self.options(more: options))
    #expect(try host.firstHop(to: IPv4Address(10, 9, 5, 1)) == IPv4Address(10, 0, 0, 6))
    #expect(try host.firstHop(to: IPv4Address(10, 9, 63, 1)) == IPv4Address(10, 0, 0, 64))
    #expect(try host.firstHop(to: IPv4Address(10, 9, 64, 1)) == IPv4Address(10, 0, 0, 1))
    #expect(try host.firstHop(to: IPv4Address(192, 0, 2, 1)) == IPv4Address(10, 0, 0, 1))
  }

  @Test func aBareRenewalKeepsClasslessRoutes() throws {
    let (host, _) = try Self.bound(
      Self.options(lease: 60, more: [121, 12, 16, 10, 9, 10, 0, 0, 3, 0, 10, 0, 0, 4]))
    try Self.renew(host, options: Self.leaseOption)
    #expect(try host.firstHop(to: IPv4Address(10, 9, 0, 1)) == IPv4Address(10, 0, 0, 3))
    #expect(try host.firstHop(to: IPv4Address(192, 0, 2, 1)) == IPv4Address(10, 0, 0, 4))
    // One that tells of a router only tells all of the routes.
    try Self.renew(host, options: Self.leaseOption + [3, 4, 10, 0, 0, 8])
    #expect(try host.firstHop(to: IPv4Address(10, 9, 0, 1)) == IPv4Address(10, 0, 0, 8))
  }

  /// Options of text and of lists in parts, in the order of RFC 3396, 5: the options, the file's field, the server's name's.
  /// A number that is there twice is not twice as long: the first counts.
  @Test func optionsInParts() throws {
    var message = [UInt8](repeating: 0, count: 236)
    message[0] = 2
    message[1] = 1
    message[2] = 6
    message.replaceSubrange(28..<34, with: Packets.bytes(Host.ownLink.value, 6))
    message.replaceSubrange(108..<116, with: [15, 3, 97, 109, 112, 1, 4, 255])
    message.replaceSubrange(116..<120, with: [0, 0, 0, 255])
    message.replaceSubrange(44..<52, with: [15, 2, 108, 101, 6, 1, 9, 255])
    message += [0x63, 0x82, 0x53, 0x63, 53, 1, 2, 52, 1, 3, 15, 2, 101, 120, 6, 7, 10, 0, 0, 8, 10, 0, 0]
    message += [1, 4, 255, 255, 255, 0, 255]
    let parsed = DHCPMessage(reply: message.span.bytes, to: Host.ownLink)
    let read = try #require(parsed)
    #expect(String(decoding: read.domain, as: UTF8.self) == "example")
    #expect(read.nameServers == [IPv4Address(10, 0, 0, 8), IPv4Address(10, 0, 0, 9)])
    #expect(read.mask == IPv4Address(255, 255, 255, 0))
  }

  @Test func optionsInTheFieldsOfNames() throws {
    var message = [UInt8](repeating: 0, count: 236)
    message[0] = 2
    message[1] = 1
    message[2] = 6
    message.replaceSubrange(28..<34, with: Packets.bytes(Host.ownLink.value, 6))
    message.replaceSubrange(108..<115, with: [53, 1, 2, 3, 4, 10, 0])
    message.replaceSubrange(115..<118, with: [0, 9, 255])
    message.replaceSubrange(44..<51, with: [54, 4, 10, 0, 0, 8, 255])
    message += [0x63, 0x82, 0x53, 0x63, 52, 1, 3, 255]
    let parsed = DHCPMessage(reply: message.span.bytes, to: Host.ownLink)
    let read = try #require(parsed)
    #expect(read.kind == .offer)
    #expect(read.router == IPv4Address(10, 0, 0, 9))
    #expect(read.server == IPv4Address(10, 0, 0, 8))
  }

  @Test func messagesCutOffAnywhere() {
    var message = [UInt8](repeating: 0, count: 236)
    message[0] = 2
    message[1] = 1
    message[2] = 6
    message.replaceSubrange(28..<34, with: Packets.bytes(Host.ownLink.value, 6))
    message += [0x63, 0x82, 0x53, 0x63] + Self.options() + [53, 1, 2]
    for count in 0..<message.count {
      let cut = Array(message[..<count])
      let parsed = DHCPMessage(reply: cut.span.bytes, to: Host.ownLink)
      #expect(parsed == nil)
    }
  }
}
