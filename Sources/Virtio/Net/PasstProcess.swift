import CLinux
import KVM

/// A running passt(1), and the means to tell when it has ended.
///
/// passt goes to the background when it is ready: its first process ends, and the one that stays is nobody's child, so
/// nobody can wait for it. It still holds the ports that it listens on when the monitor has ended, and the next monitor
/// cannot have them. A process between the two, the keeper, is therefore the subreaper of passt (prctl(2),
/// PR_SET_CHILD_SUBREAPER): passt becomes its child, and the keeper ends right after it. The keeper is in a session of its own
/// and has no descriptor but the pipe by which its end is seen, so a signal of the terminal's reaches neither.
final class PasstProcess {
  /// As much of what passt says as is looked at, in bytes.
  private static let textLimit = 4096
  /// How long passt has to end once its connection is closed, in milliseconds. It takes a few.
  private static let endPatience: Int32 = 2_000
  /// The descriptors of the keeper.
  private static let connection: Int32 = 3
  private static let errors: Int32 = 4
  private static let status: Int32 = 5

  /// What the keeper tells once passt's first process has ended.
  private struct Start {
    /// Of posix_spawnp.
    var error: Int32 = 0
    /// Of waitpid.
    var waitStatus: Int32 = 0
  }

  private let keeper: pid_t
  /// Its other end is closed when the keeper has ended.
  private let ending: FileDescriptor
  private var hasEnded = false

  /// Runs passt to where it is in the background.
  ///
  /// - Parameters:
  ///   - arguments: the program's name first. The descriptor of the connection is `connectionNumber` there.
  ///   - connection: passt's end of it.
  ///   - ours: the other end. If a signal comes before passt is ready, it is told by this end that it is not needed.
  init(
    _ arguments: [String], connection: borrowing FileDescriptor, ours: borrowing FileDescriptor
  ) throws(NetworkBackendError) {
    var errorEnds: (Int32, Int32) = (-1, -1)
    guard linux_open_pipe(&errorEnds.0, &errorEnds.1) == 0 else { throw .system(SystemCallError("pipe2")) }
    let errors = FileDescriptor(owning: errorEnds.0)
    let errorsWriter = FileDescriptor(owning: errorEnds.1)
    var endingEnds: (Int32, Int32) = (-1, -1)
    guard linux_open_pipe(&endingEnds.0, &endingEnds.1) == 0 else { throw .system(SystemCallError("pipe2")) }
    let ending = FileDescriptor(owning: endingEnds.0)
    let endingWriter = FileDescriptor(owning: endingEnds.1)
    let words = CStringArray(arguments)
    let keeper = fork()
    if keeper == 0 {
      Self.keep(words, connection: connection.rawValue, errors: errorsWriter.rawValue, status: endingWriter.rawValue)
    }
    guard keeper > 0 else { throw .system(SystemCallError("fork")) }
    Self.close(errorsWriter)
    Self.close(endingWriter)
    self.keeper = keeper
    var start = Start()
    let isTold = Self.read(&start, from: ending)
    self.ending = ending
    guard isTold, start.error == 0, start.waitStatus == 0 else {
      _ = linux_finish_writing(ours.rawValue)
      waitForEnd()
      guard isTold else { throw .program("passt", reason: "did not start") }
      guard start.error == 0 else {
        throw start.error == ENOENT
          ? .program("passt", reason: "is not installed; expected the program of the package 'passt' on PATH")
          : .program("passt", reason: String(cString: strerror(start.error)))
      }
      throw .program("passt", reason: Self.lastLine(of: errors))
    }
  }

  /// By which passt is to be told of its connection.
  static var connectionNumber: Int32 { connection }

  deinit {
    waitForEnd()
  }

