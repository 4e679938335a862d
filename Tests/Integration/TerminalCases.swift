import CLinux

/// However a machine on a terminal ends, the terminal is as it was before.
func terminalCases() -> [Case] {
  // Handled first, then what would end any process, then what the monitor itself could do wrong.
  let signals: [(name: String, number: Int32, ending: Run.Ending)] = [
    ("SIGTERM", SIGTERM, .exited(128 + SIGTERM)), ("SIGINT", SIGINT, .exited(128 + SIGINT)),
    ("SIGHUP", SIGHUP, .signalled(SIGHUP)), ("SIGQUIT", SIGQUIT, .signalled(SIGQUIT)),
    ("SIGUSR1", SIGUSR1, .signalled(SIGUSR1)), ("SIGALRM", SIGALRM, .signalled(SIGALRM)),
    ("SIGSEGV", SIGSEGV, .signalled(SIGSEGV)), ("SIGBUS", SIGBUS, .signalled(SIGBUS)),
    ("SIGILL", SIGILL, .signalled(SIGILL)), ("SIGFPE", SIGFPE, .signalled(SIGFPE)),
    ("SIGTRAP", SIGTRAP, .signalled(SIGTRAP)), ("SIGABRT", SIGABRT, .signalled(SIGABRT)),
  ]
  let keys: [(name: String, key: UInt8, ending: Run.Ending)] = [
    ("interrupt", Terminal.Key.interrupt, .exited(128 + SIGINT)),
    ("quit", Terminal.Key.quit, .signalled(SIGQUIT)),
  ]
  return signals.map { signal in
    Case("terminal-\(signal.name)", "\(signal.name) ends a machine and leaves its terminal as it was") {
      session throws(Verdict) in
      try endsOnTerminal(session, .init(expected: signal.ending)) { process, _ in process.signal(signal.number) }
    }
  }
    + keys.map { key in
      Case("terminal-key-\(key.name)", "the \(key.name) key ends a machine and leaves its terminal as it was") {
        session throws(Verdict) in
        try endsOnTerminal(session, .init(expected: key.ending)) { _, terminal in terminal.type(key.key) }
      }
    } + [
      Case(
        "terminal-signal-twice", "a second signal, which ends the monitor on the spot, leaves the terminal as it was"
      ) {
        session throws(Verdict) in
        // Both wait for it when it goes on, so the handler of the one interrupts that of the other.
        try endsOnTerminal(session, .init(expected: .exited(128 + SIGINT), .exited(128 + SIGTERM))) { process, _ in
          for number in [SIGSTOP, SIGINT, SIGTERM, SIGCONT] { process.signal(number) }
        }
      },
      Case("terminal-exit", "a guest that ends leaves its terminal as it was") { session throws(Verdict) in
        let terminal = try Terminal()
        let disks = try ProbeDisks()
        var process = try session.monitor.start(
          "device-probe", ["block", "data", "exit", "3"], options: disks.options(), on: terminal)
        try process.finish().expect(status: 3)
        try terminal.expect(.lines, "after the end")
      },
      Case("terminal-unused", "a guest that has no console leaves the terminal alone") { session throws(Verdict) in
        let terminal = try Terminal()
        var process = try session.monitor.start("probe", ["forever", "sleep"], on: terminal)
        try process.waitForOutput("ready\n")
        try terminal.expect(.lines, "while the guest runs")
        terminal.type(Terminal.Key.interrupt)
        try process.finish().expect(status: 128 + SIGINT)
        try terminal.expect(.lines, "after the end")
      },
      Case("terminal-panic", "a guest that panics leaves its terminal as it was") { session throws(Verdict) in
        let terminal = try Terminal()
        var process = try session.monitor.start("crash", ["overflow"], on: terminal)
        try process.finish().expect(status: 134)
        try terminal.expect(.lines, "after the panic")
      },
      Case("terminal-suspend", "a machine that is suspended gives its terminal back and takes it again") {
        session throws(Verdict) in
        let terminal = try Terminal()
        // What standard input delivers before the job goes on is the shell's.
        let disks = try ProbeDisks()
        var process = try session.monitor.startJob(
          "device-probe", ["forever"], options: disks.options(),
          script: #""$0" "$@"; echo suspended; read -r line; fg; echo ended $?"#,
          on: terminal)
        try process.waitForOutput("ready\n")
        try terminal.expect(.bytes, "while the guest runs")
        terminal.type(Terminal.Key.suspend)
        try process.waitForOutput("suspended\n")
        try terminal.expect(.lines, "while the machine is suspended")
        terminal.type("\n")
        try terminal.wait(for: .bytes, "when it goes on", seconds: session.monitor.watchdogSeconds)
        terminal.type(Terminal.Key.interrupt)
        try process.waitForOutput("ended \(128 + SIGINT)\n")
        try terminal.expect(.lines, "after the end")
        _ = try process.finish()
      },
      Case("terminal-background", "a machine in the background leaves the terminal alone") { session throws(Verdict) in
        let terminal = try Terminal()
        let disks = try ProbeDisks()
        var process = try session.monitor.startJob(
          "device-probe", ["forever"], options: disks.options(),
          script: #""$0" "$@" & read -r line; kill %1; wait %1; echo ended $?"#,
          on: terminal)
        try process.waitForOutput("ready\n")
        try terminal.expect(.lines, "while the guest runs")
        terminal.type("\n")
        try process.waitForOutput("ended \(128 + SIGTERM)\n")
        try terminal.expect(.lines, "after the end")
        _ = try process.finish()
      },
    ]
}

/// How a machine may end.
private struct Endings {
  let expected: [Run.Ending]

  init(expected: Run.Ending...) {
    self.expected = expected
  }
}

/// Starts a machine on a terminal, ends it, and looks at the terminal before and after.
private func endsOnTerminal(
  _ session: Session, _ endings: Endings, by end: (borrowing ChildProcess, borrowing Terminal) -> Void
) throws(Verdict) {
  let terminal = try Terminal()
  let disks = try ProbeDisks()
  var process = try session.monitor.start("device-probe", ["forever"], options: disks.options(), on: terminal)
  try process.waitForOutput("ready\n")
  try terminal.expect(.bytes, "while the guest runs")
  end(process, terminal)
  let run = try process.finish().expect(stdout: "ready\n").expect(stderr: "")
  try run.expect(
    endings.expected.contains(run.ending), endings.expected.map { $0.text }.joined(separator: " or "),
    got: run.ending.text)
  try terminal.expect(.lines, "after the end")
}
