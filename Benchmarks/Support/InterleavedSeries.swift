/// Runs of several programs, round after round: A B C A B C.
///
/// What the machine does meanwhile meets all of them alike, so a ratio within a round says more than a ratio of medians
/// that were taken one after the other.
package struct InterleavedSeries {
  package let programs: [Program]
  package let rounds: Int
  /// `runs[p][r]` is program p's run in round r.
  package private(set) var runs: [[Run]]

  package init(_ programs: [Program], rounds: Int, _ streams: Streams) throws(BenchmarkError) {
    self.programs = programs
    self.rounds = rounds
    runs = programs.map { _ in [] }
    // One round that does not count: files come into the page cache, modules are loaded.
    for program in programs { _ = try Self.run(program, streams) }
    for _ in 0..<rounds {
      for (index, program) in programs.enumerated() { runs[index].append(try Self.run(program, streams)) }
    }
  }

  private static func run(_ program: Program, _ streams: Streams) throws(BenchmarkError) -> Run {
    let run = try program.run(streams)
    // Taken in any case, so that warnings do not fill the pipe.
    let errors = streams.takeErrors()
    guard run.status == program.expectedStatus else {
      throw BenchmarkError(
        "\(program.name) ended with \(run.status); expected \(program.expectedStatus); it said: "
          + String(decoding: errors, as: UTF8.self))
    }
    return run
  }

  package func nanoseconds(_ program: Int) -> [Int] { runs[program].map { $0.nanoseconds } }
  package func minorFaults(_ program: Int) -> [Int] { runs[program].map { $0.minorFaults } }
  package func peakResidentBytes(_ program: Int) -> [Int] { runs[program].map { $0.peakResidentBytes } }

  /// A program's time over another's in the same round, the median of all rounds.
  package func ratio(_ program: Int, to base: Int) -> Ratio {
    ratio(program) { round in runs[base][round].nanoseconds }
  }

  /// A program's time over what `base` makes of a round, the median of all rounds.
  package func ratio(_ program: Int, _ base: (_ round: Int) -> Int) -> Ratio {
    let ratios = (0..<rounds).map { Ratio(runs[program][$0].nanoseconds, to: base($0)).thousandths }
    return Ratio(thousandths: ratios.median)
  }
}
