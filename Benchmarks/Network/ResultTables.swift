import BenchmarkSupport

extension Results {
  /// The tables, for docs/performance.md and for whoever reads along.
  func markdown() -> String {
    var text = """
      \(rounds) rounds for each load, in turns; load average \(loadBefore.text) before. Ratios are within a round.


      """
    if LoadAverage.isBusy(loadBefore) {
      text += "**The machine was busy.** Waiting for a processor is in all figures.\n\n"
    }
    var goalTable = MarkdownTable(["goal", "measured", "limit", ""])
    for goal in goals { goalTable.row([goal.name, goal.measured, goal.limit, goal.isMet ? "met" : "missed"]) }
    text += goalTable.text + "\n"
    if !requests.isEmpty { text += requestTables() }
    if !bulk.isEmpty { text += bulkTable() }
    if !roundTrips.isEmpty { text += roundTripTable() }
    if let firstResponse { text += Self.text(of: firstResponse) }
    if !idle.isEmpty { text += idleTable() }
    if let short { text += Self.text(of: short) + "\n" }
    if !setUps.isEmpty { text += setUpTables() }
    return text
  }

  private func requestTables() -> String {
    var rates = MarkdownTable([
      "wrk, connections", "÷ nginx, p50", "lowest", "highest", "÷ hosted, p50", "lowest", "highest", "guest/s",
      "hosted/s",
      "nginx/s",
    ])
    var costs = MarkdownTable([
      "wrk, connections", "guest p50, µs", "p99", "hosted p50", "p99", "nginx p50", "p99", "exits", "interrupts",
      "frames in", "out",
    ])
    for series in requests {
      func rate(_ values: [RequestSeries.Measurement]) -> String {
        values.isEmpty ? "-" : "\(values.map { $0.requestsPerKilosecond }.median / 1000)"
      }
      func latencies(_ values: [RequestSeries.Measurement]) -> [String] {
        guard !values.isEmpty else { return ["-", "-"] }
        return [microseconds(values.map { $0.p50 }.median), microseconds(values.map { $0.p99 }.median)]
      }
      rates.row(
        ["\(series.connections)"] + Self.spread(series.ratios(to: series.nginx))
          + Self.spread(series.ratios(to: series.hosted)) + [
            rate(series.guest), rate(series.hosted), rate(series.nginx),
          ])
      costs.row(
        ["\(series.connections)"] + latencies(series.guest) + latencies(series.hosted) + latencies(series.nginx)
          + Self.cells(series.costs))
    }
    return rates.text + "\nLatency as wrk has it, and what a request costs:\n\n" + costs.text + "\n"
  }

  private func bulkTable() -> String {
    var table = MarkdownTable([
      "bulk over one connection", "÷ Linux, p50", "lowest", "highest", "guest, MB/s", "Linux, MB/s", "exits per MB",
      "interrupts", "frames in", "out",
    ])
    for series in bulk {
      table.row(
        [series.direction.name] + Self.spread(series.ratios)
          + ["\(series.guest.median / 1000)", "\(series.linux.median / 1000)"] + Self.cells(series.costs))
    }
    return table.text + "\n"
  }

  private func roundTripTable() -> String {
    var table = MarkdownTable([
      "round trip, µs", "÷ Linux, p50", "lowest", "highest", "guest p50", "p99", "Linux p50", "p99",
    ])
    for series in roundTrips {
      func cells(_ values: [RoundTripSeries.Measurement]) -> [String] {
        [microseconds(values.map { $0.p50 }.median), microseconds(values.map { $0.p99 }.median)]
      }
      table.row([series.kind.name] + Self.spread(series.ratios) + cells(series.guest) + cells(series.linux))
    }
    return table.text + "\n"
  }

  static func spread(_ ratios: [Int]) -> [String] {
    guard !ratios.isEmpty else { return ["-", "-", "-"] }
    return [ratios.median, ratios.min() ?? 0, ratios.max() ?? 0].map { Ratio(thousandths: $0).text }
  }

  private static func cells(_ costs: LinkCosts) -> [String] {
    [costs.exits.text, costs.interrupts.text, costs.receivedFrames.text, costs.sentFrames.text]
  }

  private static func text(of first: FirstResponse) -> String {
    var table = MarkdownTable(["spawn to first answer, µs", "p50", "p99"])
    for phase in first.phases {
      table.row([phase.name, microseconds(phase.times.median), microseconds(phase.times.percentile(99))])
    }
    return """
      Spawn to first answer: \(microseconds(first.times.median)) µs (p50 of \(first.times.count); p99 \
      \(microseconds(first.times.percentile(99))), lowest \(microseconds(first.times.min() ?? 0)), highest \
      \(microseconds(first.times.max() ?? 0))); hello beside it, spawn to exit, \(microseconds(first.hello.median)). \
      Where it goes, by \(first.phases.first?.times.count ?? 0) runs with a report:

      \(table.text)

      """
  }

  private func idleTable() -> String {
    var table = MarkdownTable([
      "idle on a machine with 128 MiB", "connections", "answer", "heap before, KiB", "with them", "bytes for each",
      "resident before, KiB", "with them",
    ])
    for idle in idle {
      table.row([
        idle.kind.name, "\(idle.wanted)", "\(idle.answering)", "\(idle.heapBefore >> 10)", "\(idle.heapAfter >> 10)",
        "\((idle.heapAfter - idle.heapBefore) / idle.wanted)", "\(idle.residentBefore >> 10)",
        "\(idle.residentAfter >> 10)",
      ])
    }
    return table.text + "\n"
  }

  private static func text(of short: ShortConnections) -> String {
    """
    \(short.made) connections in \(short.seconds) s, \(ShortConnections.rate) in each, \(short.failed) failed; each took \
    \(microseconds(short.times.median)) µs (p50; p99 \(microseconds(short.times.percentile(99)))). The heap had \
    \((short.heap.first ?? 0) >> 10) KiB in use after the first second, \((short.heap.last ?? 0) >> 10) KiB after the last, \
    \((short.heap.max() ?? 0) >> 10) KiB at most; in TIME-WAIT were \(short.timeWait.max() ?? 0) at most, open \
    \(short.connections.max() ?? 0). The monitor had \(short.descriptorsBefore) descriptors before and \
    \(short.descriptorsAfter) after.

    """
  }
}
