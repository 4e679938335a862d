import BenchmarkSupport

extension Results {
  /// The figures, for programs.
  func json() -> String {
    var writer = JSONWriter()
    writer.object { writer in
      writer.member("rounds", rounds)
      writer.member("load_before", loadBefore)
      writer.array("goals") { writer in
        for goal in goals {
          writer.object { writer in
            writer.member("name", goal.name)
            writer.member("measured", goal.measured)
            writer.member("limit", goal.limit)
            writer.member("met", goal.isMet)
          }
        }
      }
      writer.array("requests") { writer in
        for series in requests {
          writer.object { writer in
            writer.member("connections", series.connections)
            for (name, values) in [("guest", series.guest), ("hosted", series.hosted), ("nginx", series.nginx)] {
              writer.member("\(name)_per_kilosecond", values.map { $0.requestsPerKilosecond }.median)
              writer.member("\(name)_p50_ns", values.map { $0.p50 }.median)
              writer.member("\(name)_p99_ns", values.map { $0.p99 }.median)
            }
            Self.add(series.costs, to: &writer)
          }
        }
      }
      writer.array("bulk") { writer in
        for series in bulk {
          writer.object { writer in
            writer.member("direction", series.direction.name)
            writer.member("guest_kilobytes_per_second", series.guest.median)
            writer.member("linux_kilobytes_per_second", series.linux.median)
            Self.add(series.costs, to: &writer)
          }
        }
      }
      writer.array("round_trips") { writer in
        for series in roundTrips {
          writer.object { writer in
            writer.member("name", series.kind.name)
            for (name, values) in [("guest", series.guest), ("linux", series.linux)] {
              writer.member("\(name)_p50_ns", values.map { $0.p50 }.median)
              writer.member("\(name)_p99_ns", values.map { $0.p99 }.median)
            }
          }
        }
      }
      if let firstResponse {
        writer.object("first_answer") { writer in
          writer.member("p50_ns", firstResponse.times.median)
          writer.member("p99_ns", firstResponse.times.percentile(99))
          writer.member("hello_p50_ns", firstResponse.hello.median)
          for phase in firstResponse.phases { writer.member(phase.name, phase.times.median) }
        }
      }
      writer.array("idle_connections") { writer in
        for idle in idle {
          writer.object { writer in
            writer.member("name", idle.kind.name)
            writer.member("wanted", idle.wanted)
            writer.member("answering", idle.answering)
            writer.member("heap_before", idle.heapBefore)
            writer.member("heap_after", idle.heapAfter)
            writer.member("resident_after", idle.residentAfter)
          }
        }
      }
      if let short {
        writer.object("short_connections") { writer in
          writer.member("made", short.made)
          writer.member("failed", short.failed)
          writer.member("heap_first", short.heap.first ?? 0)
          writer.member("heap_last", short.heap.last ?? 0)
          writer.member("time_wait_most", short.timeWait.max() ?? 0)
          writer.member("descriptors_after", short.descriptorsAfter)
        }
      }
      addSetUps(to: &writer)
    }
    return writer.text
  }

  private func addSetUps(to writer: inout JSONWriter) {
    writer.array("set_ups") { writer in
      for series in setUps {
        for figures in series.figures {
          writer.object { writer in
            writer.member("load", series.load.name)
            writer.member("set_up", figures.setUp.name)
            // Kilobytes in a second, or requests in a thousand; 0: no round came to its end.
            writer.member("rate", figures.median ?? 0)
            writer.member("failed", figures.failures.count)
            writer.member("retransmitted", figures.segments?.retransmitted ?? 0)
            writer.member("timeouts", figures.segments?.timeouts ?? 0)
            writer.member("out_of_order", figures.segments?.outOfOrder ?? 0)
            writer.member("resent_by_client", figures.resentByClient)
          }
        }
      }
    }
  }

  private static func add(_ costs: LinkCosts, to writer: inout JSONWriter) {
    writer.member("exits_per_unit", costs.exits)
    writer.member("interrupts_per_unit", costs.interrupts)
    writer.member("received_frames_per_unit", costs.receivedFrames)
    writer.member("sent_frames_per_unit", costs.sentFrames)
  }
}
