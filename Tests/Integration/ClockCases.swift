import CLinux

/// Clocks and sleeping. How late a sleep ends is nobody's promise; that it is never early is.
func clockCases() -> [Case] {
  [
    Case("clock-example", "the clock example sleeps, wakes in order, and cancels") { session throws(Verdict) in
      try expectClockExample(session.monitor.run("clock"))
    },
    Case("clock-monotonic", "a hundred thousand readings never go back") { session throws(Verdict) in
      try session.monitor.run("probe", ["clock-readings", "100000"]).expect(status: 0).expect(stdout: "never back\n")
    },
    Case("clock-rate", "the clock and the time-stamp counter agree within 1 %") { session throws(Verdict) in
      let run = try session.monitor.run("probe", ["clock-rate"]).expect(status: 0)
      let clock = try run.number("clock-ns"), counter = try run.number("counter-ns")
      let difference = clock > counter ? clock - counter : counter - clock
      try run.expect(difference <= clock / 100, "a difference of at most 1 %", got: "\(difference) of \(clock) ns")
    },
    Case("clock-wall", "the time of day is the host's") { session throws(Verdict) in
      let before = TimeOfDay.nanoseconds()
      let run = try session.monitor.run("probe", ["wall-clock"]).expect(status: 0)
      let after = TimeOfDay.nanoseconds()
      let time = try run.number("wall-clock-ns")
      // Read between these two; a host whose clock is being corrected may be off by a little.
      let tolerance: UInt64 = 1_000_000_000
      try run.expect(
        before - tolerance...after + tolerance ~= time, "between \(before) and \(after), give or take a second",
        got: "\(time)")
    },
    Case("sleep-never-early", "no sleep, from 0 to 50 ms, ends before its time") { session throws(Verdict) in
      let run = try session.monitor.run("probe", ["sleep-lateness"]).expect(status: 0)
      try run.expect(try run.number("early") == 0, "no early ends", got: try run.value("early"))
    },
    Case("sleep-order", "a thousand sleepers wake in the order of their deadlines") { session throws(Verdict) in
      try session.monitor.run("probe", ["sleep-order"]).expect(status: 0).expect(stdout: "in order\n")
    },
  ]
}

/// What the clock example prints, whatever the times are; the hosted build prints the same.
func expectClockExample(_ run: Run) throws(Verdict) {
  try run.expect(status: 0).expect(stderr: "")
  let lines = run.stdout.lines
  try run.expect(lines.count == 8, "8 lines", got: "\(lines.count)")
  for (line, milliseconds) in zip(lines, [1, 5, 20] as [UInt64]) {
    // "slept 5 ms, took 5321 µs"
    let words = line.words
    try run.expect(
      words.count == 6 && line.hasPrefix("slept \(milliseconds) ms, took "), "a line about \(milliseconds) ms",
      got: "'\(line)'")
    let microseconds = UInt64(numeral: words[4]) ?? 0
    try run.expect(microseconds >= milliseconds * 1000, "at least \(milliseconds) ms", got: "'\(line)'")
  }
  try run.expect(lines[3].hasPrefix("ten sleepers took "), "the ten sleepers' line", got: "'\(lines[3])'")
  // Their order depends on how fast they were started: on a busy host a later one may be due first. `sleep-order` has the
  // part that does not.
  try run.expect(lines[4].hasPrefix("woke in order: "), "a line about their order", got: "'\(lines[4])'")
  try run.expectOutput(containing: "\nan hour's sleep cancelled: true\nwall clock is set\ntotal ")
}
