import CLinux

/// SIGINT and SIGTERM stop the guest; a second one ends the monitor on the spot.
enum StopSignals {
  // Written by the handler, which runs on the thread that runs the guest: the devices' thread takes no such signals.
  nonisolated(unsafe) private static var stopFlag: UnsafeMutablePointer<UInt8>?
  nonisolated(unsafe) private(set) static var received: Int32 = 0

  /// Installs the handlers.
  ///
  /// - Parameter stopFlag: a byte that the first signal sets; it must stay valid until `forgetFlag()`.
  static func handle(settingFlag stopFlag: UnsafeMutablePointer<UInt8>) {
    Self.stopFlag = stopFlag
    for signal in [SIGINT, SIGTERM] {
      // Without SA_RESTART: KVM_RUN, and a write to a console that nobody reads, are to return.
      _ = linux_sigaction(signal, { StopSignals.receive($0) }, 0)
    }
    // A closed console is an error of write's, not the end of the process.
    _ = linux_ignore_signal(SIGPIPE)
    // Whoever started us may ignore it, and then no child of ours could be waited for.
    _ = linux_default_signal(SIGCHLD)
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
