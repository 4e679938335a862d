import CLinux

extension NetworkLab {
  /// The machine's usual addresses, in the words that a guest takes.
  private static let usualConfiguration =
    "ip=\(machineIPv4)/24 gw=\(neighbourIPv4) dns=\(neighbourIPv4) ip6=\(machineIPv6)/64 gw6=\(neighbourIPv6)"
  /// A hosted program's link-layer address: the same each time, as a guest's is.
  private static let hostedLinkAddress = "02:6e:74:00:00:02"
  /// Where `stop` listens, by which a case ends the machine.
  private static let stopPort = 99

  /// Starts the machine, and waits until it serves.
  ///
  /// - Parameters:
  ///   - words: the services, as `net-probe` has them.
  ///   - link: what to put it on; made before, unless there is one already.
  ///   - configuration: where its addresses come from, in the words that a guest takes.
  ///   - options: for `needletail run`.
  ///   - isRequired: whether a guest ends with its network.
  mutating func startMachine(
    _ words: String, on link: NetworkLink = .direct, configuration: String? = nil, options: [String] = [],
    isRequired: Bool = false
  ) throws(Verdict) {
    if self.link == nil { try connect(link) }
    try bootMachine(
      words + " stop \(Self.stopPort)", configuration: configuration, options: options, isRequired: isRequired)
    try waitForMachine(output: "ready\n")
  }

  /// Starts the machine on the link that there is.
  ///
  /// - Parameters:
  ///   - words: what the program is to do.
  ///   - image: the program; another than `net-probe` is not there for a Linux in the machine's place.
  mutating func bootMachine(
    _ words: String, image: String = "net-probe", configuration: String? = nil, options: [String] = [],
    isRequired: Bool = false
  ) throws(Verdict) {
    machine = try makeMachine(
      words, image: image, configuration: configuration, options: options, isRequired: isRequired)
  }

  private func makeMachine(
    _ words: String, image: String, configuration: String?, options: [String], isRequired: Bool
  ) throws(Verdict) -> ChildProcess {
    let words = (configuration ?? Self.usualConfiguration).words + words.words
    switch subject {
    case .linux:
      return try start([try OwnProgram.path(), StandIn.mode] + words.filter { !$0.utf8.contains(0x3d) }, in: "machine")
    case .hosted:
      guard let directory = session.hostedDirectory else { throw .failed("no --hosted directory given") }
      // What it prints goes into a pipe, which the C library would wait to fill.
      return try start(
        ["/usr/bin/stdbuf", "-oL", "\(directory)/\(image)"] + words,
        environment: [
          "NEEDLETAIL_NET=net=tap:\(attachment?.interface ?? ""),mac=\(Self.hostedLinkAddress)",
          "SWIFT_BACKTRACE=enable=no",
        ],
        in: attachment?.namespace)
    case .guest:
      let monitor = session.monitor
      let net = attachment.map { "tap:\($0.interface)" } ?? "unix:\(socketPath)"
      return try start(
        [monitor.path, "run", "--net", "net=\(net)\(isRequired ? ",required" : "")"] + options + [monitor.image(image)]
          + words,
        in: attachment?.namespace)
    }
  }

  /// The machine's TAP device and the namespace that it is in; nil for a guest behind a wire, which has a socket.
  private var attachment: (interface: String, namespace: String?)? {
    switch link {
    case .impaired: subject == .hosted ? (Self.hostedInterface, "machine") : nil
    case .routed: ("near0", "router")
    case .direct, nil: (Self.interface, nil)
    }
  }

  /// Ends the machine, which so shows that it lives and serves still, and has nothing to complain about.
  mutating func endMachine(at address: String = machineIPv4) throws(Verdict) {
    let connection = try InternetSocket(startingTo: address, port: Self.stopPort)
    // It may be gone with the machine already.
    _ = try connection.outcome()
    try finishMachine().expect(status: 0).expect(stderr: "")
  }

  /// Waits for the machine's end.
  mutating func finishMachine() throws(Verdict) -> Run {
    guard var process = machine.take() else { throw .failed("there is no machine") }
    return try process.finish()
  }

  mutating func waitForMachine(output text: String) throws(Verdict) {
    try machine?.waitForOutput(text)
  }

  mutating func waitForMachine(errors text: String) throws(Verdict) {
    try machine?.waitForErrors(text)
  }

  mutating func signalMachine(_ number: Int32) {
    machine?.signal(number)
  }

  /// What it has printed, as far as was waited for it.
  mutating func machineOutput() -> String {
    guard let process = machine.take() else { return "" }
    let text = process.outputSoFar
    machine = consume process
    return text
  }
}

/// This program's file, for starting it in another mode.
enum OwnProgram {
  static func path() throws(Verdict) -> String {
    var path: String?
    withUnsafeTemporaryAllocation(of: CChar.self, capacity: 4096) { buffer in
      guard let start = buffer.baseAddress else { return }
      let count = readlink("/proc/self/exe", start, buffer.count - 1)
      guard count > 0 else { return }
      buffer[count] = 0
      path = String(cString: start)
    }
    guard let path else { throw Verdict(call: "readlink /proc/self/exe") }
    return path
  }
}
