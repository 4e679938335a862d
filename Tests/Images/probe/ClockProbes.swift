import CGuestKernel
import GuestKernel
import MachineABI

let clockProbes: [Probe] = [
  Probe("clock-readings") { arguments in
    var latest = ContinuousClock.Instant.now
    for _ in 0..<count(arguments) {
      let now = ContinuousClock.Instant.now
      guard now >= latest else { fatalError("the clock went back") }
      latest = now
    }
    print("never back")
  },
  Probe("clock-rate") { _ in
    let start = Reading.now
    while ContinuousClock.Instant.now - start.clock < .milliseconds(200) {}
    let end = Reading.now
    print("clock-ns \((end.clock - start.clock).inNanoseconds)")
    print("counter-ns \((end.counter - start.counter) * 1_000_000 / bootInformation().tsc_khz)")
  },
  Probe("wall-clock") { _ in
    print("wall-clock-ns \(WallClock.now.inNanoseconds)")
  },
  Probe("sleep-lateness") { _ in
    var early = 0
    var latest = Duration.zero
    for microseconds in [0, 1, 10, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 50_000] {
      for _ in 0..<5 {
        let deadline = ContinuousClock.Instant.now + .microseconds(microseconds)
        try? await Task.sleep(for: .microseconds(microseconds))
        let now = ContinuousClock.Instant.now
        if now < deadline { early += 1 }
        latest = max(latest, now - deadline)
      }
    }
    print("early \(early)")
    print("latest by \(latest.inNanoseconds / 1000) µs")
  },
  Probe("sleep-order") { _ in
    let start = ContinuousClock.Instant.now
    let order = await withTaskGroup(of: Int.self) { group in
      for index in 0..<1000 {
        // All to come when the last task starts. Deadlines in an order that has nothing to do with that of the calls; 389 and 1000 have no common divisor.
        let position = index * 389 % 1000
        group.addTask {
          try? await Task.sleep(until: start + .seconds(1) + .microseconds(20 * position))
          return position
        }
      }
      var order: [Int] = []
      for await position in group { order.append(position) }
      return order
    }
    print(order == Array(0..<1000) ? "in order" : "out of order")
  },
]

/// Both counters at (nearly) one moment: the best of a few tries, because the host may interrupt any of them.
private struct Reading {
  let clock: ContinuousClock.Instant
  let counter: UInt64

  static var now: Reading {
    var best: (reading: Reading, width: UInt64)?
    for _ in 0..<10 {
      let before = needletail_read_tsc()
      let clock = ContinuousClock.Instant.now
      let after = needletail_read_tsc()
      if best == nil || after - before < best!.width {
        best = (Reading(clock: clock, counter: before + (after - before) / 2), after - before)
      }
    }
    return best!.reading
  }
}
