import BenchmarkSupport

/// What one run of a load gave, as it says itself: from its first request to its last.
struct Measurement {
  /// Requests in a million seconds: as exact as either side says.
  let requestsPerMegasecond: Int
  /// Nanoseconds.
  let p50: Int
  let p99: Int
}

extension Measurement {
  /// What `block-load` prints: names and whole numbers, in turn.
  init(guestOutput: [UInt8]) throws(BenchmarkError) {
    let words = guestOutput.split { $0 == 0x20 || $0 == 0x0a }.map { String(decoding: $0, as: UTF8.self) }
    func value(_ name: String) throws(BenchmarkError) -> Int {
      guard let index = words.firstIndex(of: name), index + 1 < words.count, let value = Int(words[index + 1]) else {
        throw BenchmarkError("block-load does not say '\(name)', but: " + String(decoding: guestOutput, as: UTF8.self))
      }
      return value
    }
    self.init(
      requestsPerMegasecond: Self.rate(try value("requests"), in: try value("nanoseconds")), p50: try value("p50"),
      p99: try value("p99"))
  }

  /// What fio writes as JSON. Its times are whole milliseconds.
  init(fioOutput: [UInt8], of workload: Workload) throws(BenchmarkError) {
    let numbers = try JSONNumbers(parsing: fioOutput)
    let direction =
      switch workload.pattern {
      case .randomRead, .sequentialRead: "read"
      case .sequentialWrite, .flushedWrite: "write"
      }
    // fio has a request's flush for itself, and block-load says nothing else.
    let timed = workload.pattern == .flushedWrite ? "sync" : direction
    self.init(
      requestsPerMegasecond: Self.rate(
        try numbers.value("jobs.0.\(direction).total_ios"),
        in: try numbers.value("jobs.0.\(direction).runtime") * 1_000_000),
      p50: try numbers.value("jobs.0.\(timed).lat_ns.percentile.50.000000"),
      p99: try numbers.value("jobs.0.\(timed).lat_ns.percentile.99.000000"))
  }

  private static func rate(_ requests: Int, in nanoseconds: Int) -> Int {
    // 10^15 nanoseconds; a run has less than four million requests.
    requests * 1_000_000_000_000 / max(nanoseconds / 1000, 1)
  }
}

/// What a run of a guest cost, by the monitor's report.
struct GuestCosts {
  let exits: Int
  let interrupts: Int

  init(report: [UInt8]) throws(BenchmarkError) {
    let numbers = try JSONNumbers(parsing: report)
    exits = try numbers.value("exits.total")
    interrupts = try numbers.value("devices.data.interrupts")
  }
}
