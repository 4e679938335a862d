import CLinux

/// The same images without the monitor, entered through their PVH note by QEMU's microvm: what they print is what they print
/// elsewhere, and the devices are ones that others have made (docs/pvh.md).
func microVMCases() -> [Case] {
  outputs() + crashes() + devices() + microVMNetworkCases() + refusals()
}

private func outputs() -> [Case] {
  [
    Case("microvm-hello", "hello prints the same line and ends with the same status", needsKVM: false) {
      session throws(Verdict) in
      for image in ["hello", "hello.stripped"] {
        try session.microVM(image).expect(exit: 0).expect(stdout: "Hello, world!\n").expect(stderr: "")
      }
      try session.microVM("hello", "-- you").expect(exit: 0).expect(stdout: "Hello, you!\n")
    },
    Case("microvm-clock", "timers, sleeping and the time of day", needsKVM: false) { session throws(Verdict) in
      let run = try session.microVM("clock").expect(exit: 0)
      // The emulator's own status is not the example's.
      try expectClockExample(Run(command: run.command, ending: .exited(0), stdout: run.stdout, stderr: run.stderr))
    },
    Case("microvm-stutter", "a machine that loses its processor again and again measures its clock", needsKVM: false) {
      session throws(Verdict) in
      var process = try session.startMicroVM("hello")
      // What a busy host does: longer stops than the PIT counts, and between them no time for the usual measurement.
      for _ in 0..<60 {
        process.signal(SIGSTOP)
        poll(nil, 0, 60)
        process.signal(SIGCONT)
        poll(nil, 0, 2)
      }
      try process.finish().expect(exit: 0).expect(stdout: "Hello, world!\n").expect(stderr: "")
    },
    Case("microvm-status", "an exit status comes out, or is told where nothing carries it", needsKVM: false) {
      session throws(Verdict) in
      try session.microVM("crash", "-- no-such-kind").expect(exit: 2).expectOutput(containing: "usage: crash KIND")
      // A reset ends QEMU with status 0.
      let run = try session.microVM("crash", "-- no-such-kind", exitPort: false).expect(status: 0)
      try run.expect(
        run.stdout.lines.last == "needletail: exit status 2", "a last line 'needletail: exit status 2'",
        got: "'\(run.stdout.lines.last ?? "")'")
      try session.microVM("hello", exitPort: false).expect(status: 0).expect(stdout: "Hello, world!\n")
    },
  ]
}

private func crashes() -> [Case] {
  Crash.all.map { crash in
    Case("microvm-crash-\(crash.kind)", "\(crash.kind) is reported in the same words", needsKVM: false) {
      session throws(Verdict) in
      for image in ["crash", "crash.stripped"] {
        let run = try session.microVM(image, "-- \(crash.kind)").expect(exit: 134).expect(stderr: "")
        // What Swift would have said of a trap stands in the debug information alone, which is not in memory.
        let needsFile = ["index-out-of-range", "nil-unwrapped", "overflow"].contains(crash.kind)
        let words = needsFile ? "trap or illegal instruction\n" : crash.message
        let expected = "about to crash: \(crash.kind)\nneedletail: guest panic: \(words)"
        try run.expect(run.stdout.hasPrefix(expected), "output that begins '\(expected)'", got: "another beginning")
        try run.expectOutput(containing: "\n   0 0x").expectOutput(containing: " image + 0x")
          .expectOutput(containing: "  rip 0x")
      }
    }
  }
}

