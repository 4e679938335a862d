import BenchmarkSupport
import CLinux

/// Ten thousand connections to a machine with 128 MiB, all open and idle.
struct IdleConnections {
  enum Kind: CaseIterable {
    /// With `net-probe`, which holds as little for each as there can be. Nothing was sent on them.
    case unused
    /// With the example `http`, and each was used for a request.
    case http

    var name: String {
      switch self {
      case .unused: "TCP"
      case .http: "HTTP"
      }
    }

    fileprivate var port: Int {
      switch self {
      case .unused: 21
      case .http: 8080
      }
    }

    fileprivate func start(_ lab: Lab) throws(BenchmarkError) -> Server {
      switch self {
      case .unused: try lab.startProbe("hold 21 stats 98 stop 99", options: ["--memory", "128M"])
      case .http: try lab.startHTTP(options: ["--memory", "128M"])
      }
    }

    /// Bytes in use on the guest's heap.
    fileprivate func heap() throws(BenchmarkError) -> Int {
      switch self {
      case .unused: try Lab.probeStatistics().value("heap")
      case .http: try Lab.httpStatistics().value("needletail_heap_used_bytes")
      }
    }

    /// Whether a connection answers.
    fileprivate func answers(on descriptor: Int32) -> Bool {
      let (question, end): (StaticString, StaticString) =
        switch self {
        case .unused: ("7", "7")
        case .http: ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", "Hello, world!\n")
        }
      let isSent = question.withUTF8Buffer {
        send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) == $0.count
      }
      guard isSent else { return false }
      var answer: [UInt8] = []
      var bytes = [UInt8](repeating: 0, count: 1024)
      while !end.withUTF8Buffer({ answer.suffix($0.count).elementsEqual($0) }) {
        let count = recv(descriptor, &bytes, bytes.count, 0)
        guard count > 0 else { return false }
        answer += bytes[..<count]
      }
      return true
    }
  }

  let kind: Kind
  let wanted = 10_000
  private(set) var answering = 0
  /// Bytes in use on the guest's heap, without them and with them.
  private(set) var heapBefore = 0
  private(set) var heapAfter = 0
  /// Bytes that the whole process has resident, without them and with them.
  private(set) var residentBefore = 0
  private(set) var residentAfter = 0

  init(_ kind: Kind, _ lab: Lab) throws(BenchmarkError) {
    self.kind = kind
    let server = try kind.start(lab)
    heapBefore = try kind.heap()
    residentBefore = try residentBytes(of: server.identifier)
    var connections: [Int32] = []
    defer { for connection in connections { close(connection) } }
    let end = try InternetEnd(Lab.Side.guest.address, kind.port)
    for number in 0..<wanted {
      let descriptor = try Stream.openSocket()
      connections.append(descriptor)
      guard end.use({ connect(descriptor, $0, $1) }) == 0 else { throw BenchmarkError(call: "connection \(number)") }
      guard kind != .http || kind.answers(on: descriptor) else {
        throw BenchmarkError("\(kind.name) connection \(number) is not answered")
      }
    }
    heapAfter = try kind.heap()
    residentAfter = try residentBytes(of: server.identifier)
    for descriptor in connections where kind.answers(on: descriptor) { answering += 1 }
    server.stop()
  }
}

/// A thousand short connections in a second, each with one byte and closed by the machine first, so that its side has the
/// TIME-WAIT state.
struct ShortConnections {
  let seconds: Int
  static let rate = 1000
  private(set) var made = 0
  private(set) var failed = 0
  /// How long each took, in nanoseconds.
  private(set) var times: [Int] = []
  /// After each second.
  private(set) var heap: [Int] = []
  private(set) var timeWait: [Int] = []
  private(set) var connections: [Int] = []
  private(set) var descriptorsBefore = 0
  private(set) var descriptorsAfter = 0

  init(_ lab: Lab) throws(BenchmarkError) {
    seconds = lab.options.churnSeconds
    let probe = try lab.startProbe("source 19 1 stats 98 stop 99")
    descriptorsBefore = try openDescriptors(of: probe.identifier)
    let start = Monotonic.now()
    let end = try InternetEnd(Lab.Side.guest.address, 19)
    for number in 0..<seconds * Self.rate {
      // Each has its time, whatever the one before took.
      let due = start + UInt64(number) * 1_000_000_000 / UInt64(Self.rate)
      while Monotonic.now() < due {
        var timeout = timespec(tv_sec: 0, tv_nsec: Int(max(due - min(Monotonic.now(), due), 1)))
        _ = linux_poll_precisely(nil, 0, &timeout)
      }
      try once(end)
      guard (number + 1) % Self.rate == 0 else { continue }
      let statistics = try Lab.probeStatistics()
      heap.append(try statistics.value("heap"))
      timeWait.append(try statistics.value("timeWait"))
      connections.append(try statistics.value("connections"))
    }
    descriptorsAfter = try openDescriptors(of: probe.identifier)
    try Lab.stopProbe(probe)
  }

  private mutating func once(_ end: InternetEnd) throws(BenchmarkError) {
    let begun = Monotonic.now()
    let connection = try Stream(descriptor: Stream.openSocket())
    var byte: UInt8 = 0
    let isRight =
      end.use { connect(connection.descriptor, $0, $1) } == 0
      && recv(connection.descriptor, &byte, 1, 0) == 1 && recv(connection.descriptor, &byte, 1, 0) == 0
    made += 1
    if !isRight { failed += 1 }
    times.append(Int(Monotonic.now() - begun))
  }
}

/// What a process has in memory, in bytes (proc(5), VmRSS).
private func residentBytes(of process: pid_t) throws(BenchmarkError) -> Int {
  for line in try contents(of: "/proc/\(process)/status").split(separator: 0x0a) {
    let words = line.split { $0 == 0x20 || $0 == 0x09 }.map { String(decoding: $0, as: UTF8.self) }
    if words.count == 3, words[0] == "VmRSS:", let kibibytes = Int(words[1]) { return kibibytes << 10 }
  }
  throw BenchmarkError("/proc/\(process)/status has no VmRSS")
}

/// How many descriptors a process has open.
private func openDescriptors(of process: pid_t) throws(BenchmarkError) -> Int {
  guard let directory = opendir("/proc/\(process)/fd") else { throw BenchmarkError(call: "open /proc/\(process)/fd") }
  defer { closedir(directory) }
  var count = 0
  while readdir(directory) != nil { count += 1 }
  // "." and "..".
  return count - 2
}
