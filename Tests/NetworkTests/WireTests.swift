import Testing

@testable import Network

/// Two whole stacks.
@Suite struct WireTests {
  enum Family: CaseIterable {
    case v4, v6
  }

  private static func address(_ stack: NetworkStack, _ family: Family) throws -> IPAddress {
    try #require(stack.addresses.first { $0.isIPv6 == (family == .v6) })
  }

  @Test(arguments: Family.allCases, [Wire.Devices.plain, .passingOffloads])
  func tcpCarriesAStream(family: Family, devices: Wire.Devices) throws {
    let wire = Wire.fixed(devices)
    let local = try Self.address(wire.a, family)
    let remote = try Self.address(wire.b, family)
    let listener = try wire.b.tcp.listen(on: nil, port: 80, backlog: 8)
    let client = try wire.a.tcp.connect(to: SocketAddress(remote, port: 80), from: local, at: wire.now)
    wire.run(milliseconds: 100) { client.state == .established }
    #expect(client.state == .established)
    var server: TCPSocket?
    wire.run(milliseconds: 100) {
      server = server ?? listener.accept()
      return server != nil
    }
    let socket = try #require(server)
    let sent = (0..<200_000).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 3) }
    var received: [UInt8] = []
    var position = 0
    var buffer = [UInt8](repeating: 0, count: 65536)
    wire.run(milliseconds: 60_000) {
      position += client.write(sent.span.bytes.extracting(position...), at: wire.now)
      var span = buffer.mutableSpan
      var bytes = span.mutableBytes
      let count = socket.read(into: &bytes, at: wire.now)
      received += bytes.bytes.extracting(0..<count).copy()
      return received.count == sent.count
    }
    #expect(received == sent)
    if devices == .passingOffloads { #expect(wire.largestFrame > 10_000) }
    client.close(at: wire.now)
    socket.close(at: wire.now)
    wire.run(milliseconds: 100)
    #expect(client.state == .timeWait || client.state == .closed)
  }

  @Test func nobodyListens() throws {
    let wire = Wire.fixed()
    let client = try wire.a.tcp.connect(
      to: SocketAddress(.v4(IPv4Address(10, 0, 0, 2)), port: 81), from: .v4(IPv4Address(10, 0, 0, 1)), at: wire.now)
    wire.run(milliseconds: 100)
    #expect(client.state == .closed && client.error == .refused)
  }

  @Test(arguments: Family.allCases) func nobodyIsThere(family: Family) throws {
    let wire = Wire.fixed()
    let remote: IPAddress =
      family == .v4 ? .v4(IPv4Address(10, 0, 0, 9)) : .v6(IPv6Address(high: 0xfe80_0000_0000_0000, low: 9))
    let client = try wire.a.tcp.connect(
      to: SocketAddress(remote, port: 80), from: try Self.address(wire.a, family), at: wire.now)
    wire.run(milliseconds: 4000)
    #expect(client.state == .closed && client.error == .unreachable)
  }

  @Test(arguments: Family.allCases, [Wire.Devices.plain, .passingOffloads])
  func udpCarriesDatagramsOfAnySize(family: Family, devices: Wire.Devices) throws {
    let wire = Wire.fixed(devices)
    let server = try wire.b.udp.bind(port: 53)
    let client = try wire.a.udp.bind()
    let remote = SocketAddress(try Self.address(wire.b, family), port: 53)
    for size in [0, 1, 1400, 1473, 9000, 65_507] {
      let payload = (0..<size).map { UInt8(truncatingIfNeeded: $0 * 13) }
      try client.send(payload.span.bytes, to: remote)
      wire.run(milliseconds: 10) { server.isReadable }
      let datagram = try #require(server.receive())
      #expect(datagram.payload == payload)
      #expect(datagram.source == SocketAddress(try Self.address(wire.a, family), port: client.port))
      #expect(datagram.destination == remote)
      try server.send(payload.span.bytes, to: datagram.source)
      wire.run(milliseconds: 10) { client.isReadable }
      #expect(client.receive()?.payload == payload)
    }
  }

  @Test(arguments: Family.allCases) func aClosedPortIsToldSo(family: Family) throws {
    let wire = Wire.fixed()
    let client = try wire.a.udp.bind()
    let remote = SocketAddress(try Self.address(wire.b, family), port: 9)
    try client.send([1].span.bytes, to: remote)
    wire.run(milliseconds: 10)
    #expect(client.takeFailure() == UDPFailure(destination: remote, reason: .refused))
    #expect(client.takeFailure() == nil)
  }

  @Test func aStreamThroughLosses() throws {
    let wire = Wire.fixed()
    wire.lossPerThousand = 20
    let listener = try wire.b.tcp.listen(on: nil, port: 80, backlog: 8)
    let client = try wire.a.tcp.connect(
      to: SocketAddress(.v4(IPv4Address(10, 0, 0, 2)), port: 80), from: .v4(IPv4Address(10, 0, 0, 1)), at: wire.now)
    let sent = (0..<100_000).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 3) }
    var received: [UInt8] = []
    var position = 0
    var server: TCPSocket?
    var buffer = [UInt8](repeating: 0, count: 65536)
    wire.run(milliseconds: 600_000) {
      server = server ?? listener.accept()
      position += client.write(sent.span.bytes.extracting(position...), at: wire.now)
      var span = buffer.mutableSpan
      var bytes = span.mutableBytes
      let count = server?.read(into: &bytes, at: wire.now) ?? 0
      received += bytes.bytes.extracting(0..<count).copy()
      return received.count == sent.count
    }
    #expect(received == sent)
  }
}
