import BenchmarkSupport
import CLinux

/// A namespace as passt's and pasta's users have their machine: with an address that leads to others, and a default route.
///
///     this namespace   10.7.3.1 nt3 ── veth ─ up0 10.7.3.2, in "host", where passt and pasta are
///                                             guests, and Linux in "behind", have that address too
///
/// The client is elsewhere because pasta takes a short cut, splice(2), for what its own machine sends.
struct PasstHost {
  static let address = "10.7.3.2"
  private static let name = "host"
  /// passt becomes an ordinary user, who makes a socket here. (`Tests/Network/namespace` has a /run of its own.)
  private static let socketDirectory = "/run/passt"
  private let lab: Lab
  private let pasta: Server

  init(_ lab: Lab) throws(BenchmarkError) {
    self.lab = lab
    for namespace in [Self.name, SetUp.pasta.namespace] {
      try Lab.ip("netns add \(namespace)")
      try Lab.ip("-n \(namespace) link set lo up")
    }
    try Lab.ip("link add nt3 type veth peer name up0 netns \(Self.name)")
    try Lab.ip("addr add 10.7.3.1/24 dev nt3")
    try Lab.ip("link set nt3 up")
    try Lab.ip("-n \(Self.name) addr add \(Self.address)/24 dev up0")
    try Lab.ip("-n \(Self.name) link set up0 up")
    try Lab.ip("-n \(Self.name) route add default via 10.7.3.1")
    guard mkdir(Self.socketDirectory, 0o777) == 0, chmod(Self.socketDirectory, 0o777) == 0 else {
      throw BenchmarkError(call: "mkdir \(Self.socketDirectory)")
    }
    // As the monitor starts passt. Nothing is led out of the namespace.
    let published = Self.published(SetUp.pasta, [Peer.Service.echo, .discard, .fill].map { $0.port } + [Nginx.port])
    pasta = try Server(
      "pasta",
      Lab.inside(
        Self.name,
        [
          "/usr/bin/pasta", "--foreground", "--quiet", "--runas", "0", "--config-net", "--netns",
          "/run/netns/\(SetUp.pasta.namespace)", "--mtu", "65520", "--no-map-gw", "--tcp-ports",
          published.joined(separator: ","),
          "--udp-ports", "none", "--tcp-ns", "none", "--udp-ns", "none",
        ]))
  }

  func stop() { pasta.stop() }

  /// Starts an image whose servers have these ports.
  func start(
    _ setUp: SetUp, _ image: String, _ words: [String], ports: [Int], until text: String
  ) throws(BenchmarkError) -> Server {
    let published = Self.published(setUp, ports)
    let command: [String]
    switch setUp {
    case .tap: command = lab.guestCommand(image, words)
    case .passt:
      command = monitorCommand(["net=passt"] + published.flatMap { ["--publish", $0] }, image, words)
    case .socket:
      let path = try startPasst(published, ["--mtu", "65520"])
      command = monitorCommand(["net=unix:\(path),mtu=65520"], image, words)
    case .shortSocket: command = monitorCommand(["net=unix:\(try startPasst(published, []))"], image, words)
    case .veth, .pasta: throw BenchmarkError("\(setUp.name) has no guest")
    }
    return try Server("\(image) by \(setUp.name)", command, until: text)
  }

  private func monitorCommand(_ network: [String], _ image: String, _ words: [String]) -> [String] {
    Lab.inside(
      Self.name,
      ["\(lab.options.products)/needletail", "run", "--net"] + network + ["\(lab.options.products)/\(image).elf"]
        + words)
  }

  /// Starts passt as a user does, with a socket to listen at, which is returned. It is in the background when it is ready, and
  /// ends with the machine.
  private func startPasst(_ published: [String], _ options: [String]) throws(BenchmarkError) -> String {
    let path = "\(Self.socketDirectory)/\(published[0])"
    let streams = try Streams()
    let run = try Program(
      "passt",
      Lab.inside(
        Self.name,
        [
          "/usr/bin/passt", "--quiet", "--one-off", "--no-map-gw", "--socket", path, "--tcp-ports",
          published.joined(separator: ","),
        ]
          + options)
    ).run(streams)
    guard run.status == 0 else {
      throw BenchmarkError("passt: " + String(decoding: streams.takeErrors(), as: UTF8.self))
    }
    return path
  }

  /// "11007:7" and so on.
  private static func published(_ setUp: SetUp, _ ports: [Int]) -> [String] {
    ports.map { "\(setUp.port($0)):\($0)" }
  }
}
