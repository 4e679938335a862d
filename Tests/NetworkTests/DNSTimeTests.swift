import Testing

@testable import Network

/// Late answers, and which server is asked when.
extension DNSTests {
  private static let goodRecord = record(questionName, type: 1, addressBytes)

  /// As docs/network.md has it: each server in turn, three times, two seconds after the one before.
  @Test(arguments: [1, 2, 4]) func theNextServerIsAskedAfterTwoSeconds(serverCount: Int) {
    let host = Self.host(servers: (0..<serverCount).map { IPv4Address(10, 0, 0, UInt8(2 + $0)) })
    let began = host.now
    let lookup = host.stack.resolver.lookup("a.org", at: host.now)
    var times: [Int] = []
    repeat {
      times += Self.queries(host).map { _ in host.now.milliseconds(since: began) }
    } while lookup.result == nil && host.advanceToDeadline()
    #expect(times == (0..<3 * serverCount).map { $0 * 2000 })
    #expect(lookup.result == .failure(.timedOut))
    #expect(host.now.milliseconds(since: began) == 6000 * serverCount)
  }

  /// A server that needs 2.6 seconds for everything.
  @Test func aSlowServerIsHeard() throws {
    let host = Self.host()
    let lookup = host.stack.resolver.lookup("a.org", at: host.now)
    let first = try #require(Self.queries(host).first)
    host.advance(milliseconds: 2000)
    let second = try #require(Self.queries(host).first)
    host.advance(milliseconds: 600)
    Self.answer(host, first, [Self.goodRecord])
    #expect(lookup.result == .success([Self.address]))
    // Nobody listens any more.
    Self.answer(host, second, [Self.goodRecord])
    #expect(host.stack.statistics.refusedDatagrams == 1)
  }

  /// At the end of the last try the first may still be answered; what answers it is judged as ever.
  @Test func anAnswerCountsUntilTheEnd() throws {
    let host = Self.host()
    let lookup = host.stack.resolver.lookup("a.org", at: host.now)
    let first = try #require(Self.queries(host).first)
    host.advance(milliseconds: 2000)
    _ = Self.queries(host)
    host.advance(milliseconds: 2000)
    _ = Self.queries(host)
    host.advance(milliseconds: 1999)
    var forged = first
    forged.id[0] ^= 1
    Self.answer(host, forged, [Self.record(Self.questionName, type: 1, [6, 6, 6, 6])])
    Self.answer(host, first, [Self.record(Self.questionName, type: 1, [6, 6, 6, 6])], from: Self.second)
    #expect(lookup.result == nil)
    Self.answer(host, first, [Self.goodRecord])
    #expect(lookup.result == .success([Self.address]))
  }

  /// A late failure is no reason not to wait for the one that was asked since.
  @Test func aLateFailureChangesNothing() throws {
    let host = Self.host(servers: [Self.server, Self.second])
    let lookup = host.stack.resolver.lookup("a.org", at: host.now)
    let first = try #require(Self.queries(host).first)
    host.advance(milliseconds: 2000)
    let second = try #require(Self.queries(host).first)
    host.advance(milliseconds: 500)
    Self.answer(host, first, flags: 0x8182, [])
    Self.refuse(host, first)
    #expect(Self.queries(host).isEmpty && lookup.result == nil)
    Self.answer(host, second, [Self.goodRecord])
    #expect(lookup.result == .success([Self.address]))
  }

  /// An ICMP error about a query: nobody listens there.
  private static func refuse(_ host: Host, _ query: Query) {
    guard case .v4(let server) = query.server else { return }
    let sent = Packets.ipv4(
      from: Host.own, to: server, number: 17,
      Packets.udp(
        from: SocketAddress(.v4(Host.own), port: query.port), to: SocketAddress(.v4(server), port: 53), [0, 0, 0, 0]))
    host.receive(
      Packets.ipv4(
        from: server, to: Host.own, number: 1,
        Packets.icmp(type: 3, code: 3, sent, from: .v4(server), to: .v4(Host.own))))
  }

  @Test func aServerThatIsNotThereIsPassedOverAtOnce() throws {
    let host = Self.host(servers: [Self.server, Self.second])
    let lookup = host.stack.resolver.lookup("a.org", at: host.now)
    Self.refuse(host, try #require(Self.queries(host).first))
    let second = try #require(Self.queries(host).first)
    #expect(second.server == .v4(Self.second))
    host.advance(milliseconds: 2000)
    Self.refuse(host, try #require(Self.queries(host).first))
    #expect(Self.queries(host).map(\.server) == [.v4(Self.second)])
    host.advance(milliseconds: 600)
    Self.answer(host, second, [Self.goodRecord])
    #expect(lookup.result == .success([Self.address]))
  }

  /// Over TCP one server is asked, and the others are heard still.
  @Test func anAnswerCountsWhileAnotherServerIsAskedOverTCP() throws {
    let host = Self.host(servers: [Self.server, Self.second])
    let lookup = host.stack.resolver.lookup("a.org", at: host.now)
    let first = try #require(Self.queries(host).first)
    host.advance(milliseconds: 2000)
    Self.answer(host, try #require(Self.queries(host).first), flags: 0x8380, [])
    #expect(host.frames().contains { $0.ipNumber == 6 && $0.ipDestination == .v4(Self.second) })
    host.advance(milliseconds: 600)
    _ = host.frames()
    Self.answer(host, first, [Self.goodRecord])
    #expect(lookup.result == .success([Self.address]))
  }

  @Test func onlyTheLatestPortsStayOpen() throws {
    let host = Self.host(servers: (0..<4).map { IPv4Address(10, 0, 0, UInt8(2 + $0)) })
    let lookup = host.stack.resolver.lookup("a.org", at: host.now)
    var queries = Self.queries(host)
    for _ in 0..<4 {
      host.advance(milliseconds: 2000)
      queries += Self.queries(host)
    }
    #expect(queries.count == 5)
    Self.answer(host, queries[0], [Self.goodRecord])
    #expect(host.stack.statistics.refusedDatagrams == 1 && lookup.result == nil)
    Self.answer(host, queries[1], [Self.goodRecord])
    #expect(lookup.result == .success([Self.address]))
  }

  /// Ports of questions that never got out, because too much waits to be sent, are closed.
  @Test func questionsThatCannotBeSentLeaveNoPorts() throws {
    let host = Self.host()
    let port = try host.stack.udp.bind()
    for byteCount in [60_000, 1000, 1] {
      let payload = [UInt8](repeating: 0, count: byteCount)
      while (try? port.send(payload.span.bytes, to: SocketAddress(.v4(Host.peer), port: 9))) != nil {}
    }
    let lookup = host.stack.resolver.lookup("a.org", at: host.now)
    host.advance(milliseconds: 0)
    #expect(lookup.result == .failure(.timedOut))
    var ports: [UDPPort] = []
    while let port = try? host.stack.udp.bind() { ports.append(port) }
    #expect(ports.count == UDPLimits.portCount - 1)
  }
}
