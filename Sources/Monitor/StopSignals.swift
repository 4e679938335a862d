import CLinux

/// SIGINT and SIGTERM stop the guest; a second one ends the monitor on the spot.
enum StopSignals {
  // Written by the handler, which runs on the thread that runs the guest: the devices' thread takes no such signals.
  nonisolated(unsafe) private static var stopFlag: UnsafeMutablePointer<UInt8>?
  nonisolated(unsafe) private(set) static var received: Int32 = 0

  /// Installs the handlers, before a machine is made: what was started for it is then waited for, whenever a signal comes.
  static func handle() {
    for signal in [SIGINT, SIGTERM] {
      // Without SA_RESTART: KVM_RUN, and a write to a console that nobody reads, are to return.
      _ = linux_sigaction(signal, { StopSignals.receive($0) }, 0)
    }
    // A closed console is an error of write's, not the end of the process.
    _ = linux_ignore_signal(SIGPIPE)
    // Whoever started us may ignore it, and then no child of ours could be waited for.
    _ = linux_default_signal(SIGCHLD)
  }

  /// Lets the first signal stop a machine; one that has come already does so now.
  ///
  /// - Parameter stopFlag: a byte that the signal sets; it must stay valid until `forgetFlag()`.
  static func set(_ stopFlag: UnsafeMutablePointer<UInt8>) {
    Self.stopFlag = stopFlag
    if received != 0 { stopFlag.pointee = 1 }
  }

  /// Lets the handlers leave the flag alone: its machine is about to go.
  static func forgetFlag() {
    stopFlag = nil
  }

  private static func receive(_ signal: Int32) {
    if received != 0 {
      TerminalMode.leave()
      _exit(128 + signal)
    }
    received = signal
    stopFlag?.pointee = 1
  }
}
