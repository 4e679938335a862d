import BenchmarkSupport

/// What serves a load by each set-up, all of it at once: guests, and Linux's services in their namespaces.
final class SetUpServers {
  private let lab: Lab
  private let isHTTP: Bool
  private var guests: [Server] = []
  private var nginx: [Nginx] = []
  private var peers: [(setUp: SetUp, service: Peer.Service, server: Server)] = []

  private static let services: [Peer.Service] = [.echo, .discard, .fill]
  private static let statisticsPort = 98
  private static let millisecondsToAnswer = 10_000

  /// - Parameter isHTTP: the example `http` and nginx; else `net-probe` and `Peer`.
  init(_ host: PasstHost, _ lab: Lab, http isHTTP: Bool) throws(BenchmarkError) {
    self.lab = lab
    self.isHTTP = isHTTP
    for setUp in SetUp.guests {
      guests.append(
        isHTTP
          ? try host.start(setUp, "http", [], ports: [Nginx.port], until: "serving on")
          : try host.start(
            setUp, "net-probe",
            [
              "echo", "\(Peer.Service.echo.port)", "discard", "\(Peer.Service.discard.port)", "fill",
              "\(Peer.Service.fill.port)", "\(SetUpSeries.byteCount)", "stats", "\(Self.statisticsPort)",
            ], ports: Self.services.map { $0.port } + [Self.statisticsPort], until: "ready\n"))
    }
    for setUp in [SetUp.veth, .pasta] {
      if isHTTP {
        nginx.append(
          try Nginx(in: setUp.namespace, address: setUp.address, clientPort: setUp.port(Nginx.port)))
      } else {
        for service in Self.services {
          peers.append((setUp, service, try lab.startPeer(service, in: setUp.namespace)))
        }
        try waitForEcho(setUp)
      }
    }
  }

  /// pasta does not tell when it has made its interface.
  private func waitForEcho(_ setUp: SetUp) throws(BenchmarkError) {
    let giveUp = Monotonic.now() + 20_000_000_000
    let port = setUp.port(Peer.Service.echo.port)
    while try Exchange(with: setUp.address, port, sending: [1], milliseconds: 1000).text != [1] {
      guard Monotonic.now() < giveUp else { throw BenchmarkError("\(setUp.name): there is no echo") }
    }
  }

  /// Throws what a guest said at its end, if it has come to that.
  func checkGuest(_ setUp: SetUp) throws(BenchmarkError) {
    guard let index = SetUp.guests.firstIndex(of: setUp) else { return }
    try guests[index].check()
  }

  /// Begins anew with what may still be in a connection that failed. A guest serves each in a task of its own.
  func restartPeer(_ service: Peer.Service, _ setUp: SetUp) throws(BenchmarkError) {
    for index in peers.indices where peers[index].setUp == setUp && peers[index].service == service {
      peers[index].server.stop()
      peers[index].server = try lab.startPeer(service, in: setUp.namespace)
    }
  }

  /// What a stack has counted until now.
  func segmentCounts(_ setUp: SetUp) throws(BenchmarkError) -> SegmentCounts {
    guard SetUp.guests.contains(setUp) else { return try SegmentCounts(namespace: setUp.namespace) }
    let question = isHTTP ? "GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" : ""
    let exchange = try Exchange(
      with: setUp.address, setUp.port(isHTTP ? Nginx.port : Self.statisticsPort), sending: Array(question.utf8),
      milliseconds: Self.millisecondsToAnswer)
    if let failure = exchange.failure { throw BenchmarkError("the statistics by \(setUp.name): \(failure)") }
    return try SegmentCounts(ProbeStatistics(text: String(decoding: exchange.text, as: UTF8.self)), isHTTP: isHTTP)
  }

  func stop() {
    for server in guests { server.stop() }
    for server in nginx { server.stop() }
    for peer in peers { peer.server.stop() }
  }
}
