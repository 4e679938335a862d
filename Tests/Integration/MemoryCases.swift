/// The heap as an application meets it.
func memoryCases() -> [Case] {
  [
    Case("heap-churn", "filling the heap and emptying it, many times, leaves it as it was") { session throws(Verdict) in
      let run = try session.monitor.run("probe", ["heap-churn", "20"], options: ["--memory", "16M"]).expect(status: 0)
      try run.expect(try run.number("rounds") == 20, "20 rounds", got: try run.value("rounds"))
      try run.expect(try run.number("leaked") == 0, "no bytes left over", got: try run.value("leaked"))
      try run.expect(try run.number("damaged") == 0, "no damaged blocks", got: try run.value("damaged"))
      try run.expect(
        try run.number("least-free") < 1 << 20, "less than 1 MiB of 16 left", got: try run.value("least-free"))
    },
    Case("heap-containers", "growing arrays, dictionaries and strings keep their contents") { session throws(Verdict) in
      try session.monitor.run("probe", ["containers"]).expect(status: 0).expect(stdout: "all there\n")
    },
    Case("heap-out-of-memory", "running out of memory is said with the sizes") { session throws(Verdict) in
      let asked: UInt64 = 100 << 20
      let run = try session.monitor.run("probe", ["allocate", "\(asked)"]).expect(status: 134)
      // The probe prints both before it asks.
      let inUse = try run.number("in-use"), size = try run.number("size")
      let message =
        "needletail: guest panic: out of memory: \(asked) bytes asked, \(inUse) of \(size) in use, largest free block "
      let first = run.stderr.lines.first ?? ""
      try run.expect(first.hasPrefix(message) && first.hasSuffix(" bytes"), "'\(message)N bytes'", got: "'\(first)'")
      let free = UInt64(numeral: first.words.dropLast().last ?? "") ?? .max
      try run.expect(free <= size - inUse, "a largest free block of at most \(size - inUse) bytes", got: "\(free)")
    },
    Case("heap-impossible-size", "an impossible size is out of memory, not an overflow") { session throws(Verdict) in
      try session.monitor.run("probe", ["allocate", "\(Int.max - 4096)"]).expect(status: 134)
        .expectErrors(containing: "needletail: guest panic: out of memory: \(Int.max - 4096) bytes asked")
    },
  ]
}
