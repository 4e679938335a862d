import BenchmarkSupport

/// Everything that was measured, in one go.
struct Results {
  let loads: [LoadSeries]
  let idleDisk: IdleDisk
  let rounds: Int
  let diskBytes: Int
  /// The machine's load average over a minute. Afterwards it is this benchmark's own.
  let loadBefore: Ratio

  init(_ options: Options) throws(BenchmarkError) {
    loadBefore = LoadAverage.now()
    rounds = options.rounds
    let disk = try DiskFile(options.file)
    diskBytes = disk.byteCount
    idleDisk = try IdleDisk(options)
    let streams = try Streams(capturesOutput: true, outputWaits: false)
    var loads: [LoadSeries] = []
    for workload in Workload.all { loads.append(try LoadSeries(workload, options, disk: disk, streams)) }
    self.loads = loads
  }

  var goals: [Goal] {
    var goals: [Goal] = []
    for load in loads {
      let name = "\(load.workload.name), \(load.workload.cacheName)"
      switch (load.workload.pattern, load.workload.depth) {
      case (.sequentialRead, _), (.sequentialWrite, _):
        goals.append(Goal("\(name): bandwidth ÷ fio's", load.ratio, atLeast: Ratio(thousandths: 900)))
      case (.randomRead, 32):
        goals.append(Goal("\(name): IOPS ÷ fio's", load.ratio, atLeast: Ratio(thousandths: 500)))
        goals.append(Goal("\(name): exits per request", load.exitsPerRequest, atMost: Ratio(thousandths: 199)))
      default: break
      }
    }
    goals.append(Goal("an idle disk: more exits", idleDisk.extraExits, atMost: 5))
    goals.append(
      Goal(
        "an idle disk: more milliseconds, spawn to exit", Ratio(idleDisk.extraTimes.median, to: 1_000_000),
        atMost: Ratio(thousandths: 400)))
    return goals
  }
}
