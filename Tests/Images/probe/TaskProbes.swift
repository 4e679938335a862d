import CGuestKernel
import GuestKernel
import MachineABI
import ProbePrimitives
import ProbeSupport

let taskProbes: [Probe] = [
  Probe("task-switches") { arguments in
    let switches = count(arguments)
    let counter = SharedCounter()
    // Each counts its turns only when the other had one in between.
    func takeTurns(_ side: Int) async -> Int {
      var turns = 0
      while counter.total < switches {
        if counter.total % 2 == side {
          counter.total += 1
          turns += 1
        }
        await Task.yield()
      }
      return turns
    }
    async let even = takeTurns(0)
    async let odd = takeTurns(1)
    let turns = await (even, odd)
    print("switched \(turns.0 + turns.1)")
  },
  Probe("task-group") { arguments in
    let children = count(arguments)
    let sum = await withTaskGroup(of: Int.self) { group in
      for number in 0..<children { group.addTask { number } }
      var sum = 0
      for await number in group { sum += number }
      return sum
    }
    print("sum \(sum)")
  },
  Probe("task-statistics") { _ in
    func tell() {
      let tasks = Kernel.tasks!
      print("ready \(tasks.readyCount) sleeping \(tasks.sleepingCount)")
    }
    var sleepers: [Task<Void, Never>] = []
    for _ in 0..<5 { sleepers.append(Task { try? await Task.sleep(for: .seconds(3600)) }) }
    // Behind them in the queue, until each of them sleeps.
    await Task.yield()
    for _ in 0..<7 { Task {} }
    tell()
    for sleeper in sleepers { sleeper.cancel() }
    for sleeper in sleepers { await sleeper.value }
    let turns = Kernel.tasks!.turnCount
    await Task.yield()
    guard Kernel.tasks!.turnCount > turns else { return print("no turn was counted") }
    tell()
  },
  Probe("nested-groups") { _ in
    print("leaves \(await leaves(depth: 6))")
  },
  Probe("actors") { _ in
    let tally = Tally()
    await withTaskGroup(of: Void.self) { group in
      for _ in 0..<1000 {
        group.addTask {
          for _ in 0..<100 {
            await tally.add(1)
            await Task.yield()
          }
        }
      }
    }
    print("count \(await tally.count)")
  },
  Probe("actor-reentrancy") { _ in
    let tally = Tally()
    let sleeper = Task { await tally.sleepThenReport() }
    while await !tally.isSleeping { await Task.yield() }
    await tally.add(1)
    print(await sleeper.value == 1 ? "entered while suspended" : "not entered")
  },
  Probe("async-let") { _ in
    async let one = later(1)
    async let two = later(2)
    async let three = later(3)
    print("sum \(await one + two + three)")
  },
  Probe("cancellation") { _ in
    let tree = Task {
      await withTaskGroup(of: Int.self) { group in
        for _ in 0..<10 {
          group.addTask {
            await withTaskGroup(of: Int.self) { inner in
              for _ in 0..<10 {
                inner.addTask { (try? await Task.sleep(for: .seconds(3600))) == nil && Task.isCancelled ? 1 : 0 }
              }
              return await inner.reduce(into: 0) { $0 += $1 }
            }
          }
        }
        return await group.reduce(into: 0) { $0 += $1 }
      }
    }
    // Some sleep already and some have not been started, whichever way the executor goes about it.
    for _ in 0..<50 { await Task.yield() }
    tree.cancel()
    print("cancelled \(await tree.value) of 100")
  },
  Probe("cancelled-sleep") { _ in
    let task = Task {
      while !Task.isCancelled { await Task.yield() }
      return (try? await Task.sleep(for: .seconds(3600))) == nil
    }
    await Task.yield()
    task.cancel()
    print(await task.value ? "did not sleep" : "slept")
  },
  Probe("stream") { _ in
    let (stream, continuation) = AsyncStream.makeStream(of: Int.self)
    Task {
      for number in 0..<1000 {
        continuation.yield(number)
        if number % 10 == 0 { await Task.yield() }
      }
      continuation.finish()
    }
    var received: [Int] = []
    for await number in stream { received.append(number) }
    print(received == Array(0..<1000) ? "received 1000 in order" : "received \(received.count)")
  },
  Probe("continuations") { _ in
    let value = await withCheckedContinuation { (continuation: CheckedContinuation<Int, Never>) in
      Task {
        await Task.yield()
        continuation.resume(returning: 42)
      }
    }
    print("resumed with \(value)")
  },
  Probe("priorities") { _ in
    let priorities: [TaskPriority] = [.background, .utility, .medium, .userInitiated, .high]
    var ran = 0
    for priority in priorities { ran += await Task(priority: priority) { 1 }.value }
    print(ran == priorities.count ? "all ran" : "\(ran) ran")
  },
  Probe("many-sleepers") { arguments in
    let sleepers = count(arguments)
    let woken = await withTaskGroup(of: Int.self) { group in
      for number in 0..<sleepers {
        group.addTask {
          try? await Task.sleep(for: .microseconds(number % 20_000))
          return 1
        }
      }
      return await group.reduce(into: 0) { $0 += $1 }
    }
    print("woke \(woken)")
  },
  Probe("deep-recursion") { _ in
    // To within 16 KiB of the stack's end.
    let lowest = bootInformation().stack_base + 16384
    print(descend(to: lowest, depth: 1) > 100 ? "came back" : "the stack is too small for this probe")
  },
  Probe("deep-awaits") { arguments in
    print("depth \(await descendAwaiting(count(arguments)))")
  },
  Probe("fail-in-child-task") { _ in
    await withTaskGroup(of: Void.self) { group in
      for number in 0..<10 {
        group.addTask {
          await Task.yield()
          if number == 7 { failInChildTask() }
        }
      }
    }
  },
  Probe("work") { arguments in
    let machine = count(arguments)
    for step in 0..<50 {
      let sum = await withTaskGroup(of: Int.self) { group in
        for _ in 0..<100 {
          group.addTask {
            await Task.yield()
            return machine * step
          }
        }
        return await group.reduce(into: 0) { $0 += $1 }
      }
      print("machine \(machine) step \(step) sum \(sum)")
      try? await Task.sleep(for: .milliseconds(1))
    }
  },
]

