/// One thing to prove.
struct Case: Sendable {
  /// Unique; what the command line selects it by.
  let name: String
  /// What holds if it passes.
  let proves: String
  /// Whether it boots anything.
  let needsKVM: Bool
  /// Returns if that holds.
  let body: @Sendable (Session) throws(Verdict) -> Void

  init(
    _ name: String, _ proves: String, needsKVM: Bool = true,
    _ body: @escaping @Sendable (Session) throws(Verdict) -> Void
  ) {
    self.name = name
    self.proves = proves
    self.needsKVM = needsKVM
    self.body = body
  }

  /// Runs it, unless it cannot hold where we are.
  ///
  /// - Returns: nil if it passed.
  func run(_ session: Session) -> Verdict? {
    if let reason = LaneExceptions.reason(for: name, in: session.lane) { return .skipped(reason) }
    do throws(Verdict) {
      try body(session)
      return nil
    } catch {
      return error
    }
  }
}

/// How a case ended that did not pass.
enum Verdict: Error {
  /// What was expected, what came instead, and what was captured.
  case failed(String)
  /// What is missing here that it needs.
  case skipped(String)

  var text: String {
    switch self {
    case .failed(let explanation): explanation
    case .skipped(let reason): reason
    }
  }
}

/// What the cases are run with.
struct Session: Sendable {
  let monitor: Monitor
  let lane: Lane
  let hostedDirectory: String?
  /// QEMU, to boot images without a monitor.
  let emulator: String?
  /// Who the cases about the network are run against; nil outside of a namespace for them.
  let networkSubject: NetworkSubject?

  init(_ options: Options) {
    monitor = Monitor(
      path: options.monitor, imageDirectory: options.images, watchdogSeconds: options.lane.watchdogSeconds)
    lane = options.lane
    hostedDirectory = options.hosted
    emulator = options.emulator
    networkSubject = options.networkSubject
  }
}

/// Cases about one subject.
struct Topic: Sendable {
  /// What `--topic` selects it by.
  let name: String
  let cases: [Case]

  /// All of them, in the order in which they run: what everything else stands on comes first.
  static let all = [
    Topic(name: "output", cases: outputCases()),
    Topic(name: "exit", cases: exitCases()),
    Topic(name: "placement", cases: placementCases()),
    Topic(name: "crash", cases: crashCases()),
    Topic(name: "protection", cases: protectionCases()),
    Topic(name: "processor", cases: processorCases()),
    Topic(name: "clock", cases: clockCases()),
    Topic(name: "tasks", cases: taskCases()),
    Topic(name: "memory", cases: memoryCases()),
    Topic(name: "random", cases: randomCases()),
    Topic(name: "signals", cases: signalCases()),
    Topic(name: "block", cases: blockCases() + blockAttachmentCases() + blockTroubleCases()),
    Topic(name: "network", cases: networkAttachmentCases() + networkPeerCases()),
    Topic(name: "console", cases: consoleCases()),
    Topic(name: "entropy", cases: entropyCases()),
    Topic(name: "key-value", cases: keyValueCases()),
    Topic(name: "hostile-devices", cases: hostileDeviceCases()),
    Topic(name: "terminal", cases: terminalCases()),
    Topic(name: "many-machines", cases: manyMachineCases()),
    Topic(name: "idle", cases: idleCases()),
    Topic(name: "bad-image", cases: badImageCases()),
    Topic(name: "bad-usage", cases: badUsageCases()),
    Topic(name: "commands", cases: commandCases()),
    Topic(name: "hosted", cases: hostedCases()),
    Topic(name: "microvm", cases: microVMCases()),
    Topic(name: "network-echo", cases: networkEchoCases()),
    Topic(name: "network-tcp", cases: networkStreamCases()),
    Topic(name: "network-udp", cases: networkDatagramCases()),
    Topic(name: "network-impaired", cases: networkImpairedCases()),
    Topic(name: "network-path", cases: networkPathCases()),
    Topic(name: "network-scan", cases: networkScanCases()),
    Topic(name: "network-names", cases: networkNameCases()),
    Topic(name: "network-name-servers", cases: networkNameServerCases()),
    Topic(name: "network-routes", cases: networkRouteCases()),
    Topic(name: "network-http", cases: networkHTTPCases()),
    Topic(name: "network-passt", cases: networkPasstCases()),
    Topic(name: "network-trouble", cases: networkTroubleCases()),
  ]
}
