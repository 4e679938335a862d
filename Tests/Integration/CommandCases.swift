/// The commands other than `run`, and `run`'s report.
func commandCases() -> [Case] {
  [
    Case("inspect", "inspect shows segments, note and verdict") { session throws(Verdict) in
      let run = try session.monitor.command(["inspect", session.monitor.image("hello")]).expect(status: 0).expect(
        stderr: "")
      for text in [
        "file          \(session.monitor.image("hello")), ", "type          ET_DYN, machine 62\n", "entry         0x",
        "r-x supervisor\n", " r--\n", " rw-\n", "note          contract version 2, flags 0x0\n",
        "trap table at base + 0x",
        "minimum memory 2097152 bytes\n", "stack size 262144 bytes\n", "relocations   0 RELA, ",
      ] { try run.expectOutput(containing: text) }
      try run.expect(
        run.stdout.lines.last == "accepted", "a last line 'accepted'", got: "'\(run.stdout.lines.last ?? "")'")
      try run.expect(!run.stdout.contains(bytesOf: "rwx"), "no segment that is writable and executable", got: "one")
      try session.monitor.command(["inspect", session.monitor.image("hello.stripped")]).expect(status: 0)
        .expectOutput(containing: "symbols       stripped\n").expectOutput(containing: "\naccepted\n")
      try session.monitor.command(["inspect", "/no/such/image.elf"]).expect(status: 127)
    },
    Case("check", "check finds that this machine can run guests, and on what") { session throws(Verdict) in
      let run = try session.monitor.command(["check"]).expect(status: 0).expect(stderr: "")
      for text in [
        "ok  /dev/kvm is there\n", "ok  API version 12; expected 12\n", "ok  KVM_CAP_READONLY_MEM: there",
        "ok  back end: ",
      ] { try run.expectOutput(containing: text) }
      let areGood = run.stdout.lines.allSatisfy { $0.hasPrefix("ok  ") }
      try run.expect(areGood, "lines that all begin with 'ok'", got: "others too")
      if session.lane == .hardware { try run.expectOutput(containing: "back end: svm (AMD-V)") }
    },
    Case("help", "help and version go to standard output") { session throws(Verdict) in
      for (arguments, text) in [
        (["--help"], "needletail - run Swift unikernels on KVM\n"), (["help"], "needletail - run"),
        (["run", "--help"], "needletail run - "), (["help", "run"], "needletail run - "),
        (["inspect", "--help"], "needletail inspect - "), (["check", "--help"], "needletail check - "),
        (["--version"], "needletail 0."), (["run", "--version"], "needletail 0."),
      ] {
        let run = try session.monitor.command(arguments).expect(status: 0).expect(stderr: "")
        try run.expect(run.stdout.hasPrefix(text), "output that begins with '\(text)'", got: "another beginning")
      }
    },
    Case("report-file", "--report writes JSON about the run") { session throws(Verdict) in
      var directory = try TemporaryDirectory()
      let path = directory.newPath("report.json")
      try session.monitor.run("hello", options: ["--report", path]).expect(status: 0).expect(stdout: "Hello, world!\n")
        .expect(stderr: "")
      let report = String(decoding: try contents(of: path), as: UTF8.self)
      try expectReport(report, outcome: "exited", status: 0)
      // A second run replaces the first one's.
      try session.monitor.run("probe", ["exit", "7"], options: ["--report", path]).expect(status: 7)
      try expectReport(String(decoding: try contents(of: path), as: UTF8.self), outcome: "exited", status: 7)
    },
    Case("report-stderr", "--report - writes it to standard error") { session throws(Verdict) in
      let run = try session.monitor.run("hello", options: ["--report=-"]).expect(status: 0).expect(
        stdout: "Hello, world!\n")
      try expectReport(run.stderr, outcome: "exited", status: 0)
    },
    Case("report-exits", "hello costs at most 3 exits to the monitor") { session throws(Verdict) in
      let run = try session.monitor.run("hello", options: ["--report=-"]).expect(status: 0)
      let line = run.stderr.lines.first { $0.contains(bytesOf: "\"total\":") } ?? ""
      let total = UInt64(numeral: line.words.last ?? "") ?? .max
      try run.expect(total <= 3, "at most 3 exits", got: "'\(line)'")
    },
    Case("report-panic", "a panic is reported too, with the image's name escaped as JSON needs it") {
      session throws(Verdict) in
      var directory = try TemporaryDirectory()
      let path = directory.newPath("report.json")
      let image = try directory.makeFile(
        "a \"quoted\"\n\\name\u{1}.elf", contents(of: session.monitor.image("crash.stripped")))
      try session.monitor.command(["run", "--report", path, image, "null"]).expect(status: 134)
      try expectReport(String(decoding: try contents(of: path), as: UTF8.self), outcome: "panicked", status: 134)
    },
  ]
}

private func expectReport(_ report: String, outcome: String, status: Int) throws(Verdict) {
  guard JSONSyntax.isValid(report) else { throw .failed("expected valid JSON; got \(report)") }
  for text in [
    "\"outcome\": \"\(outcome)\"", "\"exit_status\": \(status)", "\"memory_bytes\": 67108864", "\"exits\": {",
    "\"phases_ns\": {",
    "\"create_vm\": ", "\"monitor\": {", "\"image\": ",
  ] where !report.contains(bytesOf: text) {
    throw .failed("expected a report with '\(text)'; got \(report)")
  }
}
