import CLinux

/// The disks that an image declares are those that it is given, and a file that cannot be one is refused.
func blockAttachmentCases() -> [Case] {
  [
    Case("block-undeclared", "a disk that the image does not declare is refused") { session throws(Verdict) in
      let disk = try Disk(byteCount: 4096)
      try session.monitor.run("hello", options: disk.attached(as: "data"))
        .expectRefusal(
          status: 125,
          naming: "block device 'data' is attached, but the image does not declare it; it declares no block")
      try session.monitor.run("idle-disk", options: disk.attached(as: "Data"))
        .expectRefusal(status: 125, naming: "'Data' is attached, but the image does not declare it; it declares 'data'")
    },
    Case("block-missing", "a disk that is declared and not attached is named") { session throws(Verdict) in
      try session.monitor.run("idle-disk").expectRefusal(status: 125, naming: "expected --block data=PATH")
      let disk = try Disk(byteCount: 4096)
      try session.monitor.run("device-probe", options: disk.attached(as: "data"))
        .expectRefusal(
          status: 125,
          naming: "the image declares the block device 'log', which is not attached; expected --block log=PATH")
    },
    Case("block-option", "an option --block that makes no sense is refused") { session throws(Verdict) in
      let disk = try Disk(byteCount: 4096)
      for text in ["data", "=\(disk.path)", "", "data=", "data=,ro"] {
        try session.monitor.run("idle-disk", options: ["--block", text])
          .expectRefusal(status: 125, naming: "--block is '\(text)'; expected ")
      }
      try session.monitor.run("idle-disk", options: disk.attached(as: "data") + disk.attached(as: "data", ",ro"))
        .expectRefusal(status: 125, naming: "data")
      try session.monitor.command(["run", "--block"]).expectRefusal(status: 125, naming: "--block needs a value")
    },
    Case("block-bad-file", "what is no disk is refused with its path") { session throws(Verdict) in
      var directory = try TemporaryDirectory()
      let empty = try directory.makeFile("empty", [])
      let odd = try directory.makeFile("odd", [UInt8](repeating: 0, count: 513))
      let pipe = directory.newPath("pipe")
      mkfifo(pipe, 0o600)
      for (path, expected) in [
        ("/no/such/disk", "/no/such/disk: No such file or directory"), (empty, "size is 0 bytes"),
        (odd, "size is 513 bytes; expected a multiple of 512"),
        (directory.path, "neither a regular file nor a block device"), (pipe, "neither a regular file nor"),
        ("/dev/null", "neither a regular file nor a block device"),
      ] {
        for flags in ["", ",ro"] {
          try session.monitor.run("idle-disk", options: ["--block", "data=\(path)\(flags)"])
            .expectRefusal(status: 125, naming: "block device 'data': ").expectErrors(containing: path)
            .expectErrors(containing: expected)
        }
      }
    },
    Case("block-permission", "a file that may not be written is refused, and read on request") {
      session throws(Verdict) in
      guard Unprivileged.isPossible else { throw Unprivileged.impossible }
      let disk = try Disk(byteCount: 4096)
      chmod(disk.path, 0o444)
      let image = session.monitor.image("idle-disk")
      try session.monitor.unprivilegedCommand(["run"] + disk.attached(as: "data") + [image])
        .expectRefusal(status: 125, naming: "block device 'data': ")
        .expectErrors(containing: "\(disk.path): Permission denied")
      let run = try session.monitor.unprivilegedCommand(["run"] + disk.attached(as: "data", ",ro") + [image])
      // Such a user may be kept from /dev/kvm as well, which comes later.
      guard run.stderr.contains(bytesOf: "/dev/kvm") else { return _ = try run.expect(status: 0) }
      try run.expectRefusal(status: 125, naming: "/dev/kvm: Permission denied")
    },
    Case("block-locked", "a file has one machine that writes it, or any number that read it") {
      session throws(Verdict) in
      let disk = try Disk(byteCount: 4096)
      let hold = ["block", "data", "say", "ready", "until", "1"]
      // Each has another second disk, or else that would be in the way.
      let firstLog = try Disk(byteCount: 512)
      let secondLog = try Disk(byteCount: 512)
      for (first, second, expected) in [
        ("", "", "in use; expected nobody else for it to be written"),
        (",ro", "", "in use; expected nobody else for it to be written"),
        ("", ",ro", "in use by a writer; expected readers only for it to be read"),
      ] {
        var holder = try session.monitor.start(
          "device-probe", hold, options: disk.attached(as: "data", first) + firstLog.attached(as: "log"))
        try holder.waitForOutput("ready\n")
        try session.monitor.run(
          "device-probe", ["info"], options: disk.attached(as: "data", second) + secondLog.attached(as: "log")
        ).expectRefusal(status: 125, naming: "block device 'data': \(disk.path): \(expected)")
        // The one that was there first goes on.
        try disk.write([1], at: 0)
        try holder.finish().expect(status: 0)
        try disk.write([0], at: 0)
      }
      var holder = try session.monitor.start(
        "device-probe", hold, options: disk.attached(as: "data", ",ro") + firstLog.attached(as: "log"))
      try holder.waitForOutput("ready\n")
      try session.monitor.run(
        "device-probe", ["info"], options: disk.attached(as: "data", ",ro") + secondLog.attached(as: "log")
      )
      .expect(status: 0)
      try disk.write([1], at: 0)
      try holder.finish().expect(status: 0)
      // Nothing is left of the locks when their machines are gone.
      try session.monitor.run(
        "device-probe", ["info"], options: disk.attached(as: "data") + firstLog.attached(as: "log")
      )
      .expect(status: 0)
    },
    Case("block-locked-twice", "one file cannot be two disks of a machine that writes") { session throws(Verdict) in
      let disk = try Disk(byteCount: 4096)
      try session.monitor.run("device-probe", ["info"], options: disk.attached(as: "data") + disk.attached(as: "log"))
        .expectRefusal(status: 125, naming: "in use")
      try session.monitor.run(
        "device-probe", ["info"], options: disk.attached(as: "data", ",ro") + disk.attached(as: "log", ",ro")
      ).expect(status: 0)
    },
    Case("inspect-devices", "inspect shows what an image declares") { session throws(Verdict) in
      let run = try session.monitor.command(["inspect", session.monitor.image("device-probe")]).expect(status: 0)
        .expect(stderr: "")
      for text in ["console", "entropy", "block", "data", "log", "\naccepted\n"] {
        try run.expectOutput(containing: text)
      }
    },
    Case("report-devices", "--report counts what each device did") { session throws(Verdict) in
      let disks = try ProbeDisks()
      let run = try session.monitor.run(
        "device-probe", ["block", "data"] + "read 0 512 write 0 512 1 flush".words,
        options: disks.options() + ["--report=-"]
      ).expect(status: 0)
      guard JSONSyntax.isValid(run.stderr) else { throw run.failure("valid JSON", got: "something else") }
      for text in ["\"devices\": {", "\"data\": {", "\"log\": {", "\"kind\": \"block\"", "\"kind\": \"entropy\""] {
        try run.expectErrors(containing: text)
      }
      // Three requests of the disk that was used, none of the other.
      let requests = run.stderr.lines.filter { $0.contains(bytesOf: "\"requests\": ") }.map { $0.words.last ?? "" }
      try run.expect(requests.filter { $0 == "3," }.count == 1, "one device with 3 requests", got: "\(requests)")
      try run.expect(
        requests.filter { $0 == "0," }.count == requests.count - 1, "no request of any other", got: "\(requests)")
    },
    Case("block-busy-queue", "a disk that is kept busy past the page cache is notified without exits in the end") {
      session throws(Verdict) in
      // One request after the other, more than BusyQueue.notificationThreshold.
      let steps = 1600
      let disks = try ProbeDisks(dataBytes: 1 << 20)
      let run = try session.monitor.run(
        "device-probe", ["verify", "1", "\(steps)", "4711", "512"],
        options: disks.options(",direct") + ["--report=-"])
      if run.stderr.contains(bytesOf: "cannot be accessed directly") {
        throw .skipped("the file system of /tmp has no direct access")
      }
      try run.expect(status: 0)
      try run.expect(try run.number("wrong") == 0, "nothing wrong", got: try run.value("wrong"))
      let count = try exits(run)
      try run.expect(count > 1000 && count < 1300, "some 1000 exits", got: "\(count)")
    },
    Case("idle-disk", "a disk that is left alone costs at most 5 exits") { session throws(Verdict) in
      let disk = try Disk(byteCount: 4096)
      let hello = try exits(session.monitor.run("hello", options: ["--report=-"]).expect(status: 0))
      let run = try session.monitor.run("idle-disk", options: disk.attached(as: "data") + ["--report=-"])
        .expect(status: 0).expect(stdout: "Hello, disk of 4096 bytes!\n")
      let withDisk = try exits(run)
      try run.expect(withDisk <= hello + 5, "at most \(hello + 5) exits", got: "\(withDisk)")
    },
  ]
}

/// The exits to the monitor that a report counts.
private func exits(_ run: Run) throws(Verdict) -> UInt64 {
  let line = run.stderr.lines.first { $0.contains(bytesOf: "\"total\":") } ?? ""
  guard let total = UInt64(numeral: line.words.last ?? "") else { throw run.failure("a report", got: "none") }
  return total
}
