/// How much memory a machine has, and where things are in it.
func placementCases() -> [Case] {
  [
    Case("memory-smallest", "hello runs in 2 MiB") { session throws(Verdict) in
      try session.monitor.run("hello", options: ["--memory", "2M"]).expect(status: 0).expect(stdout: "Hello, world!\n")
    },
    Case("memory-sizes", "the guest has the memory that was asked for, in every way to write it") {
      session throws(Verdict) in
      let sizes: [(options: [String], bytes: UInt64)] = [
        ([], 64 << 20), (["--memory", "2048K"], 2 << 20), (["--memory=3M"], 3 << 20), (["-m", "2052K"], 2052 << 10),
        (["--memory", "8388608"], 8 << 20), (["--memory", "1G"], 1 << 30), (["--memory", "5g"], 5 << 30),
        (["--memory", "16G"], 16 << 30),
      ]
      for size in sizes {
        let run = try session.monitor.run("probe", ["layout"], options: size.options).expect(status: 0)
        // The image's own data counts against it.
        let machine = try run.number("machine"), heap = try run.number("heap-size")
        try run.expect(
          machine <= size.bytes && machine + (1 << 20) > size.bytes, "\(size.bytes) bytes", got: "\(machine)")
        try run.expect(
          heap < machine && heap + (2 << 20) > machine / 512 * 511, "most of it for the heap", got: "\(heap)")
      }
    },
    Case("memory-every-byte", "all of the heap can be written and read back") { session throws(Verdict) in
      try session.monitor.run("probe", ["fill-heap"], options: ["--memory", "32M"]).expect(status: 0)
        .expectOutput(containing: "intact\n")
    },
    Case("addresses-random", "image, stack and heap are elsewhere in every run") { session throws(Verdict) in
      var previous: [String: UInt64] = [:]
      for _ in 0..<4 {
        let run = try session.monitor.run("probe", ["layout"]).expect(status: 0)
        for name in placed {
          let address = try run.number(name)
          try run.expect(
            previous[name] != address, "another address of \(name)", got: "the same, \(address.hexadecimal)")
          previous[name] = address
        }
      }
    },
    Case("addresses-fixed", "with --no-aslr they are where they were, the image where it was linked") {
      session throws(Verdict) in
      let first = try session.monitor.run("probe", ["layout"], options: ["--no-aslr"]).expect(status: 0)
      let second = try session.monitor.run("probe", ["layout"], options: ["--no-aslr"]).expect(status: 0)
      for name in placed {
        let address = try first.number(name), other = try second.number(name)
        try second.expect(address == other, "\(name) at \(address.hexadecimal)", got: other.hexadecimal)
      }
      let image = try first.number("image")
      try first.expect(
        image == imageLinkAddress, "the image at \(imageLinkAddress.hexadecimal)", got: image.hexadecimal)
    },
    Case("boot-information", "the boot information is what the contract says it is") { session throws(Verdict) in
      let run = try session.monitor.run("probe", ["boot-information", "one", "two"]).expect(status: 0)
      let expected: [(name: String, value: UInt64)] = [
        ("magic", 0x4c54_444e), ("version", 2), ("device-count", 0), ("argument-count", 4), ("canary-is-at-fs", 1),
        ("control-page-distance", 0x1000),
      ]
      for entry in expected {
        let value = try run.number(entry.name)
        try run.expect(value == entry.value, "\(entry.name) \(entry.value.hexadecimal)", got: value.hexadecimal)
      }
    },
  ]
}

/// What the probe's `layout` prints the addresses of.
private let placed = ["image", "stack", "heap"]
/// GuestLink/image.ld.
private let imageLinkAddress: UInt64 = 0x20_0000
