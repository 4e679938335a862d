import Testing

@testable import Network

@Suite struct DNSTests {
  static let server = IPv4Address(10, 0, 0, 2)
  static let second = IPv4Address(10, 0, 0, 3)

  struct Query {
    var id: [UInt8]
    var port: UInt16
    var server: IPAddress
    /// As it was sent: name with its letters, type and class.
    var question: [UInt8]
  }

  /// A host that knows where its servers are on the link.
  static func host(servers: [IPv4Address] = [server]) -> Host {
    let host = Host(
      NetworkConfiguration(
        ipv4: .fixed(Host.own, prefixLength: 24, gateway: nil), ipv6: .none, nameServers: servers.map { .v4($0) }))
    _ = host.frames()
    return host
  }

  /// The queries that are sent now; questions of ARP are answered.
  static func queries(_ host: Host) -> [Query] {
    var queries: [Query] = []
    while let frame = host.frame() {
      if frame.isARP {
        let target = IPv4Address(UInt32(frame.number(14 + 24, 4)))
        host.receive(Packets.arp(operation: 2, target, Host.peerLink, Host.own, Host.ownLink), type: 0x0806)
      } else if frame.ipNumber == 17, frame.number(frame.payloadOffset + 2, 2) == 53 {
        let message = Array(frame.payload[8...])
        queries.append(
          Query(
            id: Array(message[..<2]), port: UInt16(frame.number(frame.payloadOffset, 2)), server: frame.ipDestination,
            question: Array(message[12...])))
      }
    }
    return queries
  }

  static func name(_ text: String) -> [UInt8] {
    text.split(separator: ".").flatMap { [UInt8($0.utf8.count)] + Array($0.utf8) } + [0]
  }

  static func record(_ name: [UInt8], type: UInt8, ttl: UInt32 = 60, _ value: [UInt8]) -> [UInt8] {
    name + [0, type, 0, 1] + Packets.bytes(UInt64(ttl), 4) + Packets.bytes(UInt64(value.count), 2) + value
  }

  static func message(_ query: Query, flags: UInt16 = 0x8180, _ records: [[UInt8]]) -> [UInt8] {
    query.id + Packets.bytes(UInt64(flags), 2) + [0, 1] + Packets.bytes(UInt64(records.count), 2) + [0, 0, 0, 0]
      + query.question + records.flatMap { $0 }
  }

  static func answer(
    _ host: Host, _ query: Query, flags: UInt16 = 0x8180, _ records: [[UInt8]], from source: IPv4Address? = nil,
    port: UInt16? = nil
  ) {
    guard case .v4(let server) = query.server else { return }
    host.receive(
      Packets.ipv4(
        from: source ?? server, to: Host.own, number: 17,
        Packets.udp(
          from: SocketAddress(.v4(source ?? server), port: 53),
          to: SocketAddress(.v4(Host.own), port: port ?? query.port), message(query, flags: flags, records))))
  }

  /// A pointer to the question's name.
  static let questionName: [UInt8] = [0xc0, 12]
  static let address = IPAddress.v4(IPv4Address(192, 0, 2, 1))
  static let addressBytes: [UInt8] = [192, 0, 2, 1]

