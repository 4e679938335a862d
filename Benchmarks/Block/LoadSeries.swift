import BenchmarkSupport

/// Rounds of one load: fio, the guest, fio, the guest.
struct LoadSeries {
  let workload: Workload
  private(set) var fio: [Measurement] = []
  private(set) var guest: [Measurement] = []
  private(set) var costs: [GuestCosts] = []
  /// For 1000 requests.
  let systemCalls: (fio: Int, guest: Int)

  init(_ workload: Workload, _ options: Options, disk: DiskFile, _ streams: Streams) throws(BenchmarkError) {
    self.workload = workload
    for round in 0..<options.rounds {
      let seed = round + 1
      try disk.prepare(isCached: !workload.isDirect)
      let fioRun = try Self.run(
        workload.fio(options, fileBytes: disk.byteCount, requests: workload.requests, seed: seed), streams)
      fio.append(try Measurement(fioOutput: fioRun.output, of: workload))
      try disk.prepare(isCached: !workload.isDirect)
      let guestRun = try Self.run(workload.guest(options, requests: workload.requests, seed: seed), streams)
      guest.append(try Measurement(guestOutput: guestRun.output))
      costs.append(try GuestCosts(report: guestRun.errors))
    }
    try disk.prepare(isCached: !workload.isDirect)
    let count = workload.requests / Self.tracedShare
    systemCalls = (
      try Self.systemCalls(options, requests: count, streams) {
        workload.fio(options, fileBytes: disk.byteCount, requests: $0, seed: 1)
      },
      try Self.systemCalls(options, requests: count, streams) { workload.guest(options, requests: $0, seed: 1) }
    )
  }

  private static func run(
    _ arguments: [String], _ streams: Streams
  ) throws(BenchmarkError) -> (output: [UInt8], errors: [UInt8]) {
    let status = try Program(arguments[0], arguments).run(streams).status
    let (output, errors) = (streams.takeOutput(), streams.takeErrors())
    guard status == 0 else {
      throw BenchmarkError(
        "\(arguments.joined(separator: " ")) ended with \(status); it said: "
          + String(decoding: output + errors, as: UTF8.self))
    }
    return (output, errors)
  }

  /// Runs under strace are slow, and have so much fewer requests.
  private static let tracedShare = 10

  /// How many system calls a thousand requests take: those of a run, less those of one that has a single request.
  private static func systemCalls(
    _ options: Options, requests: Int, _ streams: Streams, _ command: (_ requests: Int) -> [String]
  ) throws(BenchmarkError) -> Int {
    func total(_ requests: Int) throws(BenchmarkError) -> Int {
      let summary = try TemporaryFile([])
      _ = try run([options.strace, "-f", "-c", "-o", summary.path] + command(requests), streams)
      return try StraceSummary.total(in: try readFile(summary.path))
    }
    return max(try total(requests) - total(1), 0) * 1000 / requests
  }

  // MARK: Figures

  /// The guest's requests in a second over fio's, in each round.
  var ratios: [Int] {
    fio.indices.map { Ratio(guest[$0].requestsPerMegasecond, to: max(fio[$0].requestsPerMegasecond, 1)).thousandths }
  }
  var ratio: Ratio { Ratio(thousandths: ratios.median) }

  var exitsPerRequest: Ratio { Ratio(costs.map { $0.exits }.median, to: workload.requests) }
  var interruptsPerRequest: Ratio { Ratio(costs.map { $0.interrupts }.median, to: workload.requests) }
}
