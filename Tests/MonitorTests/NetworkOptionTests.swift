import Machine
import Testing
import Virtio

@testable import Monitor

/// `--net`, `--publish` and `--pcap`.
@Suite struct NetworkOptionTests {
  private func networks(_ words: [String]) throws(UsageError) -> [NetworkAttachment] {
    let command = try Command(arguments: ["needletail", "run"] + words + ["a.elf"])
    guard case .run(let options) = command else { return [] }
    return options.networks
  }

  private static let accepted: [(words: [String], networks: [NetworkAttachment])] = [
    (["--net", "net=tap:tap0"], [.init(name: "net", backend: .tap(interface: "tap0"))]),
    (
      ["--net=net=tap:tap0,mac=02:00:00:00:00:0a,mtu=9000"],
      [
        .init(
          name: "net", backend: .tap(interface: "tap0"), address: EthernetAddress("02:00:00:00:00:0a"), mtu: 9000)
      ]
    ),
    (
      ["--net", "a=fd:7", "--net", "b=fd:8"],
      [.init(name: "a", backend: .descriptor(7)), .init(name: "b", backend: .descriptor(8))]
    ),
    // Only words at the end are taken for options.
    (["--net", "n=unix:/x,mtu=1,y=z,mtu=1400"], [.init(name: "n", backend: .socket(path: "/x,mtu=1,y=z"), mtu: 1400)]),
    (["--net", "net=passt,required"], [.init(name: "net", backend: .passt(PasstOptions()), isRequired: true)]),
    (
      ["--net", "net=unix:/x,required,mtu=1400"],
      [.init(name: "net", backend: .socket(path: "/x"), mtu: 1400, isRequired: true)]
    ),
    (["--net", "net=passt"], [.init(name: "net", backend: .passt(PasstOptions()))]),
    (
      ["-p", "8080:80", "--net", "net=passt", "--publish=127.0.0.1:53:5353/udp", "-p", "net=::1:1:65535/tcp"],
      [
        .init(
          name: "net",
          backend: .passt(
            PasstOptions(forwardings: [
              .init(hostPort: 8080, guestPort: 80),
              .init(isUDP: true, hostAddress: "127.0.0.1", hostPort: 53, guestPort: 5353),
              .init(hostAddress: "::1", hostPort: 1, guestPort: 65535),
            ])))
      ]
    ),
    (
      ["--pcap", "a=b.pcap", "--net", "net=fd:3"],
      [.init(name: "net", backend: .descriptor(3), capturePath: "a=b.pcap")]
    ),
    (
      ["--net", "a=fd:3", "--net", "b=fd:4", "--pcap", "b=b=c", "--pcap=a=/x"],
      [
        .init(name: "a", backend: .descriptor(3), capturePath: "/x"),
        .init(name: "b", backend: .descriptor(4), capturePath: "b=c"),
      ]
    ),
  ]

  @Test func accepts() throws {
    for sample in Self.accepted { #expect(try networks(sample.words) == sample.networks) }
  }

  private static let refused: [(words: [String], message: String)] = [
    (["--net", "net"], "run: --net is 'net'; expected NAME=BACKEND[,mac=ADDRESS][,mtu=BYTES][,required]"),
    (["--net", "=fd:3"], "run: --net is '=fd:3'; expected NAME=BACKEND[,mac=ADDRESS][,mtu=BYTES][,required]"),
    (["--net", "n="], "run: --net is 'n='; expected tap:INTERFACE, fd:NUMBER, unix:PATH or passt behind 'n=', got ''"),
    (
      ["--net", "n=tap:"],
      "run: --net is 'n=tap:'; expected tap:INTERFACE, fd:NUMBER, unix:PATH or passt behind 'n=', got 'tap:'"
    ),
    (
      ["--net", "n=fd:-1"],
      "run: --net is 'n=fd:-1'; expected tap:INTERFACE, fd:NUMBER, unix:PATH or passt behind 'n=', got 'fd:-1'"
    ),
    (
      ["--net", "n=user"],
      "run: --net is 'n=user'; expected tap:INTERFACE, fd:NUMBER, unix:PATH or passt behind 'n=', got 'user'"
    ),
    (
      ["--net", "n=fd:3,mac=ff:ff:ff:ff:ff:ff"],
      "run: --net is 'n=fd:3,mac=ff:ff:ff:ff:ff:ff'; expected an interface's own address such as mac=02:00:00:00:00:01,"
        + " got 'mac=ff:ff:ff:ff:ff:ff'"
    ),
    (
      ["--net", "n=fd:3,mtu=67"], "run: --net is 'n=fd:3,mtu=67'; expected mtu= from 68 to 65535, got 'mtu=67'"
    ),
    (["--net", "n=fd:3", "--net", "n=fd:4"], "run: --net names 'n' twice; expected each interface once"),
    (
      ["--net", "n=passt", "-p", "80"],
      "run: --publish is '80'; expected [NAME=][ADDRESS:]PORT:GUESTPORT[/udp] with ports from 1 to 65535"
    ),
    (
      ["--net", "n=passt", "-p", "0:80"],
      "run: --publish is '0:80'; expected [NAME=][ADDRESS:]PORT:GUESTPORT[/udp] with ports from 1 to 65535"
    ),
    (
      ["--net", "n=passt", "-p", ":80:80"],
      "run: --publish is ':80:80'; expected [NAME=][ADDRESS:]PORT:GUESTPORT[/udp] with ports from 1 to 65535"
    ),
    (
      ["--net", "n=passt", "-p", "80:65536"],
      "run: --publish is '80:65536'; expected [NAME=][ADDRESS:]PORT:GUESTPORT[/udp] with ports from 1 to 65535"
    ),
    (
      ["--net", "n=fd:3", "-p", "80:80"],
      "run: --publish is '80:80'; expected one --net NAME=passt, or NAME= in front of the ports"
    ),
    (
      ["--net", "a=passt", "--net", "b=passt", "-p", "80:80"],
      "run: --publish is '80:80'; expected one --net NAME=passt, or NAME= in front of the ports"
    ),
    (["--net", "a=passt", "-p", "b=80:80"], "run: --publish is 'b=80:80'; expected a --net b=passt"),
    (["--pcap", "x"], "run: --pcap is 'x'; expected [NAME=]FILE, NAME being that of a --net"),
    (
      ["--net", "a=fd:3", "--pcap", "a="],
      "run: --pcap is 'a='; expected [NAME=]FILE, NAME being that of a --net"
    ),
    (
      ["--net", "a=fd:3", "--net", "b=fd:4", "--pcap", "x"],
      "run: --pcap is 'x'; expected [NAME=]FILE, NAME being that of a --net"
    ),
    (
      ["--net", "a=fd:3", "--pcap", "x", "--pcap", "a=y"],
      "run: --pcap names 'a' twice; expected one file for each interface"
    ),
    (["--net"], "run: option --net needs a value: NAME=BACKEND[,mac=ADDRESS][,mtu=BYTES][,required]"),
  ]

  @Test func refuses() {
    for sample in Self.refused {
      do throws(UsageError) {
        _ = try Command(arguments: ["needletail", "run"] + sample.words + (sample.words.count == 1 ? [] : ["a.elf"]))
        Issue.record("accepted: \(sample.words)")
      } catch {
        #expect(error.message == sample.message)
      }
    }
  }
}
