import BenchmarkSupport

extension Results {
  /// The same figures for programs. Times are whole nanoseconds.
  func json(_ goals: [Goal]) -> String {
    var writer = JSONWriter()
    writer.object { json in
      json.member("rounds", series.rounds)
      json.member("load_average_before", loadBefore)
      json.member("load_average_after", loadAfter)
      json.array("programs") { list in
        for (series, index) in measured { list.object { add(index, of: series, to: &$0) } }
      }
      json.array("left_out") { list in
        for remark in remarks { list.object { $0.member("reason", remark) } }
      }
      json.array("goals") { list in
        for goal in goals {
          list.object {
            $0.member("goal", goal.name)
            $0.member("measured", goal.measured)
            $0.member("at_most", goal.limit)
            $0.member("met", goal.isMet)
          }
        }
      }
      json.member("reports", phases.totals.count)
      json.object("phases_ns") { list in
        for phase in phases.phases { list.object(phase.name) { add(phase.values, to: &$0) } }
        list.object("exit_and_teardown") { add(phases.afterPhases, to: &$0) }
        list.object("spawn_to_exit") { add(phases.totals, to: &$0) }
      }
      json.member("reporting_ns", phases.reporting.median)
      json.object("exits") { list in
        for kind in phases.exits { list.member(kind.name, kind.values.median) }
        list.member("most", phases.mostExits)
      }
      json.object("monitor") { monitor in
        monitor.member("file_bytes", monitorBytes)
        monitor.member("minor_page_faults", phases.minorFaults.median)
        monitor.member("peak_resident_bytes", phases.peakResidentBytes.median)
        monitor.member("sleeping_private_bytes", residence.monitorPrivateBytes)
        monitor.member("sleeping_file_bytes", residence.monitorFileBytes)
        monitor.member("sleeping_guest_bytes", residence.guestBytes)
      }
      json.object("image") { $0.member("file_bytes", imageBytes) }
    }
    return writer.text
  }

  private func add(_ index: Int, of series: InterleavedSeries, to json: inout JSONWriter) {
    json.member("name", series.programs[index].name)
    json.member("runs", series.nanoseconds(index).count)
    add(series.nanoseconds(index), to: &json)
    json.member("ratio_to_floor", series.ratio(index, to: Subjects.floor))
    json.member("ratio_to_bare", series.ratio(index, to: Subjects.bare))
    json.member("minor_page_faults", series.minorFaults(index).median)
    json.member("peak_resident_bytes", series.peakResidentBytes(index).median)
  }

  private func add(_ nanoseconds: [Int], to json: inout JSONWriter) {
    json.member("p50", nanoseconds.median)
    json.member("p99", nanoseconds.percentile(99))
  }
}
