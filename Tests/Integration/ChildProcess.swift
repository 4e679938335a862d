import CLinux

/// A process under test, with everything it writes captured. Whatever becomes of the case, the process does not outlive
/// this value.
struct ChildProcess: ~Copyable {
  let identifier: pid_t
  private let description: String
  /// When it is taken to hang, in nanoseconds of CLOCK_MONOTONIC.
  private let deadline: UInt64
  private let watchdogSeconds: Int
  private var input: SentStream
  private var output: CapturedStream
  private var errors: CapturedStream
  private var isReaped = false

  /// What is on its standard input.
  enum Input {
    /// /dev/null: the end, at once.
    case nothing
    /// A terminal by its path. It controls the process.
    case terminal(String)
    /// A file by its path.
    case file(String)
    /// A pipe, into which the case writes with `send`.
    case pipe
    /// It has none: the descriptor is closed.
    case closed
  }

  /// Starts `arguments[0]` with an environment of its own.
  init(
    _ arguments: [String], environment: [String] = ["PATH=/usr/bin:/bin"], input: Input = .nothing,
    watchdogSeconds: Int
  ) throws(Verdict) {
    let outputPipe = try Pipe()
    let errorPipe = try Pipe()
    var inputPipe: Pipe?
    if case .pipe = input { inputPipe = try Pipe() }
    let started = Self.spawn(
      arguments, environment, input, inputPipe: inputPipe?.readEnd, output: outputPipe.writeEnd,
      errors: errorPipe.writeEnd)
    // The child has its own copies; the end of its output shows only when ours are closed.
    close(outputPipe.writeEnd)
    close(errorPipe.writeEnd)
    let sent = SentStream(inputPipe)
    guard let identifier = started else {
      close(outputPipe.readEnd)
      close(errorPipe.readEnd)
      throw .failed("cannot start \(arguments[0])")
    }
    self.identifier = identifier
    description = arguments.joined(separator: " ").shortened(to: 200)
    self.watchdogSeconds = watchdogSeconds
    deadline = MonotonicTime.nanoseconds() + UInt64(watchdogSeconds) * 1_000_000_000
    self.input = sent
    output = CapturedStream(descriptor: outputPipe.readEnd)
    errors = CapturedStream(descriptor: errorPipe.readEnd)
  }

