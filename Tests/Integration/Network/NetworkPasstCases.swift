import CLinux

/// The way for which nobody needs to be root.
func networkPasstCases() -> [Case] {
  [
    networkCase("network-passt", "an ordinary user's machine serves a port of the host's, by passt", for: [.guest]) {
      lab throws(Verdict) in
      try lab.makePasstUplink()
      try lab.startPasstMachine("echo 7", publishing: ["127.0.0.1:8007:7"])
      try expectEcho(at: "127.0.0.1", port: 8007)
      var exchange = try EchoExchange(count: 8, byteCount: 500_000, address: "127.0.0.1", port: 8007)
      try exchange.run()
      try lab.endPasstMachine()
    },
    networkCase(
      "network-passt-bulk", "30 MB each way and back through passt arrive as they were, and no timeout is ours",
      for: [.guest]
    ) { lab throws(Verdict) in
      try lab.makePasstUplink()
      try lab.startPasstMachine(
        "echo 7 sink 9 source 19 30000000 stats 11",
        publishing: ["8007:7", "8009:9", "8019:19", "8011:11"])
      let address = NetworkLab.passtAddress
      var exchange = try EchoExchange(count: 1, byteCount: 30_000_000, address: address, port: 8007)
      try exchange.run()
      try sendBulk(to: address, port: 8009, byteCount: 30_000_000)
      let connection = try InternetSocket.connected(to: address, port: 8019)
      // passt acknowledges the machine's SYN with what comes first from its client.
      connection.finishWriting()
      try expectStream(from: connection, byteCount: 30_000_000)
      let count = try lab.counter("retransmissionTimeouts", at: address, port: 8011)
      guard count == 0 else { throw .failed("expected no timeouts; got \(count)") }
      try lab.endPasstMachine()
    },
    networkCase(
      "network-passt-repeats", "what passt repeats, the machine has asked for: nothing waits for passt's two seconds",
      for: [.guest]
    ) { lab throws(Verdict) in
      try lab.makePasstUplink()
      let capture = lab.directory.newPath("capture")
      try lab.startPasstMachine(
        "echo 7 sink 9", publishing: ["8007:7", "8009:9"], isForThisUser: true, options: ["--pcap", capture])
      let address = NetworkLab.passtAddress
      for _ in 0..<3 {
        var exchange = try EchoExchange(count: 1, byteCount: 1_000_000, address: address, port: 8007)
        try exchange.run()
        try sendBulk(to: address, port: 8009, byteCount: 3_000_000)
      }
      try lab.endPasstMachine()
      var repeats = PasstRepeats()
      let lines = try lab.tool("tcpdump", ["-nr", capture, "tcp"]).expect(status: 0).stdout.lines
      for line in lines { repeats.take(line.words) }
      guard repeats.segmentCount > 200 else { throw .failed("expected segments; tcpdump has \(repeats.segmentCount)") }
      guard repeats.unasked.isEmpty else { throw .failed("repeated without being asked: \(repeats.unasked[0])") }
    },
    networkCase(
      "network-passt-again", "a machine that was stopped has given its published port back when it ends", for: [.guest]
    ) { lab throws(Verdict) in
      try lab.makePasstUplink()
      for _ in 0..<10 {
        try lab.startPasstMachine("echo 7", publishing: ["8007:7"])
        lab.signalMachine(SIGTERM)
        try lab.finishMachine().expect(status: 128 + SIGTERM).expect(stderr: "")
      }
    },
    networkCase(
      "network-passt-taken", "a port that somebody has, for one family of addresses alone, is refused by its number",
      for: [.guest]
    ) { lab throws(Verdict) in
      try lab.makePasstUplink()
      for address in [NetworkLab.passtAddress, "127.0.0.1", "::1"] {
        let other = try InternetSocket.bound(.stream, to: address, port: 8007)
        try other.listen()
        // Another port that is free does not help.
        try lab.bootPasstMachine("echo 7", publishing: ["8008:8", "8007:7"])
        try lab.finishMachine().expect(status: 125).expect(stdout: "").expect(
          stderr:
            "needletail: network 'net': port 8007/tcp of the host: Address in use; expected one that this user may listen"
            + " on and nobody does\n")
      }
    },
    networkCase(
      "network-passt-static", "a machine with a fixed address that never spoke answers passt's first SYN, sent to all",
      for: [.guest]
    ) { lab throws(Verdict) in
      try lab.makePasstUplink()
      // passt listens before the machine runs, and sends its SYN once.
      try lab.bootPasstMachine(
        "echo 7", configuration: "ip=\(NetworkLab.passtAddress)/24 gw=\(NetworkLab.passtGateway) ip6=none",
        publishing: ["127.0.0.1:8007:7"])
      let connection = try lab.connectWhenListening(port: 8007)
      try connection.send("hello")
      guard try connection.receive(exactly: 5) == Array("hello".utf8) else { throw .failed("expected 'hello' back") }
      try lab.waitForMachine(output: "ready\n")
      try lab.endPasstMachine()
    },
  ]
}

