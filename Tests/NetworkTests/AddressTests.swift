import Testing

@testable import Network

@Suite struct AddressTests {
  @Test(arguments: [
    ("0.0.0.0", 0), ("10.0.0.2", 0x0a00_0002), ("255.255.255.255", UInt32.max), ("192.168.1.10", 0xc0a8_010a),
  ]) func ipv4(text: String, value: UInt32) {
    #expect(IPv4Address(text)?.value == value)
    #expect(IPv4Address(value).description == text)
  }

  @Test(arguments: [
    "", "1", "1.2.3", "1.2.3.4.5", "256.0.0.1", "1.2.3.04", "1.2.3.4 ", " 1.2.3.4", "1..3.4", "1.2.3.", "0x1.2.3.4",
    "1.2.3.-4", "1000.2.3.4", "1.2.3.4/24",
  ]) func notIPv4(text: String) {
    #expect(IPv4Address(text) == nil)
  }

  /// The examples of RFC 5952, 4, and its counterexamples as other ways to write the same.
  @Test(arguments: [
    ("2001:db8::1", ["2001:0db8:0:0:0:0:0:1", "2001:db8:0:0::1", "2001:DB8::0:1"]),
    ("2001:db8:0:1:1:1:1:1", ["2001:db8::1:1:1:1:1"]), ("2001:0:0:1::1", ["2001:0:0:1:0:0:0:1"]),
    ("2001:db8::1:0:0:1", ["2001:db8:0:0:1:0:0:1"]), ("::", ["0:0:0:0:0:0:0:0", "0::0"]), ("::1", ["0::1"]),
    ("fe80::", ["fe80:0::"]), ("1:2:3:4:5:6:7:8", ["0001:2:3:4:5:6:0.7.0.8"]),
    ("::ffff:192.0.2.1", ["::ffff:c000:201"]), ("1:0:3:4:5:6:7:8", ["1::3:4:5:6:7:8"]),
    ("1:2:3:4:5:6:7:0", ["1:2:3:4:5:6:7::"]), ("::2:3:4:5:6:7:8", []), ("ff02::1:ff00:1", []),
  ]) func ipv6(text: String, others: [String]) throws {
    let address = try #require(IPv6Address(text))
    if text != "::2:3:4:5:6:7:8" { #expect(address.description == text) }
    for other in others { #expect(IPv6Address(other) == address, "\(other)") }
    #expect(IPv6Address(address.description) == address)
  }

  @Test(arguments: [
    "", ":", ":::", "1", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1::2::3", "12345::", "g::", ":1::", "1::2:",
    "fe80::1%eth0",
    "::1.2.3", "1.2.3.4", "1:2:3:4:5:6:7:1.2.3.4", "1:2:3:4:5:6:7::8", "::1.2.3.4:5",
  ]) func notIPv6(text: String) {
    #expect(IPv6Address(text) == nil)
  }

  @Test func macAddresses() {
    #expect(MACAddress("02:00:00:00:0a:ff")?.value == 0x0200_0000_0aff)
    #expect(MACAddress(0x0200_0000_0aff).description == "02:00:00:00:0a:ff")
    for text in [
      "", "02:00:00:00:00", "02:00:00:00:00:0", "02-00-00-00-00-00", "02:00:00:00:00:00:", "0g:00:00:00:00:00",
    ] {
      #expect(MACAddress(text) == nil, "\(text)")
    }
  }

  @Test func socketAddresses() {
    #expect(SocketAddress(.v4(IPv4Address(10, 0, 0, 1)), port: 80).description == "10.0.0.1:80")
    #expect(SocketAddress(.v6(IPv6Address(high: 0, low: 1)), port: 80).description == "[::1]:80")
  }

  @Test func ipv4Prefixes() {
    let prefix = IPv4Prefix(IPv4Address(10, 1, 2, 3), length: 24)
    #expect(prefix.description == "10.1.2.0/24")
    #expect(prefix.contains(IPv4Address(10, 1, 2, 255)))
    #expect(!prefix.contains(IPv4Address(10, 1, 3, 0)))
    #expect(prefix.broadcast == IPv4Address(10, 1, 2, 255))
    #expect(IPv4Prefix(.any, length: 0).contains(.broadcast))
    #expect(IPv4Prefix(IPv4Address(10, 0, 0, 1), length: 31).broadcast == nil)
    #expect(IPv4Prefix(IPv4Address(10, 0, 0, 1), mask: IPv4Address(255, 255, 240, 0))?.length == 20)
    #expect(IPv4Prefix(IPv4Address(10, 0, 0, 1), mask: .broadcast)?.length == 32)
    #expect(IPv4Prefix(IPv4Address(10, 0, 0, 1), mask: .any)?.length == 0)
    #expect(IPv4Prefix(IPv4Address(10, 0, 0, 1), mask: IPv4Address(255, 0, 255, 0)) == nil)
    #expect(IPv4Prefix(IPv4Address(10, 0, 0, 1), mask: IPv4Address(0, 255, 255, 255)) == nil)
  }

  @Test func ipv6Prefixes() throws {
    let address = try #require(IPv6Address("2001:db8:1:2:3:4:5:6"))
    #expect(IPv6Prefix(address, length: 64).description == "2001:db8:1:2::/64")
    #expect(IPv6Prefix(address, length: 0).description == "::/0")
    #expect(IPv6Prefix(address, length: 128).network == address)
    #expect(IPv6Prefix(address, length: 127).network.low & 1 == 0)
    #expect(IPv6Prefix(address, length: 33).description == "2001:db8::/33")
    #expect(IPv6Prefix(address, length: 64).contains(IPv6Address(high: address.high, low: 0)))
    #expect(!IPv6Prefix(address, length: 65).contains(IPv6Address(high: address.high, low: .max)))
  }

  @Test func classes() throws {
    for text in ["0.0.0.0", "0.1.2.3", "127.0.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255"] {
      #expect(try #require(IPv4Address(text)).isUnicast == false, "\(text)")
    }
    #expect(IPv4Address(169, 254, 0, 1).isLinkLocal && IPv4Address(169, 254, 0, 1).isUnicast)
    for text in ["::", "::1", "ff02::1", "::ffff:10.0.0.1"] {
      #expect(try #require(IPv6Address(text)).isUnicast == false, "\(text)")
    }
    let address = try #require(IPv6Address("fe80::1:2:3456:789a"))
    #expect(address.isLinkLocal && address.isUnicast)
    #expect(address.solicitedNode.description == "ff02::1:ff56:789a")
    #expect(MACAddress(multicast: address.solicitedNode).description == "33:33:ff:56:78:9a")
  }
}
