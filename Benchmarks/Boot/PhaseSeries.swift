import BenchmarkSupport

/// Where a run's time goes, from the monitor's own reports, and what a run costs besides.
///
/// Each reported run has one beside it that writes no report, to say how much the reporting adds.
struct PhaseSeries {
  /// One of the report's numbers in all reports.
  struct Column {
    let name: String
    var values: [Int]
  }

  /// More reports than this say nothing new.
  static let mostRounds = 250

  private(set) var phases: [Column] = []
  private(set) var totals: [Int] = []
  /// From the last phase to the known end: the report, the process's exit, and the kernel's cleaning up.
  private(set) var afterPhases: [Int] = []
  /// What a reported run took more than the one beside it.
  private(set) var reporting: [Int] = []
  private(set) var exits: [Column] = []
  private(set) var minorFaults: [Int] = []
  private(set) var peakResidentBytes: [Int] = []

  init(plain: Program, reported: Program, rounds: Int, _ streams: Streams) throws(BenchmarkError) {
    for _ in 0..<rounds {
      let run = try reported.runToldItsSpawnTime(streams)
      let errors = streams.takeErrors()
      guard run.status == reported.expectedStatus else {
        throw BenchmarkError(
          "\(reported.name) ended with \(run.status); it said: " + String(decoding: errors, as: UTF8.self))
      }
      let report = try JSONNumbers(parsing: errors)
      let durations = report.object("phases_ns")
      Self.append(durations, to: &phases)
      Self.append(report.object("exits"), to: &exits)
      minorFaults.append(try report.value("monitor.minor_page_faults"))
      peakResidentBytes.append(try report.value("monitor.peak_resident_bytes"))

      totals.append(run.nanoseconds)
      afterPhases.append(run.nanoseconds - durations.reduce(0) { $0 + $1.value })
      reporting.append(run.nanoseconds - (try plain.run(streams).nanoseconds))
    }
    for phase in phases where phase.values.count != rounds {
      throw BenchmarkError("the phase '\(phase.name)' is in \(phase.values.count) of \(rounds) reports")
    }
  }

  /// The most exits to the monitor that any run had.
  var mostExits: Int { exits.first { $0.name == "total" }?.values.max() ?? 0 }

  private static func append(_ members: [JSONNumbers.Member], to columns: inout [Column]) {
    for member in members {
      if let index = columns.firstIndex(where: { $0.name == member.path }) {
        columns[index].values.append(member.value)
      } else {
        columns.append(Column(name: member.path, values: [member.value]))
      }
    }
  }
}