private func devices() -> [Case] {
  [
    Case("microvm-kv-serial", "a key-value session on QEMU's disk, the console on the serial port", needsKVM: false) {
      session throws(Verdict) in
      for interrupts in ["edge", "level"] {
        let disk = try Disk(byteCount: 1 << 20)
        try session.microVM(
          "kv", "needletail.interrupts=\(interrupts)", devices: disk.asVirtioBlock(), input: StoreSession.input
        ).expect(exit: 0).expect(stdout: StoreSession.output).expect(stderr: "")
      }
    },
    Case("microvm-kv-console", "the same, what is said to it coming by QEMU's virtio console", needsKVM: false) {
      session throws(Verdict) in
      let disk = try Disk(byteCount: 1 << 20)
      let run = try session.microVM(
        "kv", serial: "file:/dev/stderr",
        devices: disk.asVirtioBlock() + [
          "-chardev", "stdio,id=console", "-device", "virtio-serial-device", "-device", "virtconsole,chardev=console",
        ], input: StoreSession.input)
      // Output is the serial port's.
      try run.expect(exit: 0).expect(stderr: StoreSession.output)
    },
    Case("microvm-kv-restart", "what was committed is there after a restart, here and under the monitor") {
      session throws(Verdict) in
      let disk = try Disk(byteCount: 1 << 20)
      // ^D is the end of what a serial line says.
      try session.microVM("kv", devices: disk.asVirtioBlock(), input: "set a 1\ncommit\nset a 2\n\u{4}").expect(exit: 0)
      let input = try Disk(Array("get a\nset b 3\ncommit\n".utf8))
      try session.monitor.run("kv", options: disk.attached(as: "data"), input: .file(input.path)).expect(
        stdout: "1\ncommitted 1\n")
      try session.microVM("kv", devices: disk.asVirtioBlock(), input: "list\nget b\nquit\n").expect(exit: 0).expect(
        stdout: "a\nb\n3\n")
    },
    Case(
      "microvm-device-order", "devices of one kind go by QEMU's words, from the highest address down", needsKVM: false
    ) { session throws(Verdict) in
      let one = try Disk([UInt8](repeating: 0x61, count: 4096)), other = try Disk([UInt8](repeating: 0x62, count: 8192))
      let drives = [
        "-drive", "file=\(one.path),if=none,id=one,format=raw", "-drive",
        "file=\(other.path),if=none,id=other,format=raw",
      ]
      func checksum(_ devices: [String]) throws(Verdict) -> String {
        var options = drives
        for device in devices { options += ["-device", device] }
        return try session.microVM("device-probe", "-- checksum data", devices: options).expect(exit: 0).stdout
      }
      let (first, second) = ("virtio-blk-device,drive=one", "virtio-blk-device,drive=other")
      // Without a bus, the first -device is the first of the words.
      let checksums = (
        one: try checksum([first, second, "virtio-rng-device"]),
        other: try checksum([second, first, "virtio-rng-device"])
      )
      guard checksums.one != checksums.other else { throw .failed("expected two disks; got one twice") }
      // With one, the order of -device means nothing, and the higher bus comes first.
      let (low, high) = (",bus=virtio-mmio-bus.0", ",bus=virtio-mmio-bus.1")
      let entropy = "virtio-rng-device,bus=virtio-mmio-bus.2"
      for devices in [[first + low, second + high, entropy], [second + high, first + low, entropy]] {
        let got = try checksum(devices)
        guard got == checksums.other else {
          throw .failed("expected the disk on bus 1, \(checksums.other); got \(got)")
        }
      }
    },
    Case("microvm-explicit-device", "a device on a line that the loader did not write", needsKVM: false) {
      session throws(Verdict) in
      let disk = try Disk(byteCount: 1 << 20)
      for words in [
        "virtio_mmio.device=512@0xfeb00000:5",
        "virtio_mmio.device=0x200@0xfeb00000:5:7 needletail.name=data@0xfeb00000",
      ] {
        try session.microVM(
          "kv", words, machine: "auto-kernel-cmdline=off", devices: disk.asVirtioBlock(bus: 0), input: "list\nquit\n"
        ).expect(exit: 0).expect(stdout: "")
      }
    },
  ]
}

private func refusals() -> [Case] {
  [
    Case("microvm-legacy", "a legacy device is refused, with the remedy", needsKVM: false) { session throws(Verdict) in
      let disk = try Disk(byteCount: 1 << 20)
      try session.microVM("kv", isLegacy: true, devices: disk.asVirtioBlock()).expectRefusal(
        "-global virtio-mmio.force-legacy=false")
    },
    Case("microvm-missing", "a device that is declared and not attached", needsKVM: false) { session throws(Verdict) in
      try session.microVM("kv").expectRefusal("the image declares the block device 'data', which is not attached")
    },
    Case("microvm-undeclared", "a device that is attached and not declared", needsKVM: false) {
      session throws(Verdict) in
      try session.microVM("hello", devices: ["-device", "virtio-rng-device"]).expectRefusal(
        "the image does not declare the entropy device that is attached")
    },
    Case("microvm-bad-words", "words that make no sense are quoted", needsKVM: false) { session throws(Verdict) in
      for word in [
        "needletail.speed=fast", "needletail.interrupts=sometimes", "needletail.exit=0x10000",
        "virtio_mmio.device=512@0xfeb00000", "virtio_mmio.device=1@0xfeb00000:5", "needletail.name=data@0xfeb00000",
      ] { try session.microVM("hello", word).expectRefusal("'\(word)': expected ") }
      // Nothing of QEMU's is there.
      try session.microVM("hello", "virtio_mmio.device=512@0xd0000000:5").expectRefusal(
        "there is no virtio-mmio device")
      let line = String(repeating: "x", count: 4096)
      try session.microVM("hello", line).expectRefusal("the command line is too long; expected at most 4095 bytes")
    },
    Case("microvm-memory", "a machine that is too small says how much it needs", needsKVM: false) {
      session throws(Verdict) in
      try session.microVM("hello", memory: "3M").expectRefusal("memory size is 3072K; expected at least ")
      try session.microVM("hello", memory: "8M").expect(exit: 0).expect(stdout: "Hello, world!\n")
    },
    Case("microvm-modules", "an initial RAM disk is refused", needsKVM: false) { session throws(Verdict) in
      let disk = try Disk([1, 2, 3, 4])
      try session.microVM("hello", devices: ["-initrd", disk.path]).expectRefusal("with 1 modules")
    },
  ]
}

extension Run {
  /// One line on the serial port that contains `text`, and a failing status: nothing was entered.
  fileprivate func expectRefusal(_ text: String) throws(Verdict) {
    // Before the command line has been understood, nothing says where the exit is, and QEMU ends with a reset.
    try expect(ending == .exited((2 * 125 + 1) & 0xff) || ending == .exited(0), "status 251, or 0", got: ending.text)
    let refusal = stdout.lines.first ?? ""
    try expect(
      refusal.hasPrefix("needletail: ") && refusal.contains(bytesOf: text), "a line with '\(text)'", got: "'\(refusal)'"
    )
    let rest = stdout.lines.dropFirst()
    try expect(
      ending == .exited(0) ? rest == ["needletail: exit status 125"] : rest.isEmpty, "no more than that", got: "more")
  }
}