  /// Waits until passt has ended, and with it every socket of its, but no longer than `endPatience`. Call once its connection
  /// is closed.
  ///
  /// - Returns: whether it has ended.
  @discardableResult
  func waitForEnd() -> Bool {
    guard !hasEnded else { return true }
    var ready = pollfd(fd: ending.rawValue, events: Int16(POLLIN), revents: 0)
    var count: Int32
    repeat { count = poll(&ready, 1, Self.endPatience) } while count < 0 && linux_errno() == EINTR
    guard count > 0 else { return false }
    hasEnded = true
    var ended: pid_t
    repeat { ended = waitpid(keeper, nil, 0) } while ended < 0 && linux_errno() == EINTR
    return true
  }

  private static func close(_ descriptor: consuming FileDescriptor) {}

  /// Waits for what the keeper tells; false if it ends without a word, or a signal says that nobody waits for it any more.
  private static func read(_ start: inout Start, from descriptor: borrowing FileDescriptor) -> Bool {
    var ready = pollfd(fd: descriptor.rawValue, events: Int16(POLLIN), revents: 0)
    // In one piece, as pipe(7) has it for so few bytes.
    return poll(&ready, 1, -1) == 1
      && CLinux.read(descriptor.rawValue, &start, MemoryLayout<Start>.size) == MemoryLayout<Start>.size
  }

  /// What passt said last: the reason, if it gave any.
  private static func lastLine(of errors: borrowing FileDescriptor) -> String {
    var text = [UInt8](repeating: 0, count: textLimit)
    let count = CLinux.read(errors.rawValue, &text, text.count)
    let lines = text[..<max(count, 0)].split(separator: UInt8(ascii: "\n"))
    return lines.last.map { String(decoding: $0, as: UTF8.self) } ?? "ended without a word"
  }

  // MARK: In the keeper

  /// The keeper's life. Does not return; a result of type Never makes the compiler warn about what is behind the call.
  private static func keep(_ words: borrowing CStringArray, connection its: Int32, errors: Int32, status: Int32) {
    _ = setsid()
    linux_name_process("needletail-net")
    // It ends when passt does, not when somebody stops all processes of the monitor's name. Handlers, as ignored signals would
    // be ignored by passt as well.
    for signal in [SIGINT, SIGTERM, SIGHUP] { _ = linux_sigaction(signal, { _ in }, 0) }
    for signal in [SIGCHLD, SIGPIPE] { _ = linux_default_signal(signal) }
    // Without it passt still runs, and is only not waited for.
    linux_become_subreaper()
    guard linux_keep_descriptors(its, errors, status) == 0 else { _exit(1) }
    var start = Start()
    var process = pid_t()
    start.error = spawn(words, &process)
    // So that passt alone holds its end of the connection.
    CLinux.close(Self.connection)
    CLinux.close(Self.errors)
    if start.error == 0 {
      while waitpid(process, &start.waitStatus, 0) < 0 && linux_errno() == EINTR {}
    }
    _ = write(Self.status, &start, MemoryLayout<Start>.size)
    while waitpid(-1, nil, 0) >= 0 || linux_errno() == EINTR {}
    _exit(0)
  }

  private static func spawn(_ words: borrowing CStringArray, _ process: inout pid_t) -> Int32 {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0)
    posix_spawn_file_actions_adddup2(&actions, errors, STDERR_FILENO)
    posix_spawn_file_actions_addclose(&actions, errors)
    posix_spawn_file_actions_addclose(&actions, status)
    return posix_spawnp(&process, "passt", &actions, nil, words.pointer, linux_environment())
  }
}

/// Words as the exec functions take them.
private struct CStringArray: ~Copyable {
  /// Invariant: `count` strings that are this value's, and nil behind them.
  let pointer: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>
  private let count: Int

  init(_ words: [String]) {
    count = words.count
    pointer = .allocate(capacity: count + 1)
    for (index, word) in words.enumerated() { (pointer + index).initialize(to: strdup(word)) }
    (pointer + count).initialize(to: nil)
  }

  deinit {
    for index in 0..<count { free(pointer[index]) }
    pointer.deallocate()
  }
}
