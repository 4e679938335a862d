import CGuestKernel
import GuestKernel
import MachineABI
import ProbeSupport

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
    let sleeps = await withTaskGroup(of: Sleep.self) { group in
      for index in 0..<1000 {
        // Deadlines in an order that has nothing to do with that of the calls; 389 and 1000 have no common divisor.
        let deadline = start + .milliseconds(10) + .microseconds(20 * (index * 389 % 1000))
        group.addTask {
          let sleep = Sleep(called: .now, deadline: deadline)
          try? await Task.sleep(until: deadline)
          return sleep
        }
      }
      var sleeps: [Sleep] = []
      for await sleep in group { sleeps.append(sleep) }
      return sleeps
    }
    // Whoever was already asleep when another's deadline came, with an earlier deadline of its own, must wake before it.
    var latestDeadline = start
    var isInOrder = true
    for sleep in sleeps {
      if latestDeadline > max(sleep.deadline, sleep.called) { isInOrder = false }
      latestDeadline = max(latestDeadline, sleep.deadline)
    }
    print(isInOrder ? "in order" : "out of order")
  },
]

private struct Sleep: Sendable {
  let called: ContinuousClock.Instant
  let deadline: ContinuousClock.Instant
}

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
