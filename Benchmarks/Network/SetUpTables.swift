import BenchmarkSupport

extension Results {
  /// For a guest behind passt: not more than three times as long as Linux's stack behind it, and no timer that had to expire.
  var setUpGoals: [Goal] {
    guard !setUps.isEmpty else { return [] }
    var goals: [Goal] = []
    var timeouts = 0, failures = 0
    let timeLimit = Ratio(thousandths: 3000)
    for series in setUps {
      let figures = series.figures(.passt)
      timeouts += figures.segments?.timeouts ?? 0
      failures += figures.failures.count
      guard series.load != .requests else { continue }
      let name = "passt, \(series.load.name): time ÷ Linux's behind pasta"
      let ratios = series.timeRatios(.passt)
      goals.append(
        ratios.isEmpty
          ? Goal(unmeasured: name, limit: timeLimit)
          // Where there are two in the middle, because Linux failed a round, the upper one.
          : Goal(name, Ratio(thousandths: ratios.percentile(51)), atMost: timeLimit))
    }
    goals.append(Goal("passt: retransmissions after a timeout", timeouts, atMost: 0))
    goals.append(Goal("passt: rounds that failed", failures, atMost: 0))
    return goals
  }

  func setUpTables() -> String {
    var rates = MarkdownTable([
      "set-up", "÷ Linux, p50", "lowest", "highest", "guest", "failed", "Linux", "failed", "",
    ])
    var segments = MarkdownTable([
      "set-up", "sent again", "timeouts", "out of order", "client's", "Linux: sent again", "timeouts", "out of order",
      "client's",
    ])
    var failures = ""
    for setUp in SetUp.guests {
      for series in setUps {
        let guest = series.figures(setUp), linux = series.figures(setUp.linux)
        let name = "\(setUp.name), \(series.load.name)"
        func rate(_ figures: SetUpFigures) -> [String] {
          [figures.median.map { "\($0 / 1000)" } ?? "-", "\(figures.failures.count)"]
        }
        rates.row(
          [name] + Self.spread(series.ratios(setUp)) + rate(guest) + rate(linux)
            + [series.load == .requests ? "requests/s" : "MB/s"])
        segments.row([name] + Self.cells(guest) + Self.cells(linux))
      }
    }
    for series in setUps {
      for figures in series.figures where !figures.failures.isEmpty {
        failures += "* \(figures.setUp.name), \(series.load.name): \(figures.failures.joined(separator: "; "))\n"
      }
    }
    return """
      Set-ups: throughput. Linux is over veth beside TAP, and behind pasta beside the others.

      \(rates.text)
      \(failures.isEmpty ? "" : "What failed, in all rounds:\n\n\(failures)\n")Segments that had to be repaired in all \
      \(rounds + 1) rounds, the one that does not count in times among them:

      \(segments.text)

      """
  }

  private static func cells(_ figures: SetUpFigures) -> [String] {
    let segments = figures.segments
    return [segments?.retransmitted ?? 0, segments?.timeouts ?? 0, segments?.outOfOrder ?? 0, figures.resentByClient]
      .map { "\($0)" }
  }
}
