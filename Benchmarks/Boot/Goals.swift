import BenchmarkSupport

extension Goal {
  static func all(_ results: Results, systemCalls: Int?) -> [Goal] {
    let series = results.series
    var goals = [
      Goal("spawn to exit ÷ floor", series.ratio(Subjects.hello, to: Subjects.floor), atMost: Ratio(thousandths: 1600)),
      Goal(
        "spawn to exit ÷ (2.2 × bare + (floor − bare))",
        series.ratio(Subjects.hello) { round in
          let bare = series.runs[Subjects.bare][round].nanoseconds
          let floor = series.runs[Subjects.floor][round].nanoseconds
          return bare * 22 / 10 + max(floor - bare, 0)
        }, atMost: Ratio(thousandths: 1000)),
      Goal("exits to the monitor", results.phases.mostExits, atMost: 3),
    ]
    if let systemCalls { goals.append(Goal("system calls, execve to exit", systemCalls, atMost: 60)) }
    goals.append(Goal("hello.elf stripped, bytes", results.imageBytes, atMost: 120_000))
    goals.append(
      Goal("monitor's resident pages beside the guest's, KiB", results.residence.monitorBytes / 1024, atMost: 6 * 1024))
    return goals
  }
}
