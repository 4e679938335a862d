import CLinux

/// A command line that makes no sense, or a machine that cannot be had, ends in status 125 and one line.
func badUsageCases() -> [Case] {
  let sizes = [
    "0", "1M", "abc", "32junk", "99999G", "2049", "", "-1", "64 M", "0x400000", "99999999999999999999", "M", "16G1",
    "17G",
  ]
  return sizes.map { size in
    Case("memory-size-\(size.isEmpty ? "empty" : size.replacingSpaces)", "--memory '\(size)' is refused") {
      session throws(Verdict) in
      try session.monitor.run("hello", options: ["--memory", size])
        .expectRefusal(status: 125, naming: "run: --memory is '\(size)'; expected ")
    }
  } + [
    Case("usage", "what is missing or unknown is named") { session throws(Verdict) in
      let image = session.monitor.image("hello")
      let commandLines: [(arguments: [String], naming: String)] = [
        ([], "no command given"), (["walk"], "unknown command 'walk'"), (["--walk"], "unknown option '--walk'"),
        (["run"], "no image given"), (["run", "--no-aslr"], "no image given"), (["run", "--"], "no image given"),
        (["run", "--fast", image], "unknown option '--fast'"), (["run", "-x", image], "unknown option '-x'"),
        (["run", "--memory"], "--memory needs a value"), (["run", "--report"], "--report needs a value"),
        (["run", "--no-aslr=1", image], "--no-aslr takes no value"), (["inspect"], "inspect: no image given"),
        (["inspect", "--all", image], "unknown option '--all'"), (["inspect", image, image], "expected one image"),
        (["check", "this"], "expected no arguments"), (["help", "walk"], "no command 'walk'"),
      ]
      for commandLine in commandLines {
        try session.monitor.command(commandLine.arguments).expectRefusal(status: 125, naming: commandLine.naming)
      }
    },
    Case("kvm-permission", "a user who may not open /dev/kvm is told so") { session throws(Verdict) in
      guard Unprivileged.isPossible else { throw Unprivileged.impossible }
      var status = stat()
      guard stat("/dev/kvm", &status) == 0, status.st_mode & 0o006 == 0 else {
        throw .skipped("everybody may open /dev/kvm here")
      }
      try session.monitor.unprivilegedCommand(["run", session.monitor.image("hello")])
        .expectRefusal(status: 125, naming: "/dev/kvm: Permission denied")
      try session.monitor.unprivilegedCommand(["check"]).expect(status: 1).expect(stderr: "")
        .expectOutput(containing: "no  open /dev/kvm: Permission denied")
    },
    Case("report-unwritable", "a report that cannot be written is said before the guest runs") {
      session throws(Verdict) in
      for path in ["/no/such/directory/report.json", "/"] {
        try session.monitor.run("hello", options: ["--report", path]).expectRefusal(status: 125, naming: path)
      }
    },
    Case("output-unwritable", "output that cannot be written is an error, not silence") { session throws(Verdict) in
      // Writing to /dev/full fails with ENOSPC (full(4)).
      let script = "exec \"$1\" run \"$2\" > /dev/full"
      var process = try ChildProcess(
        ["/bin/sh", "-c", script, "sh", session.monitor.path, session.monitor.image("hello")],
        watchdogSeconds: session.lane.watchdogSeconds)
      try process.finish().expectRefusal(status: 125, naming: "No space left on device")
    },
  ]
}

extension String {
  fileprivate var replacingSpaces: String { String(decoding: utf8.map { $0 == 0x20 ? 0x5f : $0 }, as: UTF8.self) }
}
