import CLinux

/// The size of a terminal's window, and the signal that says when it changes.
struct TerminalWindow {
  let terminal: Int32
  private(set) var columns: UInt16 = 0
  private(set) var rows: UInt16 = 0
  /// A descriptor that is readable when SIGWINCH has come; nil while nobody wants to know.
  private(set) var signal: Int32?

  /// Nil unless `descriptor` is a terminal's.
  init?(of descriptor: Int32) {
    terminal = descriptor
    guard measure() != nil else { return nil }
  }

  /// Whether the size is another one than before; nil if there is no terminal (any more).
  @discardableResult
  private mutating func measure() -> Bool? {
    var size = winsize()
    guard linux_ioctl_pointer(terminal, UInt(TIOCGWINSZ), &size) == 0 else { return nil }
    let isChanged = size.ws_col != columns || size.ws_row != rows
    (columns, rows) = (size.ws_col, size.ws_row)
    return isChanged
  }

  /// Starts to be told. Call on the thread that takes the process's signals.
  mutating func openSignal() -> Int32? {
    let descriptor = linux_open_signal(SIGWINCH)
    signal = descriptor >= 0 ? descriptor : nil
    return signal
  }

  mutating func closeSignal() {
    if let signal { close(signal) }
    signal = nil
  }

  /// Takes away the signal that has come; returns whether the size is another one.
  mutating func takeChange() -> Bool {
    guard let signal else { return false }
    var information = signalfd_siginfo()
    // Several signals that come before one is taken are one (signal(7)), so the size is looked at afterwards.
    while read(signal, &information, MemoryLayout<signalfd_siginfo>.size) > 0 {}
    return measure() == true
  }
}
