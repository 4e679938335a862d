/// Every way in which the crash example fails ends in status 134 and a report that says what and where.
func crashCases() -> [Case] {
  Crash.all.map { crash in
    Case("crash-\(crash.kind)", "\(crash.kind) is reported in words, with demangled frames") {
      session throws(Verdict) in
      let run = try session.monitor.run("crash", [crash.kind])
      try crash.expectReport(in: run)
      try crash.expectSymbols(in: run)
    }
  } + [
    Case("crash-stripped", "a stripped image's frames are offsets, and the report says why") {
      session throws(Verdict) in
      let run = try session.monitor.run("crash.stripped", ["privileged-instruction"])
      try Crash("privileged-instruction", says: "general protection fault", in: "").expectReport(in: run)
      try run.expectErrors(containing: " image + 0x")
        .expectErrors(containing: "(the image has no symbols; its frames are offsets from its start)\n")
    },
    Case("crash-usage", "an unknown kind is the example's own error, not a crash") { session throws(Verdict) in
      try session.monitor.run("crash", ["no-such-kind"]).expect(status: 2).expectOutput(containing: "usage: crash KIND")
        .expect(stderr: "")
    },
    Case("crash-words", "control characters in a guest's last words do not reach the terminal") {
      session throws(Verdict) in
      let run = try session.monitor.run("probe", ["panic-with-escapes"]).expect(status: 134)
        .expectErrors(containing: "begin[31mred end")
      let isClean = run.stderr.utf8.allSatisfy { $0 == 0x0a || $0 >= 0x20 }
      try run.expect(isClean, "no control characters on standard error", got: "some")
    },
    Case("crash-in-task", "a failure in a child task is reported like any other") { session throws(Verdict) in
      try session.monitor.run("probe", ["fail-in-child-task"]).expect(status: 134)
        .expectErrors(containing: "Fatal error: child task failed")
        .expectErrors(containing: "failInChildTask()")
    },
  ]
}

/// One of the crash example's kinds.
struct Crash {
  static var all: [Crash] {
    [
      Crash("fatal-error", says: "crash/Failures.swift:8: Fatal error: asked to stop", in: "stop()"),
      Crash("index-out-of-range", says: "Index out of range", in: "indexOutOfRange(array:index:)"),
      Crash("nil-unwrapped", says: "Unexpectedly found nil while unwrapping an Optional value", in: "nilUnwrapped(_:)"),
      Crash("overflow", says: "arithmetic overflow", in: "overflow(_:)"),
      Crash("stack-overflow", says: "stack overflow: page fault on address 0x", in: "stackOverflow(depth:)"),
      Crash("null", says: "null pointer: page fault on address 0x8 while reading", in: "readNull()"),
      Crash("write-to-text", says: "write to read-only memory: page fault on address 0x", in: "writeToText()"),
      Crash("write-to-constant", says: "write to read-only memory: page fault on address 0x", in: "writeToConstant()"),
      Crash("jump-to-heap", says: "execution of data: page fault on address 0x", in: "jumpToHeap()"),
      Crash("jump-to-stack", says: "execution of data: page fault on address 0x", in: "jumpToStack()"),
      Crash("wild-read", says: "page fault on address 0x700000000000 while reading", in: "wildRead()"),
      Crash("out-of-memory", says: "out of memory: 1048608 bytes asked, ", in: "outOfMemory()"),
      Crash("double-free", says: "double free of 0x", in: "needletail_deallocate"),
      Crash("divide-by-zero", says: "division by zero", in: "divideByZero()"),
      Crash("privileged-instruction", says: "general protection fault", in: "privilegedInstruction()"),
      Crash("deadlock", says: "deadlock: every task waits", in: "swift_task_asyncMainDrainQueue"),
    ]
  }

  let kind: String
  /// How the report's first line goes on after "guest panic: ".
  let message: String
  /// A function in the backtrace.
  let function: String

  init(_ kind: String, says message: String, in function: String) {
    self.kind = kind
    self.message = message
    self.function = function
  }

  func expectReport(in run: Run) throws(Verdict) {
    try run.expect(status: 134).expect(stdout: "about to crash: \(kind)\n")
    let first = run.stderr.lines.first ?? ""
    try run.expect(
      first.hasPrefix("needletail: guest panic: \(message)"),
      "a report that begins 'needletail: guest panic: \(message)'",
      got: "'\(first)'")
    // Where it stopped, and the registers.
    try run.expectErrors(containing: "\n   0 0x").expectErrors(containing: "\n  rip 0x")
  }

  func expectSymbols(in run: Run) throws(Verdict) {
    let frames = run.stderr.lines.filter {
      $0.hasPrefix("  ") && $0.contains(bytesOf: " 0x") && $0.contains(bytesOf: " + ")
    }
    try run.expect(
      frames.contains { $0.contains(bytesOf: "\(function) + ") }, "a frame in \(function)",
      got: "none of \(frames.count)")
    // Only mangled names begin so.
    try run.expect(
      !run.stderr.contains(bytesOf: "$s") && !run.stderr.contains(bytesOf: "$e"), "demangled names", got: "mangled ones"
    )
  }
}