  private static func spawn(
    _ arguments: [String], _ environment: [String], _ input: Input, inputPipe: Int32?, output: Int32, errors: Int32
  ) -> pid_t? {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    // What this program was started with, as by nohup(1), is not what a case is about.
    var signals = sigset_t()
    sigfillset(&signals)
    posix_spawnattr_setsigdefault(&attributes, &signals)
    var flags = Int32(POSIX_SPAWN_SETSIGDEF)
    switch input {
    case .nothing: posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
    case .terminal(let path):
      // The first terminal that the leader of a new session opens controls it (tty_ioctl(4)).
      flags |= Self.newSession
      posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, path, O_RDWR, 0)
    case .file(let path): posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, path, O_RDONLY, 0)
    case .pipe: posix_spawn_file_actions_adddup2(&actions, inputPipe!, STDIN_FILENO)
    case .closed:
      posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
      posix_spawn_file_actions_addclose(&actions, STDIN_FILENO)
    }
    posix_spawnattr_setflags(&attributes, Int16(flags))
    posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO)
    posix_spawn_file_actions_adddup2(&actions, errors, STDERR_FILENO)
    let argumentVector = CStrings(arguments), environmentVector = CStrings(environment)
    var identifier: pid_t = 0
    let code = posix_spawn(
      &identifier, arguments[0], &actions, &attributes, argumentVector.pointers, environmentVector.pointers)
    return code == 0 ? identifier : nil
  }

  /// POSIX_SPAWN_SETSID (spawn.h), which is declared only under _GNU_SOURCE.
  private static let newSession: Int32 = 0x80

  deinit {
    guard !isReaped else { return }
    kill(identifier, SIGKILL)
    var status: Int32 = 0
    while waitpid(identifier, &status, 0) < 0 && linux_errno() == EINTR {}
  }

  func signal(_ number: Int32) {
    kill(identifier, number)
  }

  /// Reads until standard output contains `text`.
  mutating func waitForOutput(_ text: String) throws(Verdict) {
    while !output.text.contains(bytesOf: text) {
      guard output.isOpen || errors.isOpen else { throw try ended(waitingFor: text) }
      try readSome()
    }
  }

  /// What it has written to standard output and was read.
  var outputSoFar: String { output.text }

  /// What it has said until now, and whether it has ended: for explaining another's failure.
  private mutating func accountSoFar() -> String {
    for _ in 0..<16 { try? waitAndRead(readsOutput: true, milliseconds: 10) }
    return captured().failure("to go on", got: output.isOpen ? "a process that still runs" : "its end").text
  }

  /// A failure with what the process said meanwhile: that may be the reason.
  mutating func explained(_ verdict: Verdict) -> Verdict {
    guard case .failed(let explanation) = verdict else { return verdict }
    return .failed("\(explanation)\n  the machine: \(accountSoFar())")
  }

  /// Reads until so many lines of standard error contain `text`.
  mutating func waitForErrors(_ text: String, count: Int = 1) throws(Verdict) {
    while errors.text.lines.count(where: { $0.contains(bytesOf: text) }) < count {
      guard output.isOpen || errors.isOpen else { throw try ended(waitingFor: text) }
      try readSome()
    }
  }

  private mutating func ended(waitingFor text: String) throws(Verdict) -> Verdict {
    let run = try finish()
    return run.failure("output with '\(text)'", got: "the end of the process")
  }

  /// Writes to its standard input, and takes what it writes meanwhile. It may not have read it all when this returns.
  mutating func send(_ text: String) throws(Verdict) {
    var rest = Array(text.utf8)[...]
    while !rest.isEmpty {
      rest = rest.dropFirst(input.send(rest))
      guard !rest.isEmpty else { break }
      guard output.isOpen || errors.isOpen else { throw try ended(waitingFor: "more reading") }
      try waitAndRead(readsOutput: true, milliseconds: 1)
    }
  }

  /// Ends its standard input.
  mutating func closeInput() {
    input.close()
  }

  /// Closes our end of its standard output, as `head` does when it has seen enough.
  mutating func closeOutput() {
    output.close()
  }

  /// Waits until the process sleeps because nothing more fits into the pipe that is its standard output.
  mutating func waitUntilOutputBlocks() throws(Verdict) {
    // Opening a pipe's end through /proc makes another end of it, here one that poll can ask for room (proc(5)).
    let writeEnd = linux_open("/proc/self/fd/\(output.descriptor)", O_WRONLY | O_NONBLOCK | O_CLOEXEC, 0)
    guard writeEnd >= 0 else { throw .failed("open /proc/self/fd: \(String(cString: strerror(linux_errno())))") }
    defer { close(writeEnd) }
    var polled = pollfd(fd: writeEnd, events: Int16(POLLOUT), revents: 0)
    while true {
      let isSleeping = try isSleeping()
      if isSleeping, poll(&polled, 1, 0) == 0 { return }
      guard MonotonicTime.nanoseconds() < deadline else { throw hang() }
      _ = poll(nil, 0, 1)
    }
  }

  /// The process's state, which follows its name in parentheses (proc(5), /proc/PID/stat).
  private func isSleeping() throws(Verdict) -> Bool {
    String(decoding: try contents(of: "/proc/\(identifier)/stat"), as: UTF8.self).contains(bytesOf: ") S ")
  }

  /// Waits for the end without reading what is on standard output.
  mutating func finishUnread() throws(Verdict) -> Run {
    while errors.isOpen { try waitAndRead(readsOutput: false) }
    return try reap()
  }

  /// Reads all output and waits for the end.
  mutating func finish() throws(Verdict) -> Run {
    while output.isOpen || errors.isOpen { try readSome() }
    return try reap()
  }

  private mutating func reap() throws(Verdict) -> Run {
    // It has closed its streams, so it is about to end; the watchdog still counts.
    var status: Int32 = 0
    while true {
      let result = waitpid(identifier, &status, WNOHANG)
      if result == identifier { break }
      guard MonotonicTime.nanoseconds() < deadline else { throw hang() }
      _ = poll(nil, 0, 1)
    }
    isReaped = true
    return Run(command: description, ending: Run.Ending(waitStatus: status), stdout: output.text, stderr: errors.text)
  }

  private mutating func readSome() throws(Verdict) {
    try waitAndRead(readsOutput: true)
  }

  /// - Parameter milliseconds: how long to wait for output at most; nil is until there is some.
  private mutating func waitAndRead(readsOutput: Bool, milliseconds: Int32? = nil) throws(Verdict) {
    let now = MonotonicTime.nanoseconds()
    guard now < deadline else { throw hang() }
    // A descriptor of -1 is skipped (poll(2)).
    var polled = (
      pollfd(fd: readsOutput ? output.descriptor : -1, events: Int16(POLLIN), revents: 0),
      pollfd(fd: errors.descriptor, events: Int16(POLLIN), revents: 0)
    )
    let ready = withUnsafeMutableBytes(of: &polled) {
      poll(
        $0.baseAddress!.assumingMemoryBound(to: pollfd.self), 2,
        milliseconds ?? Int32((deadline - now) / 1_000_000 + 1))
    }
    guard ready > 0 else { return }
    if polled.0.revents != 0 { output.read() }
    if polled.1.revents != 0 { errors.read() }
    guard output.count <= CapturedStream.limit, errors.count <= CapturedStream.limit else {
      throw captured().failure("at most \(CapturedStream.limit) bytes of output", got: "more")
    }
  }

  private func hang() -> Verdict {
    captured().failure("an end within \(watchdogSeconds) s", got: "a process that still runs")
  }

  private func captured() -> Run {
    Run(command: description, ending: .running, stdout: output.text, stderr: errors.text)
  }
}

