import GuestKernel
import ProbeSupport
import SeededRandom

let blockLoadProbes: [Probe] = [
  // TASKS STEPS SEED LONGEST: each task works on a part of the disk that is its own.
  Probe("verify") { arguments in
    let tasks = count(arguments), steps = count(arguments, at: 1), seed = count(arguments, at: 2)
    let longest = count(arguments, at: 3)
    let disk = open("data")
    let share = disk.byteCount / UInt64(tasks) / 512 * 512
    let tallies = await withTaskGroup(of: Tally.self) { group in
      for number in 0..<tasks {
        group.addTask {
          var region = Region(disk, start: UInt64(number) * share, byteCount: Int(share), seed: seed &+ number)
          for _ in 0..<steps { await region.step(longest: longest) }
          await region.verifyAll()
          return region.tally
        }
      }
      return await group.reduce(into: Tally()) { $0.add($1) }
    }
    await must { () async throws(BlockError) in try await disk.flush() }
    print("steps \(tallies.reads + tallies.writes + tallies.flushes + tallies.zeroings)")
    print("read-bytes \(tallies.readBytes)")
    print("written-bytes \(tallies.writtenBytes)")
    print("wrong \(tallies.wrong)")
    print("checksum \((await checksum(of: disk)).hexadecimal)")
  },
  // TASKS: more tasks than the queue has room for, each with a request of its own.
  Probe("crowd") { arguments in
    let tasks = count(arguments)
    let disk = open("data")
    let done = await withTaskGroup(of: Int.self) { group in
      for number in 0..<tasks {
        group.addTask {
          let offset = UInt64(number * 512) % disk.byteCount
          var bytes = [UInt8](repeating: UInt8(truncatingIfNeeded: number), count: 512)
          await must { () async throws(BlockError) in try await disk.write(at: offset, bytes) }
          bytes = [UInt8](repeating: 0xee, count: 512)
          await must { () async throws(BlockError) in try await disk.read(at: offset, into: &bytes) }
          return bytes.allSatisfy { $0 == UInt8(truncatingIfNeeded: number) } ? 1 : 0
        }
      }
      return await group.reduce(into: 0) { $0 += $1 }
    }
    print("right \(done)")
  },
  // TASKS ROUNDS: tasks are cancelled while the device works for them.
  Probe("cancel") { arguments in
    let tasks = count(arguments), rounds = count(arguments, at: 1)
    let disk = open("data")
    let length = 64 << 10
    var right = 0, cancelled = 0
    for round in 0..<rounds {
      let stamp = UInt8(truncatingIfNeeded: round + 1)
      await must { () async throws(BlockError) in
        try await disk.write(at: 0, [UInt8](repeating: stamp, count: length))
      }
      let group = Task {
        await withTaskGroup(of: (Bool, Bool).self) { group in
          for _ in 0..<tasks {
            group.addTask {
              var bytes = [UInt8](repeating: 0, count: length)
              await must { () async throws(BlockError) in try await disk.read(at: 0, into: &bytes) }
              // The buffer is whole: nothing of it comes later, and it holds what was read.
              return (bytes.allSatisfy { $0 == stamp }, Task.isCancelled)
            }
          }
          return await group.reduce(into: (0, 0)) {
            $0.0 += $1.0 ? 1 : 0
            $0.1 += $1.1 ? 1 : 0
          }
        }
      }
      // In some rounds the requests are not made yet, in others they are under way.
      for _ in 0..<round % 8 { await Task.yield() }
      group.cancel()
      let outcome = await group.value
      right += outcome.0
      cancelled += outcome.1
    }
    print("right \(right)")
    print("cancelled \(cancelled > 0 ? "some" : "none")")
  },
  // SLEEPS: timers and other tasks go on while the device is busy.
  Probe("sleep-while-busy") { arguments in
    let sleeps = count(arguments)
    let disk = open("data")
    let busy = Task {
      var transfers = 0
      var bytes = [UInt8](repeating: 1, count: 256 << 10)
      while !Task.isCancelled {
        let stamp = UInt8(truncatingIfNeeded: transfers)
        for index in stride(from: 0, to: bytes.count, by: 512) { bytes[index] = stamp }
        await must { () async throws(BlockError) in
          try await disk.write(at: 0, bytes)
          try await disk.flush()
          try await disk.read(at: 0, into: &bytes)
        }
        guard bytes[0] == stamp else { fatalError("read something else than was written") }
        transfers += 1
      }
      return transfers
    }
    var early = 0
    for _ in 0..<sleeps {
      let deadline = ContinuousClock.Instant.now + .milliseconds(1)
      try? await Task.sleep(until: deadline)
      if ContinuousClock.Instant.now < deadline { early += 1 }
    }
    busy.cancel()
    print("slept \(sleeps)")
    print("early \(early)")
    print(await busy.value > 0 ? "transferred" : "transferred nothing")
  },
  // HOW: what only a signal, or the machine's end, interrupts.
  Probe("endless") { arguments in
    let disk = open("data")
    for number in 0..<8 {
      Task {
        let bytes = [UInt8](repeating: UInt8(number), count: 128 << 10)
        while true {
          await must { () async throws(BlockError) in
            try await disk.write(at: UInt64(number * bytes.count), bytes)
            try await disk.flush()
          }
        }
      }
    }
    // So that requests are under way, whatever the executor begins with.
    try? await Task.sleep(for: .milliseconds(2))
    print("ready")
    switch arguments.first {
    case "exit": Kernel.exit(9)
    case "panic": fatalError("while the disk is busy")
    default: try? await Task.sleep(for: .seconds(3600))
    }
  },
]

