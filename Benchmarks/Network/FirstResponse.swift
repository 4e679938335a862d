import BenchmarkSupport
import CLinux

/// From the spawn of the monitor to the last byte of the first answer, at a client that tries again every 100 µs.
///
/// This side knows the guest's link-layer address beforehand: Linux asks for one only once a second, and what would be
/// measured is that.
struct FirstResponse {
  /// Nanoseconds.
  private(set) var times: [Int] = []
  /// Beside each: `hello`, from its spawn to its exit.
  private(set) var hello: [Int] = []
  /// Medians of the report's phases in order, up to where the guest's main begins.
  private(set) var phases: [(name: String, times: [Int])] = []

  private static let retryNanoseconds = 100_000
  private static let request = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"

  init(_ lab: Lab) throws(BenchmarkError) {
    try Lab.ip("neigh replace \(Lab.Side.guest.address) lladdr \(Lab.guestLinkAddress) dev nt0 nud permanent")
    let streams = try Streams()
    let helloProgram = Program(
      "hello", ["\(lab.options.products)/needletail", "run", "\(lab.options.products)/hello.elf"])
    for round in 0...lab.options.bootRounds {
      let time = try Self.once(lab.guestCommand("http", []))
      let hello = try helloProgram.run(streams).nanoseconds
      guard round > 0 else { continue }
      times.append(time)
      self.hello.append(hello)
    }
    for _ in 0..<max(lab.options.bootRounds / 2, 1) { try addReport(lab) }
  }

  /// A run with a report, which the service writes when it is asked to end.
  private mutating func addReport(_ lab: Lab) throws(BenchmarkError) {
    let report = try TemporaryFile([])
    let time = try Self.once(lab.guestCommand("http", [], options: ["--report", report.path]), endsGracefully: true)
    let numbers = try JSONNumbers(parsing: try contents(of: report.path))
    var sum = 0
    for member in numbers.object("phases_ns") {
      add(member.path, member.value)
      sum += member.value
      if member.path == "guest_start" { break }
    }
    add("listening, connection, request, answer", time - sum)
  }

  private mutating func add(_ name: String, _ time: Int) {
    if let index = phases.firstIndex(where: { $0.name == name }) {
      phases[index].times.append(time)
    } else {
      phases.append((name, [time]))
    }
  }

  private static func once(_ command: [String], endsGracefully: Bool = false) throws(BenchmarkError) -> Int {
    let streams = try Streams()
    let (child, start) = try Program("http", command).startToldItsSpawnTime(streams)
    var status: Int32 = 0
    defer {
      if !endsGracefully { kill(child, SIGKILL) }
      waitpid(child, &status, 0)
    }
    let connection = try Stream(descriptor: connect(child, streams))
    try connection.send(request)
    guard !(try connection.receive()).isEmpty else { throw BenchmarkError("http ended without an answer") }
    let time = Int(Monotonic.now() - start)
    if endsGracefully {
      try connection.send("POST /quit HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
      _ = try connection.receiveToEnd()
    }
    return time
  }

  /// The first of the attempts that succeeds. Earlier ones go on beside the later.
  private static func connect(_ child: pid_t, _ streams: Streams) throws(BenchmarkError) -> Int32 {
    let end = try InternetEnd(Lab.Side.guest.address, 8080)
    let giveUp = Monotonic.now() + 5_000_000_000
    var attempts: [pollfd] = []
    defer { for attempt in attempts { close(attempt.fd) } }
    while Monotonic.now() < giveUp {
      let descriptor = try Stream.openSocket(flags: SOCK_NONBLOCK.rawValue)
      _ = end.use { CLinux.connect(descriptor, $0, $1) }
      attempts.append(pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0))
      var timeout = timespec(tv_sec: 0, tv_nsec: retryNanoseconds)
      guard linux_poll_precisely(&attempts, nfds_t(attempts.count), &timeout) > 0 else { continue }
      var index = 0
      while index < attempts.count {
        var code: Int32 = 0
        var count = socklen_t(MemoryLayout<Int32>.size)
        if attempts[index].revents != 0 {
          getsockopt(attempts[index].fd, SOL_SOCKET, SO_ERROR, &code, &count)
          let attempt = attempts.remove(at: index).fd
          if code == 0 {
            var waits: Int32 = 0
            _ = linux_ioctl_pointer(attempt, UInt(FIONBIO), &waits)
            return attempt
          }
          // Refused: the machine answers, and nobody listens yet.
          close(attempt)
        } else {
          index += 1
        }
      }
    }
    throw BenchmarkError(
      "http did not answer within 5 s; it said: " + String(decoding: streams.takeErrors(), as: UTF8.self))
  }
}
