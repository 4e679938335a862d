import CLinux

/// How `needletail` ends. The guest's own status passes through; these are for what is not the guest's.
struct ExitStatus: Equatable {
  let code: Int32

  static let success = ExitStatus(code: 0)
  /// `check` found that this machine cannot run guests; `inspect` found the image not acceptable says 126 instead.
  static let negativeFinding = ExitStatus(code: 1)
  /// Wrong usage, or KVM failed.
  static let monitorFailure = ExitStatus(code: 125)
  /// The image is not acceptable.
  static let imageNotAcceptable = ExitStatus(code: 126)
  /// The image is not there.
  static let imageNotFound = ExitStatus(code: 127)
  /// The guest panicked: 128 + SIGABRT, as a shell has it for a process that aborts.
  static let guestPanic = ExitStatus(code: 134)
  /// Nobody reads the output any more: 128 + SIGPIPE, as a shell has it.
  static let consoleClosed = ExitStatus(code: 128 + SIGPIPE)

  /// Stopped by a signal, as a shell has it for a process that dies of one.
  static func stopped(by signal: Int32) -> ExitStatus { ExitStatus(code: 128 + signal) }

  /// Ends the process at once: nothing of the C library's or of Swift's is left to do. A machine has been closed by now, which
  /// is faster than leaving it to the kernel (see `RunCommand`).
  func exit() {
    _exit(code)
  }
}
