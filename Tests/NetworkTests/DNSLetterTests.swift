import Testing

@testable import Network

/// Letters' case.
extension DNSTests {
  /// A server that answers in lower case whatever the case of the question is: over UDP that is a forger's mark, over TCP it
  /// is not.
  @Test func aServerThatLosesTheCaseIsUnderstood() throws {
    let wire = Wire(
      a: NetworkConfiguration(
        ipv4: .fixed(IPv4Address(10, 0, 0, 1), prefixLength: 24, gateway: nil), ipv6: .none,
        nameServers: [.v4(Self.server)]),
      b: NetworkConfiguration(ipv4: .fixed(Self.server, prefixLength: 24, gateway: nil), ipv6: .none))
    let udp = try wire.b.udp.bind(port: 53)
    let listener = try wire.b.tcp.listen(on: nil, port: 53, backlog: 4)
    let lookup = wire.a.resolver.lookup("A.Long.Example.Org", at: wire.now)
    var connection: TCPSocket?
    var question: [UInt8] = []
    var isAnswered = false
    func answer(_ query: [UInt8]) -> [UInt8] {
      let name = Self.name("a.long.example.org")
      return query[..<2] + [0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0] + name + [0, 1, 0, 1]
        + Self.record(name, type: 1, Self.addressBytes)
    }
    wire.run(milliseconds: 20_000) {
      if let datagram = udp.receive() { try? udp.send(answer(datagram.payload).span.bytes, to: datagram.source) }
      connection = connection ?? listener.accept()
      var buffer = [UInt8](repeating: 0, count: 512)
      var span = buffer.mutableSpan
      var bytes = span.mutableBytes
      let count = connection?.read(into: &bytes, at: wire.now) ?? 0
      question += bytes.bytes.extracting(0..<count).copy()
      if question.count > 2, !isAnswered {
        isAnswered = true
        let reply = answer(Array(question[2...]))
        _ = connection?.write((Packets.bytes(UInt64(reply.count), 2) + reply).span.bytes, at: wire.now)
      }
      return lookup.result != nil
    }
    #expect(lookup.result == .success([Self.address]))
  }

  /// Nothing but letters has two cases: not digits, lengths, types.
  @Test func onlyLettersHaveCase() throws {
    let name = try #require(DNSName("ab.x1.org"))
    let question: [UInt8] = [2, 97, 66, 2, 120, 49, 3, 79, 82, 71, 0, 0, 1, 0, 1]
    func answer(_ question: [UInt8], _ sent: [UInt8], isOverTCP: Bool) -> DNSMessage.Answer {
      let record = Self.record(Self.questionName, type: 1, Self.addressBytes)
      let message = [0, 7, 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0] + question + record
      let query = [0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0] + sent
      return DNSMessage.answer(message.span.bytes, to: query.span.bytes, name, .a, isOverTCP: isOverTCP)
    }
    let good = DNSMessage.Answer.addresses([Self.address], seconds: 60)
    #expect(answer(question, question, isOverTCP: false) == good)
    #expect(answer(question, question, isOverTCP: true) == good)
    for index in question.indices {
      var other = question
      other[index] ^= 0x20
      let isLetter = [1, 2, 4, 7, 8, 9].contains(index)
      #expect(answer(other, question, isOverTCP: false) == (isLetter ? .truncated : .foreign), "\(index)")
      #expect(answer(other, question, isOverTCP: true) == (isLetter ? good : .foreign), "\(index)")
    }
  }

  /// Names of records, targets of aliases, what is remembered, and what is looked for, all in different cases.
  @Test func namesAreTheSameInAnyCase() throws {
    let host = Self.host()
    let lookup = host.stack.resolver.lookup("WWW.Example.ORG", at: host.now)
    Self.answer(
      host, try #require(Self.queries(host).first),
      [
        Self.record(Self.name("wWw.eXAMPLE.oRg"), type: 5, Self.name("Alias.EXAMPLE.org")),
        Self.record(Self.name("aLIAS.example.ORG"), type: 5, Self.name("Other.Net")),
        Self.record(Self.name("OTHER.NET"), type: 1, Self.addressBytes),
      ])
    #expect(lookup.result == .success([Self.address]))
    let again = host.stack.resolver.lookup("www.EXAMPLE.org", at: host.now)
    #expect(Self.queries(host).isEmpty && again.result == .success([Self.address]))
  }
}
