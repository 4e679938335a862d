import CLinux

/// A pseudoterminal of 80 columns and 24 rows: a process under test has the terminal, the case its keyboard and screen.
struct Terminal: ~Copyable {
  /// What the terminal does with what is typed.
  enum Mode: String {
    /// As a shell leaves it: lines, echoed.
    case lines
    /// A byte at a time, without echo, but with the keys that send signals.
    case bytes
    case other
  }

  /// Keys that send signals (termios(3)).
  enum Key {
    static let interrupt: UInt8 = 0x03
    static let quit: UInt8 = 0x1c
    static let suspend: UInt8 = 0x1a
  }

  /// The terminal's name, by which a process opens it for itself.
  let path: String
  /// Writing to it is typing, reading it is looking.
  private let keyboard: Int32
  /// Our own descriptor of the terminal: its mode can be read, and it stays while no process has it.
  private let terminal: Int32
  private let original: termios

  init() throws(Verdict) {
    var keyboard: Int32 = -1
    var terminal: Int32 = -1
    var size = winsize(ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0)
    guard openpty(&keyboard, &terminal, nil, nil, &size) == 0 else {
      throw .failed("openpty: \(String(cString: strerror(linux_errno())))")
    }
    self.keyboard = keyboard
    self.terminal = terminal
    path = String(cString: ttyname(terminal))
    var mode = termios()
    tcgetattr(terminal, &mode)
    original = mode
    // Not for the processes that are started: a terminal hangs up when the last keyboard is closed.
    for descriptor in [keyboard, terminal] { _ = linux_ioctl(descriptor, UInt(FIOCLEX), 0) }
  }

  deinit {
    close(keyboard)
    close(terminal)
  }

  func type(_ text: String) {
    _ = write(keyboard, text, text.utf8.count)
  }

  func type(_ key: UInt8) {
    var key = key
    _ = write(keyboard, &key, 1)
  }

  /// What it is at the moment; `lines` only if everything is as it was at first.
  var mode: Mode {
    var now = termios()
    guard tcgetattr(terminal, &now) == 0 else { return .other }
    if Self.isSame(now, original) { return .lines }
    var expected = original
    linux_set_guest_input(&expected)
    let kept = tcflag_t(ISIG)
    return Self.isSame(now, expected) && now.c_lflag & kept == original.c_lflag & kept ? .bytes : .other
  }

  private static func isSame(_ one: termios, _ other: termios) -> Bool {
    withUnsafeBytes(of: one.c_cc) { one in withUnsafeBytes(of: other.c_cc) { one.elementsEqual($0) } }
      && one.c_iflag == other.c_iflag && one.c_oflag == other.c_oflag && one.c_cflag == other.c_cflag
      && one.c_lflag == other.c_lflag
  }

  func expect(_ expected: Mode, _ moment: String) throws(Verdict) {
    let mode = mode
    guard mode == expected else {
      throw .failed("the terminal's mode \(moment): expected \(expected.rawValue), got \(mode.rawValue)")
    }
  }

  /// Waits until the mode is another one; a process that hangs is the watchdog's.
  func wait(for expected: Mode, _ moment: String, seconds: Int) throws(Verdict) {
    let deadline = MonotonicTime.nanoseconds() + UInt64(seconds) * 1_000_000_000
    while mode != expected {
      guard MonotonicTime.nanoseconds() < deadline else { return try expect(expected, moment) }
      _ = poll(nil, 0, 1)
    }
  }
}
