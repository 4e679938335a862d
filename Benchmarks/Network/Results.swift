import BenchmarkSupport

/// Everything that was measured, in one go.
struct Results {
  private(set) var requests: [RequestSeries] = []
  private(set) var bulk: [BulkSeries] = []
  private(set) var roundTrips: [RoundTripSeries] = []
  private(set) var firstResponse: FirstResponse?
  private(set) var idle: [IdleConnections] = []
  private(set) var short: ShortConnections?
  private(set) var setUps: [SetUpSeries] = []
  let rounds: Int
  /// The machine's load average over a minute. Afterwards it is this benchmark's own.
  let loadBefore: Ratio

  init(_ options: Options) throws(BenchmarkError) {
    loadBefore = LoadAverage.now()
    rounds = options.rounds
    let lab = try Lab(options)
    if options.measures(.requests) {
      for connections in [1, 64] { requests.append(try RequestSeries(connections: connections, lab)) }
    }
    if options.measures(.bulk) {
      for direction in [BulkSeries.Direction.toMachine, .fromMachine] { bulk.append(try BulkSeries(direction, lab)) }
    }
    if options.measures(.roundTrips) {
      for kind in [RoundTripSeries.Kind.ping, .byte] { roundTrips.append(try RoundTripSeries(kind, lab)) }
    }
    if options.measures(.boot) { firstResponse = try FirstResponse(lab) }
    if options.measures(.idle) {
      for kind in IdleConnections.Kind.allCases { idle.append(try IdleConnections(kind, lab)) }
    }
    if options.measures(.churn) { short = try ShortConnections(lab) }
    if options.measures(.setUps) { try measureSetUps(lab) }
  }

  private mutating func measureSetUps(_ lab: Lab) throws(BenchmarkError) {
    let host = try PasstHost(lab)
    for isHTTP in [true, false] {
      let servers = try SetUpServers(host, lab, http: isHTTP)
      for load in SetUpSeries.Load.allCases where (load.service == nil) == isHTTP {
        setUps.append(try SetUpSeries(load, servers, lab.options))
      }
      servers.stop()
    }
    host.stop()
  }

  var goals: [Goal] {
    var goals: [Goal] = []
    for series in requests where series.connections == 64 {
      let name = "64 connections: requests"
      let ratio = Ratio(thousandths: series.ratios(to: series.nginx).median)
      goals.append(Goal("\(name) ÷ nginx's", ratio, atLeast: Ratio(thousandths: 500)))
      guard !series.hosted.isEmpty else { continue }
      let toHosted = Ratio(thousandths: series.ratios(to: series.hosted).median)
      goals.append(Goal("\(name) ÷ the hosted program's", toHosted, atLeast: Ratio(thousandths: 800)))
    }
    for series in bulk {
      let ratio = Ratio(thousandths: series.ratios.median)
      goals.append(Goal("bulk \(series.direction.name) ÷ Linux to Linux", ratio, atLeast: Ratio(thousandths: 500)))
    }
    if let firstResponse {
      // 4 ms where hello takes 2: where a machine takes longer for everything, twice what it takes for hello.
      let limit = max(4_000_000, 2 * firstResponse.hello.median)
      goals.append(
        Goal(
          "spawn to first answer, ms (4, where hello takes 2)", Ratio(firstResponse.times.median, to: 1_000_000),
          atMost: Ratio(limit, to: 1_000_000)))
    }
    for idle in idle {
      let name = "idle \(idle.kind.name) connections that do not answer"
      goals.append(Goal(name, idle.wanted - idle.answering, atMost: 0))
    }
    if let short {
      goals.append(Goal("short connections that failed", short.failed, atMost: 0))
      let half = short.heap.count / 2
      if half > 0 {
        let growth = Ratio((short.heap.last ?? 0), to: short.heap[half])
        goals.append(Goal("short connections: heap at the end ÷ half-way", growth, atMost: Ratio(thousandths: 1050)))
      }
    }
    return goals + setUpGoals
  }
}
