import BenchmarkSupport

extension Results {
  /// The tables, for docs/performance.md and for whoever reads along.
  func markdown(_ goals: [Goal]) -> String {
    var text = """
      \(series.rounds) rounds; load average \(loadBefore.text) before and \(loadAfter.text) after. Times are microseconds, \
      from before the spawn to the known end. Ratios are medians of the ratios within a round.


      """
    if LoadAverage.isBusy(loadBefore) {
      text += "**The machine was busy.** Waiting for a processor is in all times and brings ratios nearer to 1.\n\n"
    }
    text += timesTable() + "\n"
    for remark in remarks { text += "* \(remark)\n" }
    if !remarks.isEmpty { text += "\n" }
    text += goalsTable(goals) + "\n"
    text += "Where the time of `needletail run hello.elf` goes, in microseconds, by \(phases.totals.count) reports:\n\n"
    text += phaseTable() + "\n"
    text += """
      The last phase includes writing the report. A reported run took \(microseconds(phases.reporting.median)) µs more \
      than the one beside it without a report (median).


      """
    text += costsText()
    return text
  }

  private func timesTable() -> String {
    var table = MarkdownTable(
      ["spawn to exit", "p50", "p99", "÷ floor", "÷ bare", "minor faults", "peak resident, KiB"])
    for (series, index) in measured {
      let times = series.nanoseconds(index)
      let peak = series.peakResidentBytes(index).median
      table.row([
        series.programs[index].name, microseconds(times.median), microseconds(times.percentile(99)),
        series.ratio(index, to: Subjects.floor).text, series.ratio(index, to: Subjects.bare).text,
        "\(series.minorFaults(index).median)",
        Self.kibibytes(peak: peak, own: ownPeakBytes.series),
      ])
    }
    return table.text
  }

  private static func kibibytes(peak: Int, own: Int) -> String {
    peak > own ? "\(peak / 1024)" : "≤ \(own / 1024)"
  }

  private func goalsTable(_ goals: [Goal]) -> String {
    var table = MarkdownTable(["goal for `needletail run hello.elf`", "measured", "at most", ""])
    for goal in goals { table.row([goal.name, goal.measured, goal.limit, goal.isMet ? "met" : "missed"]) }
    return table.text
  }

  private func phaseTable() -> String {
    var table = MarkdownTable(["phase", "p50", "p99"])
    for phase in phases.phases {
      table.row([phase.name, microseconds(phase.values.median), microseconds(phase.values.percentile(99))])
    }
    table.row([
      "exit_and_teardown", microseconds(phases.afterPhases.median), microseconds(phases.afterPhases.percentile(99)),
    ])
    table.row(["spawn to exit", microseconds(phases.totals.median), microseconds(phases.totals.percentile(99))])
    return table.text
  }

  private func costsText() -> String {
    let exits = phases.exits.map { "\($0.name) \($0.values.median)" }.joined(separator: ", ")
    let peak = Self.kibibytes(peak: phases.peakResidentBytes.median, own: ownPeakBytes.reports)
    return """
      Exits to the monitor: \(exits) (medians; at most \(phases.mostExits)). The monitor's own account at the end of its \
      run: \(phases.minorFaults.median) minor page faults, peak resident \(peak) KiB. A sleeping machine (\(Subjects.sleepingImage)) has resident: the monitor \
      \(residence.monitorBytes / 1024) KiB, of which \(residence.monitorPrivateBytes / 1024) KiB are its own and \
      \(residence.monitorFileBytes / 1024) KiB its file's pages; the guest \(residence.guestBytes / 1024) KiB. \
      Files, stripped: needletail \(monitorBytes) bytes, hello.elf \(imageBytes) bytes.

      """
  }
}
