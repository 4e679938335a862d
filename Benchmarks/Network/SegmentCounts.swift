import BenchmarkSupport

/// What a TCP stack had to repair, as it tells itself.
struct SegmentCounts {
  private(set) var retransmitted = 0
  /// Timers that expired before an acknowledgement came.
  private(set) var timeouts = 0
  private(set) var outOfOrder = 0

  /// What `net-probe`'s `stats` or the example `http` tells.
  init(_ statistics: ProbeStatistics, isHTTP: Bool) throws(BenchmarkError) {
    retransmitted = try statistics.value(isHTTP ? "tcp_segments_retransmitted_total" : "segmentsRetransmitted")
    timeouts = try statistics.value(isHTTP ? "tcp_retransmission_timeouts_total" : "retransmissionTimeouts")
    outOfOrder = try statistics.value(isHTTP ? "tcp_segments_out_of_order_total" : "segmentsOutOfOrder")
  }

  /// What Linux tells of a namespace (proc(5), /proc/net/snmp and /proc/net/netstat).
  init(namespace: String) throws(BenchmarkError) {
    let streams = try Streams(capturesOutput: true, outputWaits: false)
    let command = Lab.inside(namespace, ["/usr/bin/cat", "/proc/net/snmp", "/proc/net/netstat"])
    guard try Program("cat", command).run(streams).status == 0 else {
      throw BenchmarkError("the counters of \(namespace): " + String(decoding: streams.takeErrors(), as: UTF8.self))
    }
    let counters = KernelCounters(streams.takeOutput())
    retransmitted = try counters.value("Tcp:", "RetransSegs")
    timeouts = try counters.value("TcpExt:", "TCPTimeouts")
    outOfOrder = try counters.value("TcpExt:", "TCPOFOQueue")
  }

  /// How many there were between the two.
  static func - (later: SegmentCounts, earlier: SegmentCounts) -> SegmentCounts {
    var counts = later
    counts.retransmitted -= earlier.retransmitted
    counts.timeouts -= earlier.timeouts
    counts.outOfOrder -= earlier.outOfOrder
    return counts
  }
}

/// Pairs of lines that begin with the same word: names, and their values.
private struct KernelCounters {
  private let lines: [[String]]

  init(_ text: [UInt8]) {
    lines = text.split(separator: 0x0a).map { line in
      line.split(separator: 0x20).map { String(decoding: $0, as: UTF8.self) }
    }
  }

  func value(_ group: String, _ name: String) throws(BenchmarkError) -> Int {
    for (names, values) in zip(lines, lines.dropFirst()) where names[0] == group && values[0] == group {
      if let index = names.firstIndex(of: name), index < values.count, let value = Int(values[index]) { return value }
    }
    throw BenchmarkError("Linux has no counter '\(group) \(name)'")
  }
}