private struct Tally: Sendable {
  var reads = 0, writes = 0, flushes = 0, zeroings = 0, wrong = 0
  var readBytes = 0, writtenBytes = 0

  mutating func add(_ other: Tally) {
    reads += other.reads
    writes += other.writes
    flushes += other.flushes
    zeroings += other.zeroings
    wrong += other.wrong
    readBytes += other.readBytes
    writtenBytes += other.writtenBytes
  }
}

/// A part of a disk, and what must be there.
private struct Region {
  private let disk: BlockDevice
  private let start: UInt64
  private var expected: [UInt8]
  private var generator: SeededGenerator
  private(set) var tally = Tally()

  /// What is there at first does not matter: it is written over.
  init(_ disk: BlockDevice, start: UInt64, byteCount: Int, seed: Int) {
    self.disk = disk
    self.start = start
    expected = []
    generator = SeededGenerator(seed: UInt64(truncatingIfNeeded: seed))
    expected = random(byteCount)
  }

  private var isFilled = false

  private mutating func random(_ count: Int) -> [UInt8] {
    // One word in eight bytes is enough to find bytes that are elsewhere.
    var bytes = [UInt8](repeating: 0, count: count)
    bytes.withUnsafeMutableBytes { bytes in
      for index in 0..<bytes.count / 8 {
        bytes.storeBytes(of: generator.next(), toByteOffset: index * 8, as: UInt64.self)
      }
    }
    return bytes
  }

  /// One request of random kind, place and length.
  mutating func step(longest: Int) async {
    guard isFilled else {
      isFilled = true
      return await write(0, expected)
    }
    let limit = min(longest, expected.count) / 512
    // Short ones as often as long ones.
    let most = 1 << Int.random(in: 0...Int(limit.bitWidth - 1 - limit.leadingZeroBitCount), using: &generator)
    let length = Int.random(in: 1...min(most, limit), using: &generator) * 512
    let offset = Int.random(in: 0...(expected.count - length) / 512, using: &generator) * 512
    switch Int.random(in: 0..<16, using: &generator) {
    case 0:
      await must { () async throws(BlockError) in try await disk.flush() }
      tally.flushes += 1
    case 1:
      let range = start + UInt64(offset)..<start + UInt64(offset + length)
      await must { () async throws(BlockError) in try await disk.writeZeroes(range) }
      for index in offset..<offset + length { expected[index] = 0 }
      tally.zeroings += 1
    case 2..<9: await read(offset, length)
    default: await write(offset, random(length))
    }
  }

  mutating func verifyAll() async { await read(0, expected.count) }

  private mutating func write(_ offset: Int, _ bytes: [UInt8]) async {
    await must { () async throws(BlockError) in try await disk.write(at: start + UInt64(offset), bytes) }
    expected.replaceSubrange(offset..<offset + bytes.count, with: bytes)
    tally.writes += 1
    tally.writtenBytes += bytes.count
  }

  private mutating func read(_ offset: Int, _ length: Int) async {
    var bytes = [UInt8](repeating: 0xee, count: length)
    let from = start + UInt64(offset)
    await must { () async throws(BlockError) in try await disk.read(at: from, into: &bytes) }
    if !bytes.elementsEqual(expected[offset..<offset + length]) { tally.wrong += 1 }
    tally.reads += 1
    tally.readBytes += length
  }
}
