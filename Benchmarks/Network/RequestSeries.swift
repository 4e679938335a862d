import BenchmarkSupport

/// wrk against the example `http` in a guest, against the same program as a process, and against nginx.
struct RequestSeries {
  struct Measurement {
    /// Requests in a thousand seconds.
    let requestsPerKilosecond: Int
    /// Nanoseconds.
    let p50: Int
    let p99: Int
  }

  let connections: Int
  private(set) var guest: [Measurement] = []
  private(set) var hosted: [Measurement] = []
  private(set) var nginx: [Measurement] = []
  /// What the guest cost for each request, by the monitor's report of a run of its own.
  private(set) var costs = LinkCosts()

  init(connections: Int, _ lab: Lab) throws(BenchmarkError) {
    self.connections = connections
    let guestServer = try lab.startHTTP()
    let hostedServer = try lab.startHostedHTTP()
    let nginxServer = try Nginx()
    // One round that does not count.
    for round in 0...lab.options.rounds {
      let guest = try Self.measure(.guest, connections, lab)
      let hosted = hostedServer == nil ? nil : try Self.measure(.hosted, connections, lab)
      let nginx = try Self.measure(.linux, connections, lab)
      guard round > 0 else { continue }
      self.guest.append(guest)
      if let hosted { self.hosted.append(hosted) }
      self.nginx.append(nginx)
    }
    guestServer.stop()
    hostedServer?.stop()
    nginxServer.stop()
    try measureCosts(lab)
  }

  func ratios(to other: [Measurement]) -> [Int] {
    zip(guest, other).map { Ratio($0.requestsPerKilosecond, to: $1.requestsPerKilosecond).thousandths }
  }

  private mutating func measureCosts(_ lab: Lab) throws(BenchmarkError) {
    let report = try TemporaryFile([])
    let server = try lab.startHTTP(options: ["--report", report.path])
    let requests = try Self.run(.guest, connections, lab).requests
    let connection = try Stream.connected(to: Lab.Side.guest.address, port: 8080)
    try connection.send("POST /quit HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    _ = try connection.receiveToEnd()
    try server.finish()
    costs = try LinkCosts(report: report.path, per: requests)
  }

  private static func measure(
    _ side: Lab.Side, _ connections: Int, _ lab: Lab
  ) throws(BenchmarkError) -> Measurement {
    try run(side, connections, lab).measurement
  }

  private static func run(
    _ side: Lab.Side, _ connections: Int, _ lab: Lab
  ) throws(BenchmarkError) -> (measurement: Measurement, requests: Int) {
    let output = try WrkOutput(ofRunAgainst: side.address, 8080, connections: connections, seconds: lab.options.seconds)
    return (
      Measurement(
        requestsPerKilosecond: try output.requestsPerKilosecond(), p50: try output.latency(percent: 50),
        p99: try output.latency(percent: 99)), try output.requests()
    )
  }
}
