import BenchmarkSupport

extension Results {
  /// The same figures for programs. Times are whole nanoseconds.
  func json() -> String {
    var writer = JSONWriter()
    writer.object { json in
      json.member("rounds", rounds)
      json.member("disk_bytes", diskBytes)
      json.member("load_average_before", loadBefore)
      json.array("loads") { list in
        for load in loads { list.object { add(load, to: &$0) } }
      }
      json.array("goals") { list in
        for goal in goals {
          list.object {
            $0.member("goal", goal.name)
            $0.member("measured", goal.measured)
            $0.member("limit", goal.limit)
            $0.member("met", goal.isMet)
          }
        }
      }
      json.object("idle_disk") {
        $0.member("exits", idleDisk.exits.withDisk)
        $0.member("exits_without", idleDisk.exits.plain)
        $0.member("p50", idleDisk.series.nanoseconds(1).median)
        $0.member("p50_without", idleDisk.series.nanoseconds(0).median)
        $0.member("more_p50", idleDisk.extraTimes.median)
      }
    }
    return writer.text
  }

  private func add(_ load: LoadSeries, to json: inout JSONWriter) {
    json.member("load", load.workload.name)
    json.member("direct", load.workload.isDirect)
    json.member("requests", load.workload.requests)
    json.member("ratio_p50", load.ratio)
    json.member("ratio_lowest", Ratio(thousandths: load.ratios.min() ?? 0))
    json.member("ratio_highest", Ratio(thousandths: load.ratios.max() ?? 0))
    for (name, side) in [("fio", load.fio), ("guest", load.guest)] {
      json.object(name) {
        $0.member("requests_per_second", side.map { $0.requestsPerMegasecond }.median / 1_000_000)
        $0.member("latency_p50", side.map { $0.p50 }.median)
        $0.member("latency_p99", side.map { $0.p99 }.median)
      }
    }
    json.member("exits_per_request", load.exitsPerRequest)
    json.member("interrupts_per_request", load.interruptsPerRequest)
    json.member("system_calls_per_request", Ratio(thousandths: load.systemCalls.guest))
    json.member("fio_system_calls_per_request", Ratio(thousandths: load.systemCalls.fio))
  }
}
