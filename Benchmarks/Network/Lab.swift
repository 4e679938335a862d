import BenchmarkSupport
import CLinux

/// The interfaces, and how to start what is on the other side of each.
///
///     this namespace   10.7.0.1 nt0 ── TAP ── guest       10.7.0.2
///                      10.7.1.1 nt1 ── TAP ── hosted      10.7.1.2
///                      10.7.2.1 nt2 ── veth ─ Linux       10.7.2.2, in the namespace "peer"
struct Lab {
  enum Side: CaseIterable {
    case guest, hosted, linux

    var number: Int {
      switch self {
      case .guest: 0
      case .hosted: 1
      case .linux: 2
      }
    }

    var address: String { "10.7.\(number).2" }
    var interface: String { "nt\(number)" }
  }

  let options: Options
  /// The guest's link-layer address, so that this side need not ask for it.
  static let guestLinkAddress = "02:6e:74:00:00:02"

  init(_ options: Options) throws(BenchmarkError) {
    self.options = options
    try Self.ip("link set lo up")
    for side in [Side.guest, .hosted] { try Self.ip("tuntap add dev \(side.interface) mode tap vnet_hdr") }
    try Self.ip("netns add peer")
    try Self.ip("link add \(Side.linux.interface) type veth peer name eth0 netns peer")
    for side in Side.allCases {
      try Self.ip("addr add 10.7.\(side.number).1/24 dev \(side.interface)")
      try Self.ip("link set \(side.interface) up")
    }
    try Self.ip("-n peer link set lo up")
    try Self.ip("-n peer addr add \(Side.linux.address)/24 dev eth0")
    try Self.ip("-n peer link set eth0 up")
  }

  static func ip(_ words: String) throws(BenchmarkError) {
    let streams = try Streams()
    let run = try Program("ip", ["/usr/sbin/ip"] + words.split(separator: " ").map { String($0) }).run(streams)
    guard run.status == 0 else {
      throw BenchmarkError("ip \(words): " + String(decoding: streams.takeErrors(), as: UTF8.self))
    }
  }

  /// The command that runs an image on nt0.
  func guestCommand(_ image: String, _ words: [String], options more: [String] = []) -> [String] {
    [
      "\(options.products)/needletail", "run", "--net",
      "net=tap:\(Side.guest.interface),mac=\(Self.guestLinkAddress)",
    ] + more + ["\(options.products)/\(image).elf", "ip=\(Side.guest.address)/24", "ip6=none"] + words
  }

  /// Starts `net-probe` in a guest.
  func startProbe(_ words: String, options more: [String] = []) throws(BenchmarkError) -> Server {
    try Server(
      "net-probe", guestCommand("net-probe", words.split(separator: " ").map { String($0) }, options: more),
      until: "ready\n")
  }

  /// Starts the example `http` in a guest.
  func startHTTP(options more: [String] = []) throws(BenchmarkError) -> Server {
    try Server("http", guestCommand("http", [], options: more), until: "serving on")
  }

  /// Starts the example `http` as a process, if it was built.
  func startHostedHTTP() throws(BenchmarkError) -> Server? {
    guard let program = options.hosted else { return nil }
    return try Server(
      "hosted http",
      [
        "/usr/bin/env", "NEEDLETAIL_NET=net=tap:\(Side.hosted.interface)", "/usr/bin/stdbuf", "-oL", program,
        "ip=\(Side.hosted.address)/24",
        "ip6=none",
      ], until: "serving on")
  }

  /// Starts a service of Linux's in a namespace.
  func startPeer(_ service: Peer.Service, in namespace: String = "peer") throws(BenchmarkError) -> Server {
    try Server(
      "peer",
      Self.inside(namespace, ["\(options.products)/network-benchmark", "--be-peer", service.rawValue]),
      until: "ready\n")
  }

  /// A command that runs another in a namespace.
  static func inside(_ namespace: String, _ command: [String]) -> [String] {
    ["/usr/sbin/ip", "netns", "exec", namespace] + command
  }

  /// What `net-probe`'s `stats` says, by name.
  static func probeStatistics() throws(BenchmarkError) -> ProbeStatistics {
    let connection = try Stream.connected(to: Side.guest.address, port: 98)
    return ProbeStatistics(text: try connection.receiveToEnd())
  }

  /// What the example `http` says of itself, by name.
  static func httpStatistics() throws(BenchmarkError) -> ProbeStatistics {
    let connection = try Stream.connected(to: Side.guest.address, port: 8080)
    try connection.send("GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    return ProbeStatistics(text: try connection.receiveToEnd())
  }

  /// Ends a `net-probe` that has `stop 99`.
  static func stopProbe(_ server: Server) throws(BenchmarkError) {
    // The machine may be gone before it has agreed.
    let descriptor = try Stream.openSocket()
    let end = try InternetEnd(Side.guest.address, 99)
    _ = end.use { connect(descriptor, $0, $1) }
    try server.finish()
    close(descriptor)
  }
}

/// Lines of a name and a number.
struct ProbeStatistics {
  private var values: [(name: String, value: Int)] = []

  init(text: String) {
    for line in text.utf8.split(separator: 0x0a) {
      let words = line.split(separator: 0x20).map { String(decoding: $0, as: UTF8.self) }
      if words.count == 2, let value = Int(words[1]) { values.append((words[0], value)) }
    }
  }

  func value(_ name: String) throws(BenchmarkError) -> Int {
    for (other, value) in values where other == name { return value }
    throw BenchmarkError("the statistics have no '\(name)'")
  }
}
