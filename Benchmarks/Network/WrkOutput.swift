import BenchmarkSupport

/// What wrk prints, in its units.
struct WrkOutput {
  private let lines: [[String]]
  private let text: String

  /// Runs wrk with one thread.
  init(
    ofRunAgainst address: String, _ port: Int, connections: Int, seconds: Int
  ) throws(BenchmarkError) {
    let streams = try Streams(capturesOutput: true, outputWaits: false)
    let run = try Program(
      "wrk",
      [
        "/usr/bin/wrk", "--threads", "1", "--connections", "\(connections)", "--duration", "\(seconds)s", "--latency",
        "http://\(address):\(port)/",
      ]
    ).run(streams)
    let output = streams.takeOutput()
    guard run.status == 0 else { throw BenchmarkError("wrk: " + String(decoding: streams.takeErrors(), as: UTF8.self)) }
    text = String(decoding: output, as: UTF8.self)
    lines = output.split(separator: 0x0a).map { line in
      line.split(separator: 0x20).map { String(decoding: $0, as: UTF8.self) }
    }
  }

  /// "Requests/sec:  12345.67"
  func requestsPerKilosecond() throws(BenchmarkError) -> Int {
    for words in lines where words.count == 2 && words[0] == "Requests/sec:" {
      if let value = Self.thousandths(words[1]) { return value }
    }
    throw failure("Requests/sec")
  }

  /// "  24691 requests in 2.00s, 3.00MB read"
  func requests() throws(BenchmarkError) -> Int {
    for words in lines where words.count > 2 && words[1] == "requests" {
      if let value = Int(words[0]) { return value }
    }
    throw failure("requests")
  }

  /// "     99%    1.23ms", in nanoseconds.
  func latency(percent: Int) throws(BenchmarkError) -> Int {
    for words in lines where words.count == 2 && words[0] == "\(percent)%" {
      for (unit, nanoseconds) in [("us", 1000), ("ms", 1_000_000), ("s", 1_000_000_000)] where words[1].hasSuffix(unit)
      {
        let number = String(decoding: words[1].utf8.dropLast(unit.utf8.count), as: UTF8.self)
        if let value = Self.thousandths(number) { return value * (nanoseconds / 1000) }
      }
    }
    throw failure("\(percent)%")
  }

  /// "  Socket errors: connect 0, read 1, write 0, timeout 0", or "  Non-2xx or 3xx responses: 1"; nil if there is neither.
  var errors: String? {
    for words in lines where words.starts(with: ["Socket", "errors:"]) || words.starts(with: ["Non-2xx"]) {
      return words.joined(separator: " ")
    }
    return nil
  }

  private func failure(_ what: String) -> BenchmarkError { BenchmarkError("wrk does not say '\(what)', but: \(text)") }

  /// A number with up to three digits behind its point.
  private static func thousandths(_ text: String) -> Int? {
    let parts = text.utf8.split(separator: 0x2e).map { String(decoding: $0, as: UTF8.self) }
    guard let whole = parts.first.flatMap({ Int($0) }) else { return nil }
    guard parts.count == 2 else { return whole * 1000 }
    let digits = String(decoding: (Array(parts[1].utf8) + [0x30, 0x30, 0x30]).prefix(3), as: UTF8.self)
    return Int(digits).map { whole * 1000 + $0 }
  }
}
