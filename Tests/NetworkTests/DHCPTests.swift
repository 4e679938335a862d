import Testing

@testable import Network

@Suite struct DHCPTests {
  static let server = IPv4Address(10, 0, 0, 254)
  static let offered = IPv4Address(10, 0, 0, 77)

  /// A server's answer to a message of the client, made byte by byte.
  static func reply(
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

  static func options(lease: UInt32 = 3600, more: [UInt8] = []) -> [UInt8] {
    [1, 4, 255, 255, 255, 0, 3, 4, 10, 0, 0, 254, 6, 8, 10, 0, 0, 253, 10, 0, 0, 252, 15, 4]
      + Array("lan.".utf8) + [51, 4] + Packets.bytes(UInt64(lease), 4) + [26, 2, 5, 0x14] + more
  }

  /// The DHCP message in a frame; nil: something else.
  static func message(_ frame: Frame?) -> (kind: UInt8, bytes: [UInt8])? {
    guard let frame, frame.isIPv4, frame.ipNumber == 17, frame.number(frame.payloadOffset, 4) == 0x0044_0043 else {
      return nil
    }
    let bytes = Array(frame.payload[8...])
    // The kind is the first option.
    return (bytes[242], bytes)
  }

  static func host() -> Host {
    Host(NetworkConfiguration(ipv6: .none, hostname: "web"))
  }

  /// As far as the address is in use.
  static func bound(_ options: [UInt8]? = nil) throws -> (Host, [UInt8]) {
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

  // MARK: The domain

  /// The names that a lookup of one label asks servers for, which all say that there is none.
  static func names(of host: String, domain: String) throws -> [String] {
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
