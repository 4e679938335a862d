import CLinux

/// A program to run again and again, with all that a run needs made ready beforehand.
package final class Program {
  package let name: String
  /// The exit status of a run that did what it should.
  package let expectedStatus: Int32
  private let path: String
  private let arguments: CStrings
  private let environment: CStrings

  package init(_ name: String, _ arguments: [String], expectedStatus: Int32 = 0) {
    self.name = name
    self.expectedStatus = expectedStatus
    path = arguments[0]
    self.arguments = CStrings(arguments)
    environment = CStrings(Self.environment)
  }

  /// All that a program under measurement finds in its environment.
  private static let environment = ["PATH=/usr/bin:/bin"]

  /// One run from before the spawn to the known end.
  package func run(_ streams: Streams) throws(BenchmarkError) -> Run {
    let start = Monotonic.now()
    let child = try spawn(streams, environment)
    return try finish(child, since: start)
  }

  /// One run that is told when it was spawned, for the report of `needletail run --report`.
  package func runToldItsSpawnTime(_ streams: Streams) throws(BenchmarkError) -> Run {
    let (child, start) = try startToldItsSpawnTime(streams)
    return try finish(child, since: start)
  }

  /// Starts a run that somebody else waits for and that is told when it was spawned, which is returned too: CLOCK_MONOTONIC, in
  /// nanoseconds.
  package func startToldItsSpawnTime(_ streams: Streams) throws(BenchmarkError) -> (child: pid_t, spawned: UInt64) {
    let start = Monotonic.now()
    let environment = CStrings(Self.environment + ["NEEDLETAIL_SPAWN_NS=\(start)"])
    return (try spawn(streams, environment), start)
  }

  /// Starts a run that somebody else waits for.
  package func start(_ streams: Streams) throws(BenchmarkError) -> pid_t {
    try spawn(streams, environment)
  }

  private func spawn(_ streams: Streams, _ environment: borrowing CStrings) throws(BenchmarkError) -> pid_t {
    var child: pid_t = 0
    let code = streams.withActions { posix_spawn(&child, path, $0, nil, arguments.pointers, environment.pointers) }
    guard code == 0 else { throw BenchmarkError("cannot start \(path): \(String(cString: strerror(code)))") }
    return child
  }

  private func finish(_ child: pid_t, since start: UInt64) throws(BenchmarkError) -> Run {
    var status: Int32 = 0
    var usage = rusage()
    while wait4(child, &status, 0, &usage) < 0 {
      guard linux_errno() == EINTR else { throw BenchmarkError(call: "wait4") }
    }
    return Run(
      nanoseconds: Int(Monotonic.now() - start), status: Run.exitStatus(status), minorFaults: usage.ru_minflt,
      peakResidentBytes: usage.ru_maxrss * 1024)
  }
}

/// What one run took.
package struct Run {
  package let nanoseconds: Int
  package let status: Int32
  package let minorFaults: Int
  package let peakResidentBytes: Int

  /// wait(2)'s status as a shell has it: a signal is 128 and its number.
  package static func exitStatus(_ status: Int32) -> Int32 {
    let signal = status & 0x7f
    return signal == 0 ? (status >> 8) & 0xff : 128 + signal
  }
}

package enum Monotonic {
  /// CLOCK_MONOTONIC, in nanoseconds.
  package static func now() -> UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
  }
}
