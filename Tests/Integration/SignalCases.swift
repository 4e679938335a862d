import CLinux

/// Stopping a machine from outside.
func signalCases() -> [Case] {
  var cases: [Case] = []
  for (name, number) in [("SIGTERM", SIGTERM), ("SIGINT", SIGINT)] {
    for mode in ["sleep", "spin", "switch-tasks"] {
      cases.append(
        Case("signal-\(name)-\(mode)", "\(name) stops a guest in '\(mode)', what it printed is kept") {
          session throws(Verdict) in
          var process = try session.monitor.start("probe", ["forever", mode])
          try process.waitForOutput("ready\n")
          process.signal(number)
          try process.finish().expect(status: 128 + number).expect(stdout: "ready\n").expect(stderr: "")
        })
    }
  }
  return cases + [
    Case("signal-twice", "two signals at once stop it just as well") { session throws(Verdict) in
      for _ in 0..<10 {
        var process = try session.monitor.start("probe", ["forever", "spin"])
        try process.waitForOutput("ready\n")
        process.signal(SIGTERM)
        process.signal(SIGINT)
        let run = try process.finish().expect(stdout: "ready\n").expect(stderr: "")
        // Which of the two it meets first is the kernel's choice.
        let isEither = run.ending == .exited(128 + SIGTERM) || run.ending == .exited(128 + SIGINT)
        try run.expect(isEither, "status 143 or 130", got: run.ending.text)
      }
    },
    Case("signal-any-time", "a signal at any moment from the first stops it, or kills it before it has a handler") {
      session throws(Verdict) in
      for _ in 0..<50 {
        var process = try session.monitor.start("probe", ["forever", "sleep"])
        process.signal(SIGTERM)
        let run = try process.finish().expect(stderr: "")
        let isStopped = run.ending == .exited(128 + SIGTERM) || run.ending == .signalled(SIGTERM)
        try run.expect(isStopped, "status 143 or death by SIGTERM", got: run.ending.text)
      }
    },
    Case("signal-output-blocked", "a signal stops a guest whose output nobody reads") { session throws(Verdict) in
      var process = try session.monitor.start("probe", ["forever", "print-in-bulk"])
      try process.waitUntilOutputBlocks()
      process.signal(SIGTERM)
      try process.finishUnread().expect(status: 128 + SIGTERM).expect(stderr: "")
    },
    Case("output-closed", "a reader that leaves ends the guest with status 141 and no noise") {
      session throws(Verdict) in
      var process = try session.monitor.start("probe", ["forever", "print"])
      try process.waitForOutput("\n")
      process.closeOutput()
      try process.finish().expect(status: 128 + SIGPIPE).expect(stderr: "")
    },
  ]
}
