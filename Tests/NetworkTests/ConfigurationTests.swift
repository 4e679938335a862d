import Testing

@testable import Network

@Suite struct ConfigurationTests {
  @Test func nothingSaid() throws {
    #expect(try NetworkConfiguration(words: []) == NetworkConfiguration())
    #expect(NetworkConfiguration().ipv4 == .dhcp && NetworkConfiguration().ipv6 == .automatic)
  }

  @Test func everythingSaid() throws {
    let configuration = try NetworkConfiguration(words: [
      "gw=10.0.0.1", "ip=10.0.0.2/24", "dns=10.0.0.1,2001:db8::53", "gw6=fe80::1", "ip6=2001:db8::2/64",
      "hostname=web-1",
    ])
    #expect(
      configuration
        == NetworkConfiguration(
          ipv4: .fixed(IPv4Address(10, 0, 0, 2), prefixLength: 24, gateway: IPv4Address(10, 0, 0, 1)),
          ipv6: .fixed(IPv6Address("2001:db8::2")!, prefixLength: 64, gateway: IPv6Address("fe80::1")!),
          nameServers: [.v4(IPv4Address(10, 0, 0, 1)), .v6(IPv6Address("2001:db8::53")!)], hostname: "web-1"))
    #expect(
      try NetworkConfiguration(words: ["ip=none", "ip6=none"]) == NetworkConfiguration(ipv4: .none, ipv6: .none))
    #expect(try NetworkConfiguration(words: ["ip=dhcp", "ip6=auto", "verbose"]) == NetworkConfiguration())
  }

  @Test(arguments: [
    (["ip=10.0.0.2"], "ip=10.0.0.2: expected dhcp, none or ADDRESS/LENGTH, such as 10.0.0.2/24"),
    (["ip=10.0.0.2/33"], "ip=10.0.0.2/33: expected dhcp, none or ADDRESS/LENGTH, such as 10.0.0.2/24"),
    (["ip="], "ip=: expected dhcp, none or ADDRESS/LENGTH, such as 10.0.0.2/24"),
    (["ip=10.0.0.0/24"], "ip=10.0.0.0/24: expected the address of a host, not of the whole network"),
    (["ip=10.0.0.255/24"], "ip=10.0.0.255/24: expected the address of a host, not of the whole network"),
    (["ip=dhcp", "ip=none"], "ip=none: given before"),
    (["gw=10.0.0.1"], "gw=10.0.0.1: needs ip=ADDRESS/LENGTH as well"),
    (["ip=dhcp", "gw=10.0.0.1"], "gw=10.0.0.1: needs ip=ADDRESS/LENGTH as well"),
    (["ip=10.0.0.2/24", "gw=10.0.0.2"], "gw=10.0.0.2: expected the address of another host"),
    (["ip=10.0.0.2/32", "gw=10.0.0.2"], "gw=10.0.0.2: expected the address of another host"),
    (["ip=10.0.0.2/24", "gw=10.0.0.255"], "gw=10.0.0.255: expected the address of another host"),
    (["ip=10.0.0.2/24", "gw=255.255.255.255"], "gw=255.255.255.255: expected an IPv4 address"),
    (["ip=10.0.0.2/24", "gw=224.0.0.1"], "gw=224.0.0.1: expected an IPv4 address"),
    (["ip=10.0.0.2/24", "gw=0.0.0.0"], "gw=0.0.0.0: expected an IPv4 address"),
    (["ip=10.0.0.2/24", "gw=127.0.0.1"], "gw=127.0.0.1: expected an IPv4 address"),
    (["ip=10.0.0.2/24", "gw=x"], "gw=x: expected an IPv4 address"),
    (["ip6=fe80::1"], "ip6=fe80::1: expected auto, none or ADDRESS/LENGTH, such as 2001:db8::2/64"),
    (["gw6=fe80::1"], "gw6=fe80::1: needs ip6=ADDRESS/LENGTH as well"),
    (["ip6=2001:db8::2/64", "gw6=2001:db8::2"], "gw6=2001:db8::2: expected the address of another host"),
    (["ip6=2001:db8::2/64", "gw6=ff02::2"], "gw6=ff02::2: expected an IPv6 address"),
    (["ip6=2001:db8::2/64", "gw6=::1"], "gw6=::1: expected an IPv6 address"),
    (["ip6=2001:db8::2/64", "gw6=::"], "gw6=::: expected an IPv6 address"),
    (["ip6=2001:db8::2/64", "gw6=10.0.0.1"], "gw6=10.0.0.1: expected an IPv6 address"),
    (["dns=10.0.0.1,"], "dns=10.0.0.1,: expected 1 to 4 addresses of name servers with commas between"),
    (
      ["dns=1.1.1.1,1.1.1.2,1.1.1.3,1.1.1.4,1.1.1.5"],
      "dns=1.1.1.1,1.1.1.2,1.1.1.3,1.1.1.4,1.1.1.5: expected 1 to 4 addresses of name servers with commas between"
    ),
    (["hostname=a b"], "hostname=a b: expected a name of letters, digits and hyphens with dots between"),
  ]) func badWords(words: [String], message: String) {
    let error = #expect(throws: NetworkConfigurationError.self) { try NetworkConfiguration(words: words) }
    #expect(error?.description == message)
  }

  /// As Calico and EKS give it: ARP asks for the gateway itself, which is nowhere near the own address.
  @Test func aGatewayOutsideOfTheNetwork() throws {
    for words in [["ip=10.6.0.2/32", "gw=169.254.1.1"], ["ip=10.6.0.2/24", "gw=169.254.1.1"]] {
      var configuration = try NetworkConfiguration(words: words)
      configuration.ipv6 = .none
      let host = Host(configuration)
      _ = host.frames()
      let port = try host.stack.udp.bind()
      try port.send(([1] as [UInt8]).span.bytes, to: SocketAddress(.v4(IPv4Address(192, 0, 2, 1)), port: 9))
      let gateway = IPv4Address(169, 254, 1, 1), own = IPv4Address(10, 6, 0, 2)
      #expect(host.frame()?.packet == Packets.arp(operation: 1, own, Host.ownLink, gateway))
      host.receive(Packets.arp(operation: 2, gateway, Host.peerLink, own, Host.ownLink), type: 0x0806)
      let datagram = try #require(host.frame())
      #expect(datagram.destination == Host.peerLink && datagram.ipDestination == .v4(IPv4Address(192, 0, 2, 1)))
      // The gateway asks as well.
      host.receive(Packets.arp(operation: 1, gateway, Host.peerLink, own), type: 0x0806)
      #expect(host.frame()?.packet == Packets.arp(operation: 2, own, Host.ownLink, gateway, Host.peerLink))
    }
  }

  @Test func aGatewayOfIPv6OutsideOfTheNetwork() throws {
    let host = Host(try NetworkConfiguration(words: ["ip=none", "ip6=2001:db8:6::2/128", "gw6=2001:db8::1"]))
    _ = host.frames()
    host.advance(milliseconds: IPv6Limits.duplicateMilliseconds)
    _ = host.frames()
    let port = try host.stack.udp.bind()
    let elsewhere = IPv6Address("2001:db8:9::1")!, gateway = IPv6Address("2001:db8::1")!
    try port.send(([1] as [UInt8]).span.bytes, to: SocketAddress(.v6(elsewhere), port: 9))
    let question = try #require(host.frame())
    let own = IPv6Address("2001:db8:6::2")!
    #expect(question.ipSource == .v6(own) && question.ipDestination == .v6(gateway.solicitedNode))
    #expect(Array(question.payload[8..<24]) == Packets.address(.v6(gateway)))
    host.receive(
      Packets.ipv6(
        from: gateway, to: own, number: 58,
        Packets.icmp(
          type: 136, rest: 0x6000_0000,
          Packets.address(.v6(gateway)) + [2, 1] + Packets.bytes(Host.peerLink.value, 6), from: .v6(gateway),
          to: .v6(own)),
        hopLimit: 255), type: 0x86dd)
    let datagram = try #require(host.frame())
    #expect(datagram.destination == Host.peerLink && datagram.ipDestination == .v6(elsewhere))
  }

  @Test func whichWordsAreConfiguration() {
    for word in ["ip=", "gw=1", "ip6=auto", "gw6=x", "dns=", "hostname=a"] {
      #expect(NetworkConfiguration.isWord(word))
    }
    for word in ["ip", "ipx=1", "IP=1", "=", "", "net.ip=1"] { #expect(!NetworkConfiguration.isWord(word)) }
  }
}
