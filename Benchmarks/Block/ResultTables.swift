import BenchmarkSupport

extension Results {
  /// The tables, for docs/performance.md and for whoever reads along.
  func markdown() -> String {
    var text = """
      \(rounds) rounds for each load, the guest after fio; a file of \(diskBytes >> 20) MiB; load average \(loadBefore.text) \
      before. Ratios are the guest's requests in a second over fio's in the same round.


      """
    if LoadAverage.isBusy(loadBefore) {
      text +=
        "**The machine was busy.** Waiting for a processor is in all figures, and there most where threads take turns.\n\n"
    }
    text += goalsTable() + "\n"
    text += ratesTable() + "\n"
    text += "Latency in microseconds, and what a request costs:\n\n"
    text += costsTable() + "\n"
    text += idleText()
    return text
  }

  private func goalsTable() -> String {
    var table = MarkdownTable(["goal", "measured", "limit", ""])
    for goal in goals { table.row([goal.name, goal.measured, goal.limit, goal.isMet ? "met" : "missed"]) }
    return table.text
  }

  private func ratesTable() -> String {
    var table = MarkdownTable(["load", "file", "÷ fio, p50", "lowest", "highest", "fio", "guest", ""])
    for load in loads {
      let workload = load.workload
      let fio = load.fio.map { $0.requestsPerMegasecond }.median
      let guest = load.guest.map { $0.requestsPerMegasecond }.median
      // Requests up to 64 KiB are counted, larger ones are weighed.
      let isSmall = workload.blockSize <= 1 << 16
      func rate(_ value: Int) -> String {
        isSmall ? "\(value / 1_000_000)" : "\(value / 1_000_000 * workload.blockSize / 1_000_000)"
      }
      table.row([
        workload.name, workload.cacheName, load.ratio.text, Ratio(thousandths: load.ratios.min() ?? 0).text,
        Ratio(thousandths: load.ratios.max() ?? 0).text, rate(fio), rate(guest), isSmall ? "IOPS" : "MB/s",
      ])
    }
    return table.text
  }

  private func costsTable() -> String {
    var table = MarkdownTable([
      "load", "file", "fio p50", "p99", "guest p50", "p99", "exits", "interrupts", "system calls", "fio's",
    ])
    for load in loads {
      func latency(_ values: [Int]) -> String { microseconds(values.median) }
      table.row([
        load.workload.name, load.workload.cacheName, latency(load.fio.map { $0.p50 }),
        latency(load.fio.map { $0.p99 }), latency(load.guest.map { $0.p50 }), latency(load.guest.map { $0.p99 }),
        load.exitsPerRequest.text, load.interruptsPerRequest.text, Ratio(thousandths: load.systemCalls.guest).text,
        Ratio(thousandths: load.systemCalls.fio).text,
      ])
    }
    return table.text
  }

  private func idleText() -> String {
    let plain = idleDisk.series.nanoseconds(0)
    let withDisk = idleDisk.series.nanoseconds(1)
    return """
      hello takes \(microseconds(plain.median)) µs from spawn to exit (p50 of \(plain.count)), with a disk that it opens and \
      leaves alone \(microseconds(withDisk.median)): \(microseconds(idleDisk.extraTimes.median)) µs more (p50 within a round), \
      and \(idleDisk.exits.withDisk) exits instead of \(idleDisk.exits.plain).

      """
  }
}