  @Test func aNameHasAddresses() throws {
    let host = Self.host()
    let lookup = host.stack.resolver.lookup("www.Example.org", at: host.now)
    let query = try #require(Self.queries(host).first)
    #expect(
      String(decoding: query.question, as: UTF8.self).lowercased()
        == String(decoding: Self.name("www.example.org") + [0, 1, 0, 1], as: UTF8.self))
    Self.answer(
      host, query,
      [
        Self.record(Self.questionName, type: 1, Self.addressBytes),
        Self.record(Self.questionName, type: 1, [192, 0, 2, 2]),
        // Nobody asked for this.
        Self.record(Self.name("other.org"), type: 1, [6, 6, 6, 6]),
      ])
    #expect(lookup.result == .success([Self.address, .v4(IPv4Address(192, 0, 2, 2))]))
    // The second time it is known, for as long as it was said.
    let again = host.stack.resolver.lookup("www.example.org.", at: host.now)
    #expect(Self.queries(host).isEmpty)
    #expect(again.result == lookup.result)
    host.advance(milliseconds: 60_000)
    _ = host.stack.resolver.lookup("www.example.org", at: host.now)
    #expect(Self.queries(host).count == 1)
  }

  @Test func addressesAndBadNames() {
    let host = Self.host()
    #expect(host.stack.resolver.lookup("10.1.2.3", at: host.now).result == .success([.v4(IPv4Address(10, 1, 2, 3))]))
    #expect(host.stack.resolver.lookup("::1", at: host.now).result == .success([.v6(IPv6Address(high: 0, low: 1))]))
    let long = String(repeating: "a", count: 64)
    for name in ["", ".", "a..b", "-a", "a b", "ä", long, String(repeating: "abcdefg.", count: 32)] {
      #expect(host.stack.resolver.lookup(name, at: host.now).result == .failure(.badName), "\(name)")
    }
    #expect(!host.stack.hasOutput)
  }

  @Test func aliasesAreFollowed() throws {
    let host = Self.host()
    let lookup = host.stack.resolver.lookup("a.org", at: host.now)
    let query = try #require(Self.queries(host).first)
    Self.answer(
      host, query,
      [
        Self.record(Self.name("C.org"), type: 1, Self.addressBytes),
        Self.record(Self.questionName, type: 5, Self.name("b.org")),
        Self.record(Self.name("B.org"), type: 5, Self.name("c.org")),
      ])
    #expect(lookup.result == .success([Self.address]))
  }

  @Test func anAliasWithoutMoreIsAskedFor() throws {
    let host = Self.host()
    let lookup = host.stack.resolver.lookup("a.org", at: host.now)
    let first = try #require(Self.queries(host).first)
    Self.answer(host, first, [Self.record(Self.questionName, type: 5, Self.name("b.org"))])
    let second = try #require(Self.queries(host).first)
    #expect(second.question.count == Self.name("b.org").count + 4)
    Self.answer(host, second, [Self.record(Self.questionName, type: 1, Self.addressBytes)])
    #expect(lookup.result == .success([Self.address]))
  }

  @Test func aliasesInACircleEnd() throws {
    let host = Self.host()
    let circle = host.stack.resolver.lookup("a.org", at: host.now)
    var queries = Self.queries(host)
    var count = 0
    while circle.result == nil, count < 100 {
      for query in queries {
        Self.answer(
          host, query,
          [
            Self.record(Self.name("a.org"), type: 5, Self.name("b.org")),
            Self.record(Self.name("b.org"), type: 5, Self.name("a.org")),
          ])
      }
      queries = Self.queries(host)
      if queries.isEmpty { _ = host.advanceToDeadline() }
      count += 1
    }
    #expect(circle.result == .failure(.serverFailure(0)))

    let chain = host.stack.resolver.lookup("n0.org", at: host.now)
    queries = Self.queries(host)
    count = 0
    while chain.result == nil, count < 100 {
      count += 1
      for query in queries {
        Self.answer(host, query, [Self.record(Self.questionName, type: 5, Self.name("n\(count).org"))])
      }
      queries = Self.queries(host)
    }
    #expect(chain.result == .failure(.serverFailure(0)))
    #expect(count == ResolverLimits.aliasCount + 1)
  }

  @Test func forgedAnswersAreNotTaken() throws {
    let host = Self.host()
    let lookup = host.stack.resolver.lookup("a.org", at: host.now)
    let query = try #require(Self.queries(host).first)
    let record = Self.record(Self.questionName, type: 1, [6, 6, 6, 6])
    var forged = query
    forged.id[1] ^= 1
    Self.answer(host, forged, [record])
    Self.answer(host, query, [record], from: Self.second)
    Self.answer(host, query, [record], port: query.port ^ 1)
    forged = query
    forged.question[1] ^= 1
    Self.answer(host, forged, [record])
    // A question, not an answer.
    Self.answer(host, query, flags: 0x0100, [record])
    #expect(lookup.result == nil)
    Self.answer(host, query, [Self.record(Self.questionName, type: 1, Self.addressBytes)])
    #expect(lookup.result == .success([Self.address]))
  }

  @Test func eachTryHasAnotherPortAndNumber() {
    let host = Self.host(servers: [Self.server, Self.second])
    let lookup = host.stack.resolver.lookup("a.org", at: host.now)
    var queries = Self.queries(host)
    while lookup.result == nil, host.advanceToDeadline() { queries += Self.queries(host) }
    #expect(lookup.result == .failure(.timedOut))
    #expect(queries.count == 2 * ResolverLimits.roundCount)
    #expect(Set(queries.map(\.port)).count == queries.count)
    #expect(Set(queries.map(\.id)).count == queries.count)
    #expect(queries.map(\.server) == (0..<3).flatMap { _ in [.v4(Self.server), .v4(Self.second)] })
    #expect(host.stack.deadline.map { $0 > host.now } ?? true)
  }

  @Test func theNextServerIsAskedWhereOneFails() throws {
    let host = Self.host(servers: [Self.server, Self.second])
    let lookup = host.stack.resolver.lookup("a.org", at: host.now)
    let first = try #require(Self.queries(host).first)
    Self.answer(host, first, flags: 0x8182, [])
    let second = try #require(Self.queries(host).first)
    #expect(second.server == .v4(Self.second))
    Self.answer(host, second, flags: 0x8183, [])
    #expect(lookup.result == .failure(.nameNotFound))
  }

  @Test func aNameWithoutAddresses() throws {
    let host = Self.host()
    let lookup = host.stack.resolver.lookup("a.org", at: host.now)
    Self.answer(host, try #require(Self.queries(host).first), [])
    #expect(lookup.result == .failure(.noAddresses))
  }

  // MARK: While it is not known what becomes of IPv6

  static let longAddress = IPv6Address("2001:db8::99")!

  /// A host that has had its address of IPv4 from the beginning, and asks whether it may have one of IPv6.
  static func host(expecting ipv6: NetworkConfiguration.IPv6) -> Host {
    let host = Host(
      NetworkConfiguration(
        ipv4: .fixed(Host.own, prefixLength: 24, gateway: nil), ipv6: ipv6, nameServers: [.v4(server)]))
    _ = host.frames()
    return host
  }

  /// Answers both questions about a name, the one about IPv4 last.
  static func answerBoth(_ host: Host, long: [[UInt8]], short: [[UInt8]]) throws {
    let queries = queries(host)
    #expect(queries.map { $0.question.suffix(4) } == [[0, 28, 0, 1], [0, 1, 0, 1]])
    for (query, records) in zip(queries, [long, short]) { answer(host, query, records) }
  }

  static let longRecord = record(questionName, type: 28, Packets.address(.v6(longAddress)))

  @Test func aNameOfIPv6AloneWaitsForAnAddress() throws {
    let host = Self.host(expecting: .fixed(IPv6Address("2001:db8::1")!, prefixLength: 64, gateway: nil))
    let lookup = host.stack.resolver.lookup("a.org", at: host.now)
    try Self.answerBoth(host, long: [Self.longRecord], short: [])
    #expect(lookup.result == nil)
    host.advance(milliseconds: 999)
    #expect(lookup.result == nil)
    host.advance(milliseconds: 1)
    #expect(lookup.result == .success([.v6(Self.longAddress)]))
  }

  /// Nobody waits who has something to go on with.
  @Test func aNameOfBothDoesNotWait() throws {
    let host = Self.host(expecting: .automatic)
    let lookup = host.stack.resolver.lookup("a.org", at: host.now)
    try Self.answerBoth(
      host, long: [Self.longRecord], short: [Self.record(Self.questionName, type: 1, Self.addressBytes)])
    #expect(lookup.result == .success([Self.address]))
    // Not even for the answer; and the port is closed that it would have come to.
    let other = host.stack.resolver.lookup("b.org", at: host.now)
    let queries = Self.queries(host)
    #expect(queries.count == 2)
    Self.answer(host, queries[1], [Self.record(Self.questionName, type: 1, Self.addressBytes)])
    #expect(other.result == .success([Self.address]))
    Self.answer(host, queries[0], [Self.longRecord])
    #expect(host.stack.statistics.refusedDatagrams == 1)
  }

  @Test func withoutRoutersANameOfIPv6AloneHasNoAddress() throws {
    let host = Self.host(expecting: .automatic)
    let lookup = host.stack.resolver.lookup("a.org", at: host.now)
    try Self.answerBoth(host, long: [Self.longRecord], short: [])
    let began = host.now
    while lookup.result == nil, host.advanceToDeadline() { _ = host.frames() }
    #expect(lookup.result == .failure(.noAddresses))
    #expect(host.now.milliseconds(since: began) == 8000)
    // From then on nobody asks.
    _ = host.stack.resolver.lookup("b.org", at: host.now)
    #expect(Self.queries(host).count == 1)
  }

  /// An advertisement ends the waiting, even if it brings no address.
  @Test func aRouterThatGivesNoAddressesIsNotWaitedFor() throws {
    let host = Self.host(expecting: .automatic)
    let lookup = host.stack.resolver.lookup("a.org", at: host.now)
    try Self.answerBoth(host, long: [Self.longRecord], short: [])
    let router = IPAddress.v6(IPv6Address("fe80::fe")!), nodes = IPAddress.v6(.allNodes)
    let advertisement = Packets.icmp(
      type: 134, rest: 64 << 24 | 1800, [0, 0, 0, 0, 0, 0, 0, 0], from: router, to: nodes)
    #expect(lookup.result == nil)
    host.receive(
      Packets.ipv6(
        from: IPv6Address("fe80::fe")!, to: .allNodes, number: 58, advertisement, hopLimit: 255), type: 0x86dd)
    #expect(lookup.result == .failure(.noAddresses))
  }

  @Test func withoutServers() {
    let host = Self.host(servers: [])
    let lookup = host.stack.resolver.lookup("a.org", at: host.now)
    _ = host.frames()
    #expect(lookup.result == .failure(.noServers))
  }

  @Test func tooManyLookupsAndCancelledOnes() {
    let host = Self.host()
    var lookups = (0..<ResolverLimits.lookupCount).map { host.stack.resolver.lookup("n\($0).org", at: host.now) }
    #expect(host.stack.resolver.lookup("more.org", at: host.now).result == .failure(.tooManyLookups))
    _ = Self.queries(host)
    for lookup in lookups { lookup.cancel() }
    lookups = [host.stack.resolver.lookup("more.org", at: host.now)]
    #expect(lookups[0].result == nil)
    #expect(Self.queries(host).count == 1)
  }

  // MARK: Over TCP

  /// A real server over TCP on the other end of a wire, as the answer does not fit.
  @Test func aTruncatedAnswerIsAskedForOverTCP() throws {
    let wire = Wire(
      a: NetworkConfiguration(
        ipv4: .fixed(IPv4Address(10, 0, 0, 1), prefixLength: 24, gateway: nil), ipv6: .none,
        nameServers: [.v4(Self.server)]),
      b: NetworkConfiguration(ipv4: .fixed(Self.server, prefixLength: 24, gateway: nil), ipv6: .none))
    let udp = try wire.b.udp.bind(port: 53)
    let listener = try wire.b.tcp.listen(on: nil, port: 53, backlog: 4)
    let lookup = wire.a.resolver.lookup("many.org", at: wire.now)
    var connection: TCPSocket?
    var question: [UInt8] = []
    wire.run(milliseconds: 1000) {
      if let datagram = udp.receive() {
        let reply = datagram.payload[..<2] + [0x83, 0x80] + datagram.payload[4...]
        try? udp.send(reply.span.bytes, to: datagram.source)
      }
      connection = connection ?? listener.accept()
      var buffer = [UInt8](repeating: 0, count: 512)
      var span = buffer.mutableSpan
      var bytes = span.mutableBytes
      let count = connection?.read(into: &bytes, at: wire.now) ?? 0
      question += bytes.bytes.extracting(0..<count).copy()
      return question.count > 2
    }
    #expect(question.count == Int(question[0]) << 8 + Int(question[1]) + 2)
    let query = Query(
      id: Array(question[2..<4]), port: 0, server: .v4(Self.server), question: Array(question[14...]))
    let records = (0..<120).map { Self.record(Self.questionName, type: 1, [192, 0, 2, UInt8($0)]) }
    let reply = Self.message(query, records)
    let framed = Packets.bytes(UInt64(reply.count), 2) + reply
    // In two pieces.
    _ = connection?.write(framed.span.bytes.extracting(0..<1), at: wire.now)
    wire.run(milliseconds: 300)
    _ = connection?.write(framed.span.bytes.extracting(1...), at: wire.now)
    wire.run(milliseconds: 1000) { lookup.result != nil }
    #expect(
      lookup.result
        == .success((0..<ResolverLimits.addressCount).map { .v4(IPv4Address(192, 0, 2, UInt8($0))) }))
  }

  @Test(
    arguments: [
      // A pointer to itself, one forward, two that point at each other, one past the end, a cut label, an unknown kind.
      [0xc0, 0], [0xc0, 2, 0], [1, 97, 0xc0, 0], [0xc0, 9], [5, 97], [0x40, 97, 0], [0x80, 0], [0xc0], [],
      [3, 97, 98],
    ] as [[UInt8]]) func namesThatAreNone(bytes: [UInt8])
  {
    let isNone = DNSMessage.name(in: bytes.span.bytes, at: 0) == nil
    #expect(isNone)
  }

  @Test func namesByPointers() throws {
    // b.org at 0; a. and a pointer to it at 7; a pointer to that at 11.
    let bytes = Self.name("b.org") + [1, 65, 0xc0, 0] + [0xc0, 7]
    let parsed = DNSMessage.name(in: bytes.span.bytes, at: 11)
    let (name, end) = try #require(parsed)
    #expect(name == DNSName("a.b.org"))
    #expect(end == 13)
    // Labels whose pointers make more than 255 bytes of them.
    var long: [UInt8] = [0]
    var previous = 0
    for _ in 0..<8 {
      let start = long.count
      long += [40] + [UInt8](repeating: 97, count: 40) + [0xc0 | UInt8(previous >> 8), UInt8(previous & 0xff)]
      previous = start
    }
    let isTooLong = DNSMessage.name(in: long.span.bytes, at: previous) == nil
    #expect(isTooLong)
  }

  @Test func answersCutOffAnywhere() throws {
    let host = Self.host()
    _ = host.stack.resolver.lookup("a.org", at: host.now)
    let query = try #require(Self.queries(host).first)
    let sent = query.id + [1, 0, 0, 1, 0, 0, 0, 0, 0, 0] + query.question
    let whole = Self.message(
      query,
      [
        Self.record(Self.questionName, type: 5, Self.name("b.org")),
        Self.record(Self.name("b.org"), type: 1, Self.addressBytes),
      ])
    let name = try #require(DNSName("a.org"))
    for count in 0...whole.count {
      let cut = Array(whole[..<count])
      let answer = DNSMessage.answer(cut.span.bytes, to: sent.span.bytes, name, .a, isOverTCP: false)
      let expected: DNSMessage.Answer =
        count < sent.count ? .foreign : count < whole.count ? .failure(0) : .addresses([Self.address], seconds: 60)
      #expect(answer == expected, "\(count) bytes")
    }
  }

  @Test func theCacheIsBounded() throws {
    var cache = DNSCache()
    let now = NetworkInstant(nanoseconds: 0)
    for index in 0..<1000 {
      let name = try #require(DNSName("n\(index).org"))
      cache.store([Self.address], of: DNSCache.Key(name: name, type: .a), seconds: .max, at: now)
    }
    #expect(cache.count == ResolverLimits.cachedNameCount)
    let key = DNSCache.Key(name: try #require(DNSName("n999.org")), type: .a)
    #expect(cache.addresses(of: key, at: now) != nil || cache.count == ResolverLimits.cachedNameCount)
    let later = now.advanced(byMilliseconds: Int(ResolverLimits.cachedSeconds) * 1000)
    #expect(cache.addresses(of: key, at: later) == nil)
  }
}