/// What came through a pipe.
private struct CapturedStream: ~Copyable {
  /// The most that a process may write before it is taken to write forever, in bytes.
  static let limit = 32 << 20

  /// -1 once it is closed.
  private(set) var descriptor: Int32
  private var bytes: [UInt8] = []

  init(descriptor: Int32) {
    self.descriptor = descriptor
  }

  deinit {
    if descriptor >= 0 { _ = CLinux.close(descriptor) }
  }

  var isOpen: Bool { descriptor >= 0 }
  var count: Int { bytes.count }
  var text: String { String(decoding: bytes, as: UTF8.self) }

  /// Reads once; closes the stream at its end.
  mutating func read() {
    withUnsafeTemporaryAllocation(byteCount: 65536, alignment: 1) { buffer in
      let count = CLinux.read(descriptor, buffer.baseAddress, buffer.count)
      if count > 0 {
        bytes.append(contentsOf: UnsafeRawBufferPointer(rebasing: buffer[..<count]))
      } else if count == 0 || linux_errno() != EINTR {
        close()
      }
    }
  }

  mutating func close() {
    guard descriptor >= 0 else { return }
    _ = CLinux.close(descriptor)
    descriptor = -1
  }
}

/// What goes into a pipe.
private struct SentStream: ~Copyable {
  private var writeEnd: Int32
  /// Our copy of the reader's end: while there is one, writing never ends this program by SIGPIPE.
  private let readEnd: Int32

  init(_ pipe: Pipe?) {
    writeEnd = pipe?.writeEnd ?? -1
    readEnd = pipe?.readEnd ?? -1
    var isNonblocking: Int32 = 1
    if let pipe { _ = linux_ioctl_pointer(pipe.writeEnd, UInt(FIONBIO), &isNonblocking) }
  }

  deinit {
    if writeEnd >= 0 { _ = CLinux.close(writeEnd) }
    if readEnd >= 0 { _ = CLinux.close(readEnd) }
  }

  /// Writes what fits into the pipe; returns how many bytes.
  func send(_ bytes: ArraySlice<UInt8>) -> Int {
    bytes.withUnsafeBytes { max(0, write(writeEnd, $0.baseAddress, $0.count)) }
  }

  mutating func close() {
    if writeEnd >= 0 { _ = CLinux.close(writeEnd) }
    writeEnd = -1
  }
}

private struct Pipe {
  let readEnd: Int32
  let writeEnd: Int32

  init() throws(Verdict) {
    var ends: (Int32, Int32) = (0, 0)
    let result = withUnsafeMutableBytes(of: &ends) {
      pipe2($0.baseAddress!.assumingMemoryBound(to: Int32.self), O_CLOEXEC)
    }
    guard result == 0 else { throw .failed("pipe2: \(String(cString: strerror(linux_errno())))") }
    (readEnd, writeEnd) = ends
  }
}
