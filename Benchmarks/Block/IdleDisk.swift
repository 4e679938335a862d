import BenchmarkSupport

/// hello, and hello with a disk that it opens and leaves alone.
struct IdleDisk {
  let series: InterleavedSeries
  /// Exits to the monitor.
  let exits: (plain: Int, withDisk: Int)

  init(_ options: Options) throws(BenchmarkError) {
    let streams = try Streams()
    let monitor = options.products + "/needletail"
    let plain = [options.products + "/hello.elf"]
    let disk = ["--block", "data=\(options.file)", options.products + "/idle-disk.elf"]
    series = try InterleavedSeries(
      [
        Program("hello", [monitor, "run"] + plain),
        Program("hello with an idle disk", [monitor, "run"] + disk),
      ], rounds: options.bootRounds, streams)
    exits = (
      try Self.exits([monitor, "run", "--report", "-"] + plain, streams),
      try Self.exits([monitor, "run", "--report", "-"] + disk, streams)
    )
  }

  private static func exits(_ arguments: [String], _ streams: Streams) throws(BenchmarkError) -> Int {
    _ = try Program(arguments[0], arguments).run(streams)
    return try JSONNumbers(parsing: streams.takeErrors()).value("exits.total")
  }

  var extraExits: Int { exits.withDisk - exits.plain }

  /// Nanoseconds, in each round.
  var extraTimes: [Int] {
    (0..<series.rounds).map { series.runs[1][$0].nanoseconds - series.runs[0][$0].nanoseconds }
  }
}
