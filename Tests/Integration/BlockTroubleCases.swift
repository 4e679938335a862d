import CLinux

/// What goes wrong with a disk while a guest uses it is the guest's to hear of; what goes wrong with the guest hurts no disk.
func blockTroubleCases() -> [Case] {
  [
    Case("block-shrinks", "a file that becomes shorter under a guest gives errors, and the machine lives") {
      session throws(Verdict) in
      let disks = try ProbeDisks()
      for flags in ["", ",ro"] {
        try disks.data.resize(to: 1 << 20)
        try disks.data.write([0], at: 0)
        var process = try session.monitor.start(
          "device-probe",
          ["block", "data"] + "say ready until 1 read 65536 512 read 0 16384 read 0 512 say alive".words,
          options: disks.options(flags))
        try process.waitForOutput("ready\n")
        try disks.data.resize(to: 8192)
        try disks.data.write([1], at: 0)
        let run = try process.finish().expect(status: 0).expect(stderr: "")
        let lines = run.stdout.lines
        try run.expect(lines.count == 5, "5 lines", got: "\(lines.count)")
        for (line, expected) in [
          (lines[1], "read of 512 bytes at 65536 of block device 'data': I/O error"),
          (lines[2], "read of 16384 bytes at 0 of block device 'data': I/O error"),
          (lines[3], "read 512 at 0: 1 x 1, 511 x 0"), (lines[4], "alive"),
        ] { try run.expect(line == expected, "'\(expected)'", got: "'\(line)'") }
      }
    },
    Case("block-full", "a full file system is an I/O error of the write, and the machine lives") {
      session throws(Verdict) in
      let mount = try Mount(options: "size=256k")
      // Sparse, and larger than what fits.
      let path = mount.path + "/disk"
      close(linux_open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0o600))
      truncate(path, 4 << 20)
      let log = try Disk(byteCount: 512)
      try session.monitor.run(
        "device-probe",
        ["block", "data"] + "write 0 4096 7 write 1048576 1048576 1 flush read 0 4096 say alive".words,
        options: ["--block", "data=\(path)"] + log.attached(as: "log")
      ).expect(status: 0).expect(stderr: "")
        .expect(
          stdout: """
            wrote 4096 at 0
            write of 1048576 bytes at 1048576 of block device 'data': I/O error
            flushed
            read 4096 at 0: 4096 x 7
            alive

            """)
    },
    Case("block-size-limit", "a file longer than this process may write is refused") { session throws(Verdict) in
      let disk = try Disk(byteCount: 1 << 20)
      // In units of 512 bytes, or 1024, by the shell.
      let script = "ulimit -f 100; exec \"$0\" \"$@\""
      let command = [session.monitor.path, "run"] + disk.attached(as: "data") + [session.monitor.image("idle-disk")]
      var process = try ChildProcess(
        ["/bin/sh", "-c", script] + command, watchdogSeconds: session.monitor.watchdogSeconds)
      try process.finish().expectRefusal(status: 125, naming: "this process may write up to ")
    },
    endless("block-busy-exit", "a guest that ends while its disk is busy ends with its own status", ["exit"]) {
      _, run throws(Verdict) in try run.expect(status: 9).expect(stdout: "ready\n").expect(stderr: "")
    },
    endless("block-busy-panic", "a guest that panics while its disk is busy is reported as ever", ["panic"]) {
      _, run throws(Verdict) in
      try run.expect(status: 134).expect(stdout: "ready\n").expectErrors(containing: "while the disk is busy")
    },
    endless("block-busy-SIGTERM", "a signal stops a machine whose disk is busy", [], signal: SIGTERM) {
      _, run throws(Verdict) in
      try run.expect(status: 128 + SIGTERM).expect(stdout: "ready\n").expect(stderr: "")
    },
    endless("block-busy-SIGKILL", "so does SIGKILL, and the file is free again", [], signal: SIGKILL) {
      _, run throws(Verdict) in
      try run.expect(run.ending == .signalled(SIGKILL), "death by SIGKILL", got: run.ending.text)
    },
  ]
}

/// A guest with many requests under way ends, or is ended.
private func endless(
  _ name: String, _ proves: String, _ arguments: [String], signal: Int32? = nil,
  _ expect: @escaping @Sendable (Session, Run) throws(Verdict) -> Void
) -> Case {
  Case(name, proves) { session throws(Verdict) in
    for flags in ["", ",direct"] {
      let disks = try ProbeDisks()
      for _ in 0..<5 {
        var process = try session.monitor.start("device-probe", ["endless"] + arguments, options: disks.options(flags))
        if let signal {
          try process.waitForOutput("ready\n")
          process.signal(signal)
        }
        let run = try process.finish()
        // Not every file system has direct access; block-verify-direct says so.
        if run.stderr.contains(bytesOf: "cannot be accessed directly") { return }
        try expect(session, run)
      }
      // Each block of 128 KiB has one writer, who writes one byte.
      let contents = try disks.data.contents()
      for (index, byte) in contents.enumerated() where byte != 0 && Int(byte) != index / (128 << 10) {
        throw .failed("expected \(index / (128 << 10)) at \(index) of the file; got \(byte)")
      }
    }
  }
}

/// A file system in memory for one case.
private struct Mount: ~Copyable {
  let path: String
  private let directory: TemporaryDirectory

  init(options: String) throws(Verdict) {
    guard geteuid() == 0 else { throw .skipped("this process is not root's, so it cannot mount a file system") }
    let directory = try TemporaryDirectory()
    var process = try ChildProcess(
      ["/bin/sh", "-c", "mount -t tmpfs -o \(options) tmpfs \(directory.path)"], watchdogSeconds: 30)
    let run = try process.finish()
    guard run.ending == .exited(0) else {
      throw .skipped("this process may not mount a file system: \(run.stderr.lines.first ?? "")")
    }
    path = directory.path
    self.directory = directory
  }

  deinit {
    umount(path)
  }
}
