import CLinux

/// The same sources built for Linux behave the same.
func hostedCases() -> [Case] {
  [
    Case("hosted-hello", "the hosted hello prints what the booted one prints", needsKVM: false) {
      session throws(Verdict) in
      try session.runHosted("hello").expect(status: 0).expect(stdout: "Hello, world!\n").expect(stderr: "")
      try session.runHosted("hello", "Grüße").expect(status: 0).expect(stdout: "Hello, Grüße!\n")
    },
    Case("hosted-clock", "the hosted clock example does what the booted one does", needsKVM: false) {
      session throws(Verdict) in
      try expectClockExample(session.runHosted("clock"))
    },
    Case("hosted-crash", "a hosted failure kills the process, with the same message", needsKVM: false) {
      session throws(Verdict) in
      let run = try session.runHosted("crash", "fatal-error")
      var isSignalled = false
      if case .signalled = run.ending { isSignalled = true }
      try run.expect(isSignalled, "death by a signal", got: run.ending.text)
      try run.expectErrors(containing: "crash/Failures.swift:8: Fatal error: asked to stop")
      try session.runHosted("crash", "no-such-kind").expect(status: 2).expectOutput(containing: "usage: crash KIND")
    },
  ]
}

extension Session {
  fileprivate func runHosted(_ name: String, _ arguments: String...) throws(Verdict) -> Run {
    guard let hostedDirectory else { throw .skipped("no --hosted directory given") }
    // Swift's own backtracer would take seconds and write to standard output.
    var process = try ChildProcess(
      ["\(hostedDirectory)/\(name)"] + arguments, environment: ["PATH=/usr/bin:/bin", "SWIFT_BACKTRACE=enable=no"],
      watchdogSeconds: lane.watchdogSeconds)
    return try process.finish()
  }
}
