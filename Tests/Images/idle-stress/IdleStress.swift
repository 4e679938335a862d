import GuestKernel

/// Sleeps and switches tasks, as many times as its argument says, so that timers fire at every possible moment of going
/// idle. If one is lost, this never ends.
@main
struct IdleStress {
  static func main() async {
    let total = Kernel.arguments.count > 1 ? Int(Kernel.arguments[1]) ?? 0 : 100_000
    // One task alone goes idle for each of its sleeps; several beside each other arm timers for one another and keep each
    // other from going idle. A fifth of the wake-ups is of the first kind.
    var tally = await sleepRepeatedly(total / 5)
    let sleepers = 8
    let each = (total - tally.woken) / sleepers
    let remainder = (total - tally.woken) % sleepers
    let others = await withTaskGroup(of: Tally.self) { group in
      for number in 0..<sleepers { group.addTask { await sleepRepeatedly(number < remainder ? each + 1 : each) } }
      var sum = Tally()
      for await tally in group { sum.add(tally) }
      return sum
    }
    tally.add(others)
    print("woken \(tally.woken)")
    print("early \(tally.early)")
    print("latest by \(tally.latestMicroseconds) µs")
  }

  /// Sleeps for 0 to 200 µs at a time, after having let the others run up to 20 times.
  static func sleepRepeatedly(_ count: Int) async -> Tally {
    var generator = SystemRandomNumberGenerator()
    var tally = Tally()
    for _ in 0..<count {
      for _ in 0..<Int.random(in: 0...20, using: &generator) { await Task.yield() }
      let deadline = ContinuousClock.Instant.now + .microseconds(Int.random(in: 0...200, using: &generator))
      try? await Task.sleep(until: deadline)
      tally.wake(deadline, .now)
    }
    return tally
  }
}

/// What became of sleeps.
struct Tally: Sendable {
  private(set) var woken = 0
  private(set) var early = 0
  private(set) var latestMicroseconds: Int64 = 0

  mutating func wake(_ deadline: ContinuousClock.Instant, _ now: ContinuousClock.Instant) {
    woken += 1
    if now < deadline { early += 1 }
    let (seconds, attoseconds) = (now - deadline).components
    latestMicroseconds = max(latestMicroseconds, seconds * 1_000_000 + attoseconds / 1_000_000_000_000)
  }

  mutating func add(_ other: Tally) {
    woken += other.woken
    early += other.early
    latestMicroseconds = max(latestMicroseconds, other.latestMicroseconds)
  }
}
