import Network
import Testing

@testable import GuestKernel
@testable import Sockets

/// Whose the arguments are.
@Suite struct NetworkArgumentsTests {
  private static func fixed(_ last: UInt8) -> NetworkConfiguration.IPv4 {
    .fixed(IPv4Address(10, 0, 0, last), prefixLength: 24, gateway: nil)
  }

  @Test func wordsAreTakenOut() throws {
    let arguments = NetworkArguments(
      ["image", "8080", "ip=10.0.0.2/24", "dns=10.0.0.1", "ipx=1", "--ip=1"], interfaces: ["net"])
    #expect(arguments.others == ["image", "8080", "ipx=1", "--ip=1"])
    let configuration = try arguments.configuration(of: "net")
    #expect(configuration.ipv4 == Self.fixed(2))
    #expect(configuration.nameServers == [.v4(IPv4Address(10, 0, 0, 1))])
  }

  @Test func interfacesHaveWordsOfTheirOwn() throws {
    let arguments = NetworkArguments(
      ["image", "front.ip=10.0.0.2/24", "ip=none", "back.ip6=none", "other.ip=none"],
      interfaces: ["front", "back", "third"])
    #expect(arguments.others == ["image", "other.ip=none"])
    #expect(try arguments.configuration(of: "front").ipv4 == Self.fixed(2))
    // Its own words are all that counts for it.
    #expect(try arguments.configuration(of: "back") == NetworkConfiguration(ipv4: .dhcp, ipv6: .none))
    #expect(try arguments.configuration(of: "third").ipv4 == .none)
  }

  @Test func withoutAnInterfaceNothingIsAWord() {
    #expect(NetworkArguments(["ip=10.0.0.2/24"], interfaces: []).others == ["ip=10.0.0.2/24"])
  }

  @Test func badWords() {
    #expect(throws: NetworkConfigurationError.self) {
      try NetworkArguments(["ip=10.0.0.2"], interfaces: ["net"]).configuration(of: "net")
    }
  }

  @Test func hostedInterfaces() {
    #expect(
      TAPDeclaration.parse("net=tap:tap0;back=tap:tap1,mac=02:00:00:00:00:07").map { [$0.name, $0.interface] }
        == [["net", "tap0"], ["back", "tap1"]])
    #expect(TAPDeclaration.parse("net=tap:tap1,mac=02:00:00:00:00:07").first?.address == MACAddress(0x0200_0000_0007))
    for text in ["", "net", "net=tap0", "net=tap:t,mac=1", "net=tap:t,mtu=1"] {
      #expect(TAPDeclaration.parse(text).isEmpty, "\(text)")
    }
  }
}
