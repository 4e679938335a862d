import BenchmarkSupport

/// The same load over each set-up, in turns.
struct SetUpSeries {
  enum Load: CaseIterable {
    case requests, toMachine, fromMachine, echo

    var name: String {
      switch self {
      case .requests: "requests"
      case .toMachine: "to the machine"
      case .fromMachine: "from the machine"
      case .echo: "echo"
      }
    }

    /// What serves it; nil: an HTTP server.
    var service: Peer.Service? {
      switch self {
      case .requests: nil
      case .toMachine: .discard
      case .fromMachine: .fill
      case .echo: .echo
      }
    }
  }

  let load: Load
  /// What came of it by each set-up, `SetUp.allCases`.
  private(set) var figures = SetUp.allCases.map { SetUpFigures($0) }

  /// What is carried in a direction. A stack may need seconds for it where it has to wait for timers.
  static let byteCount = 30_000_000
  /// After so long an exchange has failed.
  static let limitMilliseconds = 30_000
  /// wrk's.
  static let connections = 8

  init(_ load: Load, _ servers: SetUpServers, _ options: Options) throws(BenchmarkError) {
    self.load = load
    var before: [SegmentCounts] = []
    for setUp in SetUp.allCases { before.append(try servers.segmentCounts(setUp)) }
    // The first round's times do not count; its failures and segments do.
    for round in 0...options.rounds {
      for index in figures.indices {
        let setUp = figures[index].setUp
        let outcome = try Self.measure(load, setUp, options)
        figures[index].add(outcome, isCounted: round > 0)
        guard outcome.failure != nil else { continue }
        try servers.checkGuest(setUp)
        // It serves one connection after the other.
        if let service = load.service { try servers.restartPeer(service, setUp) }
      }
    }
    for index in figures.indices {
      figures[index].segments = try servers.segmentCounts(figures[index].setUp) - before[index]
    }
  }

  func figures(_ setUp: SetUp) -> SetUpFigures {
    guard let figures = figures.first(where: { $0.setUp == setUp }) else { fatalError("no figures of \(setUp.name)") }
    return figures
  }

  /// Rates over Linux's in the rounds that both have come through.
  func ratios(_ setUp: SetUp) -> [Int] {
    zip(figures(setUp).rates, figures(setUp.linux).rates).compactMap { own, linux in
      guard let own, let linux else { return nil }
      return Ratio(own, to: linux).thousandths
    }
  }

  /// Times of a transfer over Linux's in the rounds that Linux has come through. Where the guest has not, it has taken all the
  /// time there is.
  func timeRatios(_ setUp: SetUp) -> [Int] {
    zip(figures(setUp).rates, figures(setUp.linux).rates).compactMap { own, linux in
      guard let linux else { return nil }
      return Ratio(linux, to: own ?? Self.byteCount / Self.limitMilliseconds).thousandths
    }
  }

  private static func measure(_ load: Load, _ setUp: SetUp, _ options: Options) throws(BenchmarkError) -> Outcome {
    var outcome = Outcome()
    guard let service = load.service else {
      do throws(BenchmarkError) {
        let output = try WrkOutput(
          ofRunAgainst: setUp.address, setUp.port(Nginx.port), connections: connections, seconds: options.seconds)
        outcome.rate = try output.requestsPerKilosecond()
        outcome.failure = output.errors
      } catch {
        outcome.failure = error.message
      }
      return outcome
    }
    let exchange = try Exchange(
      with: setUp.address, setUp.port(service.port), sending: [UInt8](repeating: 0x55, count: Peer.bufferSize),
      total: service == .fill ? 0 : byteCount, milliseconds: limitMilliseconds)
    outcome.rate = byteCount * 1000 / max(exchange.nanoseconds / 1000, 1)
    outcome.failure = exchange.failure ?? fault(in: exchange, of: service)
    outcome.resentByClient = exchange.resentSegments
    return outcome
  }

  /// What is wrong with what came.
  private static func fault(in exchange: Exchange, of service: Peer.Service) -> String? {
    if service == .discard {
      let answer = String(decoding: exchange.text, as: UTF8.self)
      return answer == "\(byteCount)\n" ? nil : "discard took '\(answer)' of \(byteCount) bytes"
    }
    return exchange.receivedByteCount == byteCount ? nil : "\(exchange.receivedByteCount) of \(byteCount) bytes came"
  }
}

/// What came of one round.
private struct Outcome {
  /// Kilobytes (10^3 bytes) in a second, or requests in a thousand.
  var rate = 0
  var failure: String?
  var resentByClient = 0
}

/// What came of a load by one set-up.
struct SetUpFigures {
  let setUp: SetUp
  /// Of each round: kilobytes in a second or requests in a thousand; nil: it failed.
  private(set) var rates: [Int?] = []
  /// Why, the round that does not count among them.
  private(set) var failures: [String] = []
  /// By the client's kernel: to the guest itself over TAP, only to passt elsewhere.
  private(set) var resentByClient = 0
  /// By the stack's own account.
  fileprivate(set) var segments: SegmentCounts?

  fileprivate init(_ setUp: SetUp) { self.setUp = setUp }

  fileprivate mutating func add(_ outcome: Outcome, isCounted: Bool) {
    if isCounted { rates.append(outcome.failure == nil ? outcome.rate : nil) }
    if let failure = outcome.failure { failures.append(failure) }
    resentByClient += outcome.resentByClient
  }

  /// Of the rounds that came to their end; nil: none did.
  var median: Int? {
    let rates = rates.compactMap { $0 }
    return rates.isEmpty ? nil : rates.median
  }
}
