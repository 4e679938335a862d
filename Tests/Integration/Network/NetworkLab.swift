import CLinux

/// Who is at the far end of the link.
enum NetworkSubject: Sendable {
  /// The machine under test: the image `net-probe` in the monitor.
  case guest
  /// The same program as an ordinary process: the same stack, on a TAP device of its own.
  case hosted
  /// A second Linux, which does what `net-probe` does (`StandIn`): what fails with it is wrong in the case.
  case linux

  /// Whether the stack under test is on a TAP device.
  var hasTAP: Bool { self != .linux }

  var text: String {
    switch self {
    case .guest: "a guest"
    case .hosted: "a hosted program"
    case .linux: "the Linux in the machine's place"
    }
  }
}

/// A case about the network. It begins in a network namespace of its own, so that it finds no trace of another, and what it
/// makes is gone with it.
func networkCase(
  _ name: String, _ proves: String, for subjects: [NetworkSubject] = [.guest, .hosted, .linux],
  _ body: @escaping @Sendable (inout NetworkLab) throws(Verdict) -> Void
) -> Case {
  Case(name, proves) { session throws(Verdict) in
    guard let subject = session.networkSubject else {
      throw .skipped("it changes network interfaces, for which `make test-network` makes a namespace")
    }
    if let reason = LaneExceptions.reason(forNetworkCase: name, in: session.lane) { throw .skipped(reason) }
    guard subjects.contains(subject) else { throw .skipped("not what \(subject.text) does") }
    var lab = try NetworkLab.make(session, subject)
    do throws(Verdict) {
      try body(&lab)
    } catch {
      throw lab.machine?.explained(error) ?? error
    }
  }
}

/// The network that a case has for itself: this program's namespace, in which it is the machine's neighbour, and what to
/// build with there.
struct NetworkLab: ~Copyable {
  let session: Session
  let subject: NetworkSubject
  var directory: TemporaryDirectory
  /// The link to the machine, once there is one (`NetworkLink.swift`).
  var link: NetworkLink?
  /// The machine, once it was started (`NetworkMachine.swift`).
  var machine: ChildProcess?
  /// The process that is the link, if one is.
  var wire: ChildProcess?
  private var namespaces: [String] = []

  private init(_ session: Session, _ subject: NetworkSubject, _ directory: consuming TemporaryDirectory) {
    self.session = session
    self.subject = subject
    self.directory = directory
  }

  /// Enters a new namespace. The one before goes when the last process in it has ended.
  static func make(_ session: Session, _ subject: NetworkSubject) throws(Verdict) -> NetworkLab {
    guard unshare(Int32(LINUX_CLONE_NEWNET)) == 0 else { throw Verdict(call: "unshare") }
    let lab = NetworkLab(session, subject, try TemporaryDirectory())
    try lab.ip("link set lo up")
    return lab
  }

  deinit {
    for name in namespaces { _ = try? tool("ip", ["netns", "delete", name]) }
  }

  /// Makes another namespace.
  mutating func makeNamespace(_ name: String) throws(Verdict) {
    try ip("netns add \(name)")
    namespaces.append(name)
    try ip("-n \(name) link set lo up")
  }

  /// `ip` with these words.
  func ip(_ words: String) throws(Verdict) {
    try tool("ip", words.words).expect(status: 0)
  }

  /// Runs a tool to its end, in this namespace or another.
  @discardableResult
  func tool(_ name: String, _ arguments: [String], in namespace: String? = nil) throws(Verdict) -> Run {
    var process = try start(name, arguments, in: namespace)
    return try process.finish()
  }

  /// Starts a tool.
  func start(_ name: String, _ arguments: [String], in namespace: String? = nil) throws(Verdict) -> ChildProcess {
    try start([try Self.path(of: name)] + arguments, in: namespace)
  }

  /// Starts a program.
  func start(
    _ command: [String], environment: [String] = [], in namespace: String?
  ) throws(Verdict) -> ChildProcess {
    var prefix: [String] = []
    if let namespace { prefix = [try Self.path(of: "ip"), "netns", "exec", namespace] }
    return try ChildProcess(
      prefix + command, environment: ["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C"] + environment,
      watchdogSeconds: session.monitor.watchdogSeconds)
  }

  /// Sets a knob of /proc/sys/net, which are each namespace's own.
  func set(_ knob: String, to value: String, in namespace: String? = nil) throws(Verdict) {
    try tool("sh", ["-c", "echo \(value) >/proc/sys/net/\(knob)"], in: namespace).expect(status: 0)
  }

  private static func path(of tool: String) throws(Verdict) -> String {
    for directory in ["/usr/sbin", "/usr/bin", "/sbin", "/bin"] {
      let path = "\(directory)/\(tool)"
      if access(path, X_OK) == 0 { return path }
    }
    throw .failed("\(tool): not installed; make deps")
  }
}

extension Verdict {
  /// A system call failed, with `errno` saying why.
  init(call: String) {
    self = .failed("\(call): \(String(cString: strerror(linux_errno())))")
  }
}
