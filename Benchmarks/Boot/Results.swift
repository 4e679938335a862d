import BenchmarkSupport
import CLinux

/// Everything that was measured, in one go.
struct Results {
  let series: InterleavedSeries
  /// The bare process, floor and QEMU; nil if there is no QEMU.
  let qemuSeries: InterleavedSeries?
  let phases: PhaseSeries
  let residence: Residence
  let remarks: [String]
  /// Sizes of files, in bytes.
  let imageBytes: Int
  let monitorBytes: Int
  /// The machine's load average over a minute.
  let loadBefore: Ratio
  let loadAfter: Ratio
  /// What this process itself had resident by the end of the series, and of the reports: a child's peak is never given as
  /// less, because exec keeps the peak of the memory that it leaves (Linux, `exec_mmap`).
  let ownPeakBytes: (series: Int, reports: Int)

  init(_ options: Options) throws(BenchmarkError) {
    let streams = try Streams()
    loadBefore = LoadAverage.now()
    let qemuKernel = try TemporaryFile(MicroVMKernel.image())
    let subjects = try Subjects(options, qemuKernel: qemuKernel.path, streams)
    residence = try Residence(of: subjects.sleeper, image: Subjects.sleepingImage)
    series = try InterleavedSeries(subjects.programs, rounds: options.rounds, streams)
    if let qemu = subjects.qemu {
      let programs = [subjects.programs[Subjects.bare], subjects.programs[Subjects.floor], qemu]
      qemuSeries = try InterleavedSeries(programs, rounds: max(options.rounds / Self.roundsPerQEMU, 1), streams)
    } else {
      qemuSeries = nil
    }
    let ownPeakOfSeries = Self.ownPeak()
    phases = try PhaseSeries(
      plain: subjects.programs[Subjects.hello], reported: subjects.reported,
      rounds: min(options.rounds, PhaseSeries.mostRounds), streams)
    remarks = subjects.remarks
    loadAfter = LoadAverage.now()
    imageBytes = try Self.fileSize(options.products + "/hello.stripped.elf")
    monitorBytes = try Self.fileSize(options.products + "/needletail")
    ownPeakBytes = (ownPeakOfSeries, Self.ownPeak())
  }

  private static func ownPeak() -> Int {
    var usage = rusage()
    _ = linux_getrusage_self(&usage)
    return usage.ru_maxrss * 1024
  }

  private static let roundsPerQEMU = 10

  /// Every program once, with the series that it was measured in.
  var measured: [(series: InterleavedSeries, program: Int)] {
    series.programs.indices.map { (series, $0) } + (qemuSeries.map { [($0, $0.programs.count - 1)] } ?? [])
  }

  private static func fileSize(_ path: String) throws(BenchmarkError) -> Int {
    var status = stat()
    guard stat(path, &status) == 0 else { throw BenchmarkError(call: "stat \(path)") }
    return Int(status.st_size)
  }
}
