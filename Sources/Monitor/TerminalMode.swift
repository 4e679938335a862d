import CLinux

/// The mode of the terminal that is standard input while a guest reads from it: a byte at a time, without echo, but with the
/// keys that send signals. The terminal has its old mode back however the monitor ends, short of SIGKILL, and while it is
/// stopped.
///
/// A terminal whose foreground is another process's is left alone: it is not ours to change. Should the monitor come to the
/// foreground from a stop, the mode changes then.
enum TerminalMode {
  // Signal handlers use all of this, so each access is one load or store: Swift ends a process whose handler reads a variable
  // that the interrupted code is in the middle of passing inout.
  nonisolated(unsafe) private static var terminal: Int32 = -1
  /// What the terminal gets back; never nil once there is a handler.
  nonisolated(unsafe) private static var original: UnsafeMutablePointer<termios>?
  /// Whether the terminal has, as far as we know, the guest's mode.
  nonisolated(unsafe) private static var isChanged = false
  /// Whether it is to have it whenever it is ours: from `enter` to `leave`.
  nonisolated(unsafe) private static var isWanted = false

  /// Gives the terminal the guest's mode, if `descriptor` is one. Call once, on the thread that takes the signals.
  static func enter(_ descriptor: Int32 = STDIN_FILENO) {
    let mode = UnsafeMutablePointer<termios>.allocate(capacity: 1)
    guard tcgetattr(descriptor, mode) == 0 else { return mode.deallocate() }
    original = mode
    terminal = descriptor
    isWanted = true
    handleSignals()
    change()
  }

  /// Gives the terminal its old mode back. Does nothing if it has it. Safe in a signal handler.
  static func leave() {
    // In this order: SIGCONT in between changes nothing any more.
    isWanted = false
    restore()
  }

  private static func change() {
    guard isWanted, !isBackground, let original else { return }
    // Whoever had the terminal during a stop may have left it in another mode.
    if !isChanged, tcgetattr(terminal, original) != 0 { return }
    var mode = original.pointee
    linux_set_guest_input(&mode)
    // First, so that a signal that comes in between undoes it.
    isChanged = true
    _ = tcsetattr(terminal, TCSANOW, &mode)
  }

  private static func restore() {
    guard isChanged, let original else { return }
    // In the background the mode is somebody else's, and setting it would stop us (termios(3), SIGTTOU).
    if !isBackground { _ = tcsetattr(terminal, TCSANOW, original) }
    isChanged = false
  }

  /// False as well for a terminal that is not the one that controls this process: job control is not about that.
  private static var isBackground: Bool {
    let foreground = tcgetpgrp(terminal)
    return foreground >= 0 && foreground != getpgrp()
  }

  // MARK: Signals

  /// Those that end a process by default, other than by `StopSignals`: from outside, and for what it did wrong itself.
  private static let fatalSignals = [
    SIGHUP, SIGQUIT, SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGUSR1, SIGSEGV, SIGUSR2, SIGALRM, SIGSTKFLT, SIGXCPU,
    SIGXFSZ, SIGVTALRM, SIGPROF, SIGIO, SIGPWR, SIGSYS,
  ]
  /// For the handler of a stack overflow, in bytes: enough for the registers of any processor besides (signal(7)).
  private static let signalStackSize = 64 << 10

  private static func handleSignals() {
    var stack = stack_t()
    stack.ss_sp = UnsafeMutableRawPointer.allocate(byteCount: signalStackSize, alignment: 16)
    stack.ss_size = signalStackSize
    _ = sigaltstack(&stack, nil)
    // What whoever started us ignores (nohup) stays ignored.
    for signal in fatalSignals where linux_signal_is_ignored(signal) == 0 {
      _ = linux_sigaction(signal, { TerminalMode.end(by: $0) }, SA_ONSTACK)
    }
    if linux_signal_is_ignored(SIGTSTP) == 0 { handleStops() }
    _ = linux_sigaction(
      SIGCONT,
      { _ in
        let code = linux_errno()
        TerminalMode.change()
        linux_set_errno(code)
      }, SA_RESTART)
  }

  /// Ends the process as the signal would have.
  private static func end(by signal: Int32) {
    leave()
    _ = linux_default_signal(signal)
    // It is delivered when the handler returns.
    raise(signal)
  }

  private static func handleStops() {
    _ = linux_sigaction(SIGTSTP, { _ in TerminalMode.stop() }, SA_RESTART)
  }

  /// Stops the process as SIGTSTP would have, and goes on when it does.
  private static func stop() {
    let code = linux_errno()
    restore()
    _ = linux_default_signal(SIGTSTP)
    raise(SIGTSTP)
    linux_unblock_signal(SIGTSTP)  // It stops here.
    handleStops()
    // It did not stop if nobody is there who would continue it (setpgid(2), orphaned process groups): then SIGCONT has not
    // done this.
    change()
    linux_set_errno(code)
  }
}
