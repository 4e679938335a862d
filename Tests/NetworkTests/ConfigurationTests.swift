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
    (["ip=10.0.0.2/24", "gw=10.0.1.1"], "gw=10.0.1.1: not in the network of the interface's address"),
    (["ip=10.0.0.2/24", "gw=x"], "gw=x: expected an IPv4 address"),
    (["ip6=fe80::1"], "ip6=fe80::1: expected auto, none or ADDRESS/LENGTH, such as 2001:db8::2/64"),
    (["gw6=fe80::1"], "gw6=fe80::1: needs ip6=ADDRESS/LENGTH as well"),
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

  @Test func whichWordsAreConfiguration() {
    for word in ["ip=", "gw=1", "ip6=auto", "gw6=x", "dns=", "hostname=a"] {
      #expect(NetworkConfiguration.isWord(word))
    }
    for word in ["ip", "ipx=1", "IP=1", "=", "", "net.ip=1"] { #expect(!NetworkConfiguration.isWord(word)) }
  }
}
