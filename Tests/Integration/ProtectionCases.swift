/// What the guest may not do, it cannot: every attempt ends the machine and names what was attempted.
func protectionCases() -> [Case] {
  let reading = "while reading", writing = "while writing", executing = "while executing"
  let accesses: [ForbiddenAccess] = [
    ForbiddenAccess("read-null", reading, "null pointer: "),
    ForbiddenAccess("write-null", writing, "null pointer: "),
    ForbiddenAccess("execute-null", executing, "null pointer: "),
    ForbiddenAccess("read-null-page-end", reading, "null pointer: "),
    ForbiddenAccess("write-own-text", writing, "write to read-only memory: "),
    ForbiddenAccess("write-constants", writing, "write to read-only memory: "),
    ForbiddenAccess("write-relocated-constants", writing, "write to read-only memory: "),
    ForbiddenAccess("execute-constants", executing, "execution of data: "),
    ForbiddenAccess("execute-data", executing, "execution of data: "),
    ForbiddenAccess("execute-heap", executing, "execution of data: "),
    ForbiddenAccess("execute-stack", executing, "execution of data: "),
    ForbiddenAccess("execute-shared-page", executing, "execution of data: "),
    ForbiddenAccess("execute-boot-information", executing, "execution of data: "),
    ForbiddenAccess("write-boot-information", writing, "write to read-only memory: "),
    ForbiddenAccess("write-clock-page", writing, "write to read-only memory: "),
    ForbiddenAccess("read-trap-text", reading, ""),
    ForbiddenAccess("write-trap-text", writing, "write to read-only memory: "),
    ForbiddenAccess("execute-trap-text", executing, ""),
    ForbiddenAccess("read-ring-0-stack", reading, ""),
    ForbiddenAccess("write-ring-0-stack", writing, ""),
    ForbiddenAccess("read-interrupt-descriptors", reading, ""),
    ForbiddenAccess("write-interrupt-descriptors", writing, ""),
    ForbiddenAccess("write-global-descriptors", writing, ""),
    ForbiddenAccess("read-page-tables", reading, ""),
    ForbiddenAccess("write-page-tables", writing, ""),
    ForbiddenAccess("write-below-stack", writing, "stack overflow: "),
    ForbiddenAccess("read-below-image", reading, ""),
    ForbiddenAccess("read-behind-image", reading, ""),
    ForbiddenAccess("read-behind-memory", reading, ""),
    ForbiddenAccess("write-behind-memory", writing, ""),
    ForbiddenAccess("read-local-apic", reading, ""),
  ]
  let instructions = [
    "cli", "sti", "in", "out", "mov-from-cr0", "mov-to-cr0", "mov-to-cr3", "mov-to-cr4", "rdmsr", "wrmsr", "lgdt",
    "lidt",
    "ltr", "invlpg", "wbinvd", "clts", "int-0x20", "int-0x80", "iret-to-ring-0", "load-kernel-segment", "xsetbv",
    "non-canonical-read", "rdpmc", "swapgs", "sysret",
  ]
  return accesses.map { access in
    Case("forbidden-\(access.mode)", "\(access.mode.spaced) faults, and the report has the address") {
      session throws(Verdict) in
      try access.check(session.monitor)
    }
  }
    + instructions.map { instruction in
      Case("ring-3-\(instruction)", "\(instruction) in ring 3 ends the machine and has no effect") {
        session throws(Verdict) in
        try session.monitor.run("probe", ["instruction", instruction]).expect(status: 134)
          .expect(stdout: "executing \(instruction)\n").expectErrors(containing: "needletail: guest panic: ")
      }
    } + [
      Case("ring-3-int3", "the breakpoint instruction is reported as one") { session throws(Verdict) in
        try session.monitor.run("probe", ["instruction", "int3"]).expect(status: 134)
          .expectErrors(containing: "needletail: guest panic: breakpoint\n")
      },
      Case("ring-3-syscall", "the syscall instruction reaches no kernel") { session throws(Verdict) in
        // getpid: on Linux it would return a process identifier.
        try session.monitor.run("probe", ["instruction", "syscall"]).expect(status: 134)
          .expect(stdout: "executing syscall\n").expectErrors(containing: "needletail: guest panic: ")
      },
      Case("control-page", "the control page takes 4-byte writes to its registers and nothing else") {
        session throws(Verdict) in
        let accesses: [(mode: String, report: String)] = [
          ("read-control-page", "read of 1 bytes at control page offset 0x0"),
          ("write-control-byte", "write of 1 bytes at control page offset 0x0"),
          ("write-control-quad", "write of 8 bytes at control page offset 0x0"),
          ("write-control-unknown", "write of 4 bytes at control page offset 0xffc"),
          ("write-control-unaligned", "write of 4 bytes at control page offset 0x1"),
        ]
        for access in accesses {
          try session.monitor.run("probe", ["forbidden", access.mode]).expect(status: 134)
            .expectErrors(containing: "needletail: guest panic: \(access.report)")
        }
      },
      Case("shared-page-hostile", "lengths in the shared page that are too large are cut, not believed") {
        session throws(Verdict) in
        let run = try session.monitor.run("probe", ["lie-about-lengths"])
        try run.expect(status: 134)
        try run.expect(
          run.stdout.utf8.count == 3328, "the console buffer's 3328 bytes", got: "\(run.stdout.utf8.count)")
        try run.expect(run.stderr.utf8.count < 10_000, "a report of usual size", got: "\(run.stderr.utf8.count) bytes")
      },
    ]
}

/// An access that the page tables forbid.
private struct ForbiddenAccess {
  let mode: String
  let direction: String
  /// What the report calls it; empty where it is not said.
  let kind: String

  init(_ mode: String, _ direction: String, _ kind: String) {
    self.mode = mode
    self.direction = direction
    self.kind = kind
  }

  func check(_ monitor: Monitor) throws(Verdict) {
    let run = try monitor.run("probe", ["forbidden", mode]).expect(status: 134)
    // The probe says first what it is going to touch.
    let address = try run.number("touching")
    try run.expect(!run.stdout.contains(bytesOf: "still alive"), "no way past the access", got: "one")
    let fault = "page fault on address \(address.hexadecimal) \(direction)\n"
    try run.expectErrors(containing: kind.isEmpty ? fault : "needletail: guest panic: \(kind)\(fault)")
  }
}

extension String {
  fileprivate var spaced: String { String(decoding: utf8.map { $0 == 0x2d ? 0x20 : $0 }, as: UTF8.self) }
}
