import Testing

@testable import Network

/// Classless static routes (RFC 3442), and options in parts (RFC 3396).
extension DHCPTests {
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
}