/// Invariant: the guest has one processor and tasks give way only where they say so.
private final class SharedCounter: @unchecked Sendable {
  var total = 0
}

private actor Tally {
  private(set) var count = 0
  private(set) var isSleeping = false

  func add(_ number: Int) { count += number }

  /// What was counted while it slept.
  func sleepThenReport() async -> Int {
    isSleeping = true
    let before = count
    while count == before { try? await Task.sleep(for: .microseconds(100)) }
    return count - before
  }
}

private func leaves(depth: Int) async -> Int {
  guard depth > 0 else { return 1 }
  return await withTaskGroup(of: Int.self) { group in
    for _ in 0..<4 { group.addTask { await leaves(depth: depth - 1) } }
    return await group.reduce(into: 0) { $0 += $1 }
  }
}

private func later(_ number: Int) async -> Int {
  try? await Task.sleep(for: .milliseconds(4 - number))
  return number
}

@inline(never)
private func descend(to lowest: UInt64, depth: Int) -> Int {
  guard probe_stack_pointer() > lowest else { return depth }
  let reached = descend(to: lowest, depth: depth + 1)
  // So that this is no tail call, and each level has a frame.
  needletail_compiler_barrier()
  return reached
}

private func descendAwaiting(_ depth: Int) async -> Int {
  guard depth > 0 else { return 0 }
  if depth % 100 == 0 { await Task.yield() }
  return await descendAwaiting(depth - 1) + 1
}

@inline(never)
private func failInChildTask() {
  fatalError("child task failed")
}
