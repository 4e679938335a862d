/// What the entropy device gives is the host's randomness.
func entropyCases() -> [Case] {
  [
    Case("entropy-device", "the entropy device fills what it is given, never twice with the same") {
      session throws(Verdict) in
      var words: Set<String> = []
      let requests = 8
      for _ in 0..<2 {
        let disks = try ProbeDisks()
        let run = try session.monitor.run("device-probe", ["entropy", "\(requests)"], options: disks.options())
          .expect(status: 0).expect(stderr: "")
        let lines = run.stdout.lines
        let isBalanced = lines.count { $0 == "balanced" } == requests
        try run.expect(isBalanced, "as many ones as zeros", got: "others")
        words.formUnion(lines.filter { $0.hasPrefix("0x") })
      }
      // Of 64 words of 64 bits, two are the same once in 10^16 runs.
      guard words.count == 2 * 4 * requests else {
        throw .failed("expected \(2 * 4 * requests) different words; got \(words.count)")
      }
    }
  ]
}
