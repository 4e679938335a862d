import CLinux

/// What is no image is refused in one line that names the file, and so it is by `inspect`. The unit tests have every field.
func badImageCases() -> [Case] {
  [
    Case("image-missing", "an image that is not there ends in status 127") { session throws(Verdict) in
      for path in ["/no/such/image.elf", "/dev/null/image.elf", ""] {
        try session.monitor.command(["run", path]).expectRefusal(status: 127, naming: "needletail: \(path): ")
      }
    },
    Case("image-directory", "a directory is refused") { session throws(Verdict) in
      try expectRefused("/", naming: "a directory", session)
    },
    Case("image-device", "/dev/zero is refused instead of read") { session throws(Verdict) in
      try expectRefused("/dev/zero", naming: "a character device", session)
    },
    Case("image-fifo", "a FIFO that nobody writes to is refused instead of waited for") { session throws(Verdict) in
      var directory = try TemporaryDirectory()
      let path = directory.newPath("fifo")
      guard mkfifo(path, 0o644) == 0 else { throw .failed("mkfifo: \(String(cString: strerror(linux_errno())))") }
      try expectRefused(path, naming: "a FIFO", session)
    },
    Case("image-empty", "an empty file is refused") { session throws(Verdict) in
      var directory = try TemporaryDirectory()
      try expectRefused(directory.makeFile("empty.elf", []), naming: "empty", session)
    },
    Case("image-text", "a file that is no ELF file is refused") { session throws(Verdict) in
      var directory = try TemporaryDirectory()
      try expectRefused(directory.makeFile("text.elf", Array("#!/bin/sh\necho hello\n".utf8)), naming: "", session)
    },
    Case("image-truncated", "an image that ends early is refused, wherever it ends") { session throws(Verdict) in
      let whole = try contents(of: session.monitor.image("hello.stripped"))
      for length in [1, 16, 63, 64, 100, 4096, whole.count / 2] {
        var directory = try TemporaryDirectory()
        try expectRefused(directory.makeFile("truncated.elf", Array(whole[..<length])), naming: "", session)
      }
    },
    Case("image-linux-program", "a Linux program is refused: it has no contract note") { session throws(Verdict) in
      try expectRefused("/proc/self/exe", naming: "", session)
    },
    Case("image-unreadable", "an image without read permission is refused with status 126") { session throws(Verdict) in
      guard Unprivileged.isPossible else { throw Unprivileged.impossible }
      var directory = try TemporaryDirectory()
      let path = try directory.makeFile("secret.elf", contents(of: session.monitor.image("hello.stripped")), mode: 0)
      try session.monitor.unprivilegedCommand(["run", path])
        .expectRefusal(status: 126, naming: "needletail: \(path): Permission denied")
    },
    Case("image-not-executable-file", "an image needs read permission only") { session throws(Verdict) in
      var directory = try TemporaryDirectory()
      let path = try directory.makeFile("hello.elf", contents(of: session.monitor.image("hello.stripped")), mode: 0o444)
      try session.monitor.command(["run", path]).expect(status: 0).expect(stdout: "Hello, world!\n")
    },
  ]
}

private func expectRefused(_ path: String, naming reason: String, _ session: Session) throws(Verdict) {
  try session.monitor.command(["run", path]).expectRefusal(status: 126, naming: "needletail: \(path): ")
    .expectErrors(containing: reason)
  // `inspect` says the same on standard output.
  let inspection = try session.monitor.command(["inspect", path]).expect(status: 126).expect(stderr: "")
  let last = inspection.stdout.lines.last ?? ""
  try inspection.expect(
    last.hasPrefix("not acceptable: ") && last.contains(bytesOf: reason), "'not acceptable: ...\(reason)'",
    got: "'\(last)'")
}
