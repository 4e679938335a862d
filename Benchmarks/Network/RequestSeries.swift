import BenchmarkSupport
import CLinux

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
    let streams = try Streams(capturesOutput: true, outputWaits: false)
    let run = try Program(
      "wrk",
      [
        "/usr/bin/wrk", "--threads", "1", "--connections", "\(connections)", "--duration", "\(lab.options.seconds)s",
        "--latency", "http://\(side.address):8080/",
      ]
    ).run(streams)
    let output = WrkOutput(streams.takeOutput())
    guard run.status == 0 else { throw BenchmarkError("wrk: " + String(decoding: streams.takeErrors(), as: UTF8.self)) }
    return (
      Measurement(
        requestsPerKilosecond: try output.requestsPerKilosecond(), p50: try output.latency(percent: 50),
        p99: try output.latency(percent: 99)), try output.requests()
    )
  }
}

/// nginx in the namespace "peer", with an answer as long as the example's.
private final class Nginx {
  private let configuration: TemporaryFile
  private let server: Server

  init() throws(BenchmarkError) {
    configuration = try TemporaryFile(
      Array(
        """
        daemon off; worker_processes 1; pid /run/nginx.pid; error_log stderr crit; user root;
        events { worker_connections 1024; }
        http {
          access_log off; keepalive_requests 1000000000; tcp_nodelay on; default_type text/plain;
          server { listen 8080; location / { return 200 "Hello, world!\\n"; } }
        }

        """.utf8))
    server = try Server(
      "nginx", ["/usr/sbin/ip", "netns", "exec", "peer", "/usr/sbin/nginx", "-e", "stderr", "-c", configuration.path])
    // It says nothing when it is ready, so a client tries.
    let giveUp = Monotonic.now() + 20_000_000_000
    while (try? Stream.connected(to: Lab.Side.linux.address, port: 8080)) == nil {
      guard Monotonic.now() < giveUp else { throw server.failure("does not accept connections") }
    }
  }

  func stop() { server.stop() }
}

/// What wrk prints, in its units.
private struct WrkOutput {
  private let lines: [[String]]
  private let text: String

  init(_ output: [UInt8]) {
    text = String(decoding: output, as: UTF8.self)
    lines = output.split(separator: 0x0a).map { line in
      line.split(separator: 0x20).map { String(decoding: $0, as: UTF8.self) }
    }
  }

  /// "Requests/sec:  12345.67"
  func requestsPerKilosecond() throws(BenchmarkError) -> Int {
    for words in lines where words.count == 2 && words[0] == "Requests/sec:" {
      if let value = Self.thousandths(words[1]) { return value }
    }
    throw failure("Requests/sec")
  }

  /// "  24691 requests in 2.00s, 3.00MB read"
  func requests() throws(BenchmarkError) -> Int {
    for words in lines where words.count > 2 && words[1] == "requests" {
      if let value = Int(words[0]) { return value }
    }
    throw failure("requests")
  }

  /// "     99%    1.23ms", in nanoseconds.
  func latency(percent: Int) throws(BenchmarkError) -> Int {
    for words in lines where words.count == 2 && words[0] == "\(percent)%" {
      for (unit, nanoseconds) in [("us", 1000), ("ms", 1_000_000), ("s", 1_000_000_000)] where words[1].hasSuffix(unit)
      {
        let number = String(decoding: words[1].utf8.dropLast(unit.utf8.count), as: UTF8.self)
        if let value = Self.thousandths(number) { return value * (nanoseconds / 1000) }
      }
    }
    throw failure("\(percent)%")
  }

  private func failure(_ what: String) -> BenchmarkError { BenchmarkError("wrk does not say '\(what)', but: \(text)") }

  /// A number with up to three digits behind its point.
  private static func thousandths(_ text: String) -> Int? {
    let parts = text.utf8.split(separator: 0x2e).map { String(decoding: $0, as: UTF8.self) }
    guard let whole = parts.first.flatMap({ Int($0) }) else { return nil }
    guard parts.count == 2 else { return whole * 1000 }
    let digits = String(decoding: (Array(parts[1].utf8) + [0x30, 0x30, 0x30]).prefix(3), as: UTF8.self)
    return Int(digits).map { whole * 1000 + $0 }
  }
}
