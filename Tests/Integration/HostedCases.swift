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
    Case("hosted-kv", "the hosted key-value store keeps what was committed, in a file", needsKVM: false) {
      session throws(Verdict) in
      let disk = try Disk(byteCount: 1 << 20)
      func talk(_ input: String, expecting output: String) throws(Verdict) {
        try session.runHosted("kv", devices: "data=\(disk.path)", input: try Disk(Array(input.utf8)))
          .expect(status: 0).expect(stderr: "").expect(stdout: output)
      }
      try talk("set fruit a red apple\ncommit\nset fruit pear\nset never 1\n", expecting: "committed 1\n")
      try talk("get fruit\nlist\nquit\nlist\n", expecting: "a red apple\nfruit\n")
    },
  ]
}

extension Session {
  fileprivate func runHosted(_ name: String, _ arguments: String...) throws(Verdict) -> Run {
    try runHosted([name] + arguments)
  }

  /// - Parameters:
  ///   - devices: where its block devices are (NEEDLETAIL_BLOCK).
  ///   - input: a file with what it reads.
  fileprivate func runHosted(_ name: String, devices: String, input: borrowing Disk) throws(Verdict) -> Run {
    try runHosted([name], environment: ["NEEDLETAIL_BLOCK=\(devices)"], input: .file(input.path))
  }

  private func runHosted(
    _ command: [String], environment: [String] = [], input: ChildProcess.Input = .nothing
  ) throws(Verdict) -> Run {
    guard let hostedDirectory else { throw .skipped("no --hosted directory given") }
    // Swift's own backtracer would take seconds and write to standard output.
    var process = try ChildProcess(
      ["\(hostedDirectory)/\(command[0])"] + command.dropFirst(),
      environment: ["PATH=/usr/bin:/bin", "SWIFT_BACKTRACE=enable=no"] + environment, input: input,
      watchdogSeconds: lane.watchdogSeconds)
    return try process.finish()
  }
}