extension NetworkLab {
  /// The address that passt gives the machine, which is the host's own, and the router there.
  static let passtAddress = "192.0.2.2", passtGateway = "192.0.2.1"
  /// Where `stop` is published.
  private static let publishedStopPort = 8099

  /// Makes the interface with the default route, whose addresses passt takes.
  fileprivate func makePasstUplink() throws(Verdict) {
    try ip("link add up0 type veth peer name up1")
    try ip("link set up1 up")
    try ip("addr add \(Self.passtAddress)/24 dev up0")
    try ip("link set up0 up")
    try ip("route add default via \(Self.passtGateway)")
  }

  /// Starts a machine behind passt, by a user without any rights if that can be.
  ///
  /// - Parameter isForThisUser: this program's own user starts it, who can write to its folder.
  fileprivate mutating func bootPasstMachine(
    _ words: String, configuration: String? = nil, publishing ports: [String], isForThisUser: Bool = false,
    options: [String] = []
  ) throws(Verdict) {
    let monitor = session.monitor
    var command = [monitor.path, "run", "--net", "net=passt"] + options
    for port in ports + ["127.0.0.1:\(Self.publishedStopPort):99"] { command += ["--publish", port] }
    command += [monitor.image("net-probe")] + (configuration ?? "").words + (words + " stop 99").words
    if Unprivileged.isPossible, !isForThisUser { command = [try OwnProgram.path(), Unprivileged.mode] + command }
    machine = try start(command, in: nil)
  }

  fileprivate mutating func startPasstMachine(
    _ words: String, publishing ports: [String], isForThisUser: Bool = false, options: [String] = []
  ) throws(Verdict) {
    try bootPasstMachine(words, publishing: ports, isForThisUser: isForThisUser, options: options)
    try waitForMachine(output: "ready\n")
  }

  fileprivate mutating func endPasstMachine() throws(Verdict) {
    _ = try InternetSocket(startingTo: "127.0.0.1", port: Self.publishedStopPort).outcome()
    try finishMachine().expect(status: 0).expect(stderr: "")
  }

  /// The first connection that somebody takes.
  fileprivate func connectWhenListening(port: Int) throws(Verdict) -> InternetSocket {
    let end = MonotonicTime.nanoseconds() + UInt64(session.lane.watchdogSeconds) * 1_000_000_000
    while MonotonicTime.nanoseconds() < end {
      let connection = try InternetSocket(startingTo: "127.0.0.1", port: port)
      if try connection.outcome() == 0 { return connection }
      sched_yield()
    }
    throw .failed("expected that port \(port) is listened on; it is not")
  }

  /// What the machine's `stats` says of a counter.
  fileprivate func counter(_ name: String, at address: String, port: Int) throws(Verdict) -> Int {
    let connection = try InternetSocket.connected(to: address, port: port)
    connection.finishWriting()
    let text = String(decoding: try connection.receiveToEnd(), as: UTF8.self)
    for line in text.lines where line.hasPrefix(name + " ") {
      if let count = Int(line.words.last ?? "") { return count }
    }
    throw .failed("expected a line '\(name) NUMBER'; got '\(text)'")
  }
}
