import GuestKernel

/// Sleeps, alone and in a task group, and prints how long each took.
@main
struct Clock {
  static func main() async {
    let clock = ContinuousClock()
    let start = clock.now

    for milliseconds in [1, 5, 20] {
      let before = clock.now
      try? await Task.sleep(for: .milliseconds(milliseconds))
      print("slept \(milliseconds) ms, took \(microseconds(clock.now - before)) µs")
    }

    // Ten sleepers side by side take as long as the longest of them.
    let together = clock.now
    let wakeOrder = await withTaskGroup(of: Int.self) { group in
      for sleeper in (1...10).reversed() {
        group.addTask {
          try? await Task.sleep(for: .milliseconds(2 * sleeper))
          return sleeper
        }
      }
      var order: [Int] = []
      for await sleeper in group { order.append(sleeper) }
      return order
    }
    print("ten sleepers took \(microseconds(clock.now - together)) µs")
    print("woke in order: \(wakeOrder == Array(1...10))")

    let cancelled = Task { (try? await Task.sleep(for: .seconds(3600))) == nil }
    await Task.yield()
    cancelled.cancel()
    print("an hour's sleep cancelled: \(await cancelled.value)")

    print("\(WallClock.now > .seconds(1_700_000_000) ? "wall clock is set" : "wall clock is not set")")
    print("total \(microseconds(clock.now - start)) µs")
  }

  static func microseconds(_ duration: Duration) -> Int64 {
    let (seconds, attoseconds) = duration.components
    return seconds * 1_000_000 + attoseconds / 1_000_000_000_000
  }
}
