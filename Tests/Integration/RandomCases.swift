/// Randomness comes from the boot entropy: good within one boot, different in the next.
func randomCases() -> [Case] {
  [
    Case("random-words", "the system's generator gives no word twice, in one boot or in two") {
      session throws(Verdict) in
      var seen: Set<String> = []
      for _ in 0..<3 {
        let run = try session.monitor.run("probe", ["random-words"]).expect(status: 0)
        let words = run.stdout.lines
        try run.expect(words.count == 64, "64 words", got: "\(words.count)")
        for word in words {
          try run.expect(seen.insert(word).inserted, "64-bit words that are all different", got: "\(word) again")
        }
      }
    },
    Case("random-fixed-addresses", "so it is with --no-aslr: that fixes addresses and nothing else") {
      session throws(Verdict) in
      let first = try session.monitor.run("probe", ["random-words"], options: ["--no-aslr"]).expect(status: 0)
      let second = try session.monitor.run("probe", ["random-words"], options: ["--no-aslr"]).expect(status: 0)
      try second.expect(first.stdout != second.stdout, "other words", got: "the same")
    },
    Case("random-spread", "every bit of its words is set about half the time") { session throws(Verdict) in
      try session.monitor.run("probe", ["random-spread"]).expect(status: 0).expect(stdout: "balanced\n")
    },
    Case("random-hash-seeds", "a set's order differs between boots") { session throws(Verdict) in
      var orders: Set<String> = []
      for _ in 0..<4 { orders.insert(try session.monitor.run("probe", ["set-order"]).expect(status: 0).stdout) }
      guard orders.count > 1 else {
        throw .failed("expected different orders of 50 elements in four boots; got the same")
      }
    },
  ]
}
