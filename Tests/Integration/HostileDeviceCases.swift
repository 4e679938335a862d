/// A driver that means harm gets nowhere: the monitor survives, no device touches what the application could not, the other
/// devices do not notice, and after a reset even the maltreated one works again.
func hostileDeviceCases() -> [Case] {
  [
    hostile(
      "hostile-writes", "no disk writes page tables, descriptor tables, code, constants, registers or nothing",
      ["hostile-writes"], refusals: 30),
    hostile(
      "hostile-reads", "no disk reads what the application may not", ["hostile-reads"], refusals: 20),
    hostile(
      "hostile-writes-of-others", "no other device writes there either", ["hostile-writes-of-others"], refusals: 60,
      works: ["entropy", "console"]),
    hostile(
      "hostile-rings", "no ring can be in such places", ["hostile-rings"], refusals: 180,
      works: ["console", "entropy", "log"]),
    hostile(
      "hostile-chains", "no chain of descriptors leads a device astray", ["hostile-chains"], refusals: 33,
      works: ["console", "entropy", "log"]),
    Case("hostile-resets", "a device that is reset while requests are under way touches no memory any more") {
      session throws(Verdict) in
      let rounds = session.lane == .kvm ? 200 : 30
      let run = try runHostile(session, ["hostile-resets", "\(rounds)"], works: ["log"])
      try run.expect(try run.number("touched") == 0, "nothing touched", got: try run.value("touched"))
    },
    hostile(
      "hostile-posted-writes", "posted writes that are none are harmless", ["hostile-posted-writes", "1"], refusals: 0),
    random("log"), random("entropy"), random("console"),
  ]
}

private func hostile(
  _ name: String, _ proves: String, _ arguments: [String], refusals: Int, works: [String] = ["log"]
) -> Case {
  Case(name, proves) { session throws(Verdict) in
    let run = try runHostile(session, arguments, works: works)
    let count = run.stdout.lines.count { $0.hasPrefix("refused ") }
    try run.expect(count >= refusals, "at least \(refusals) refusals", got: "\(count)")
  }
}

private func random(_ device: String) -> Case {
  Case("hostile-random-\(device)", "random stores and rings do no harm to anybody but the device '\(device)'") {
    session throws(Verdict) in
    let (seeds, steps) = session.lane == .kvm ? (1...6, 4000) : (1...1, 1000)
    for seed in seeds {
      _ = try runHostile(session, ["hostile-random", device, "\(seed)", "\(steps)"], works: [device])
    }
  }
}

private func runHostile(_ session: Session, _ arguments: [String], works: [String]) throws(Verdict) -> Run {
  let disks = try ProbeDisks(logStamp: 1)
  let run = try session.monitor.run("device-probe", arguments, options: disks.options()).expect(status: 0)
    .expect(stderr: "")
  // The console device may have written anything in between.
  for line in works.map({ "\($0) works" }) + ["unharmed"] { try run.expectOutput(containing: "\(line)\n") }
  try run.expect(!run.stdout.contains(bytesOf: "NOT REFUSED"), "everything refused", got: "something that was not")
  return run
}
