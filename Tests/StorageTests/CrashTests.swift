import SeededRandom
import Storage
import StorageSupport
import Testing

/// After a crash at any moment, every committed pair is there, and nothing uncommitted is half there.
@Suite struct CrashTests {
  /// What a commit did to the device, and what the store held before and after it.
  struct Commit {
    let events: [MemoryDisk.Event]
    let before: Pairs
    let after: Pairs
  }

  /// Records many commits on a device so small that the log goes round it many times.
  static func commits(seed: UInt64, count: Int, _ valueByteCounts: ClosedRange<Int>) async throws -> ([UInt8], [Commit])
  {
    let disk = MemoryDisk(byteCount: 64 << 10)
    try await Storage.format(disk)
    let start = disk.bytes
    let store = try await Storage.open(on: disk)
    disk.record()
    var workload = Workload(seed: seed, keyCount: 12, valueByteCounts: valueByteCounts)
    var commits: [Commit] = []
    var model: Pairs = [:]
    while commits.count < count {
      let before = model
      for _ in 0..<Int.random(in: 1...4, using: &workload.generator) { try await workload.change(store, &model) }
      try await store.commit()
      let events = disk.takeTrace()
      if !events.isEmpty { commits.append(Commit(events: events, before: before, after: model)) }
    }
    return (start, commits)
  }

  static func pairs(on image: [UInt8]) async throws -> Pairs {
    try await Storage.open(on: MemoryDisk(image)).pairs()
  }

  /// Every moment between two operations of a long trace.
  @Test(arguments: [1, 2] as [UInt64]) func everyPrefixOfATrace(seed: UInt64) async throws {
    let (start, commits) = try await Self.commits(seed: seed, count: 300, 0...1200)
    var generator = SeededGenerator(seed: seed)
    var images = CrashImages(start)
    var cleanings = 0
    for commit in commits {
      cleanings += commit.events.count { $0 == .flush } - 1
      for (index, event) in commit.events.enumerated() {
        images.add(event, using: &generator)
        let found = try await Self.pairs(on: images.image { _ in true })
        let isFlushed = !commit.events[(index + 1)...].contains(.flush)
        let isWritten = isFlushed || commit.events[(index + 1)...].first == .flush
        #expect(found == commit.before && !isFlushed || found == commit.after && isWritten)
      }
      // Nothing of the window: the superblock is still on its way.
      #expect(try await Self.pairs(on: images.durable) == commit.after)
    }
    #expect(cleanings > 10)
  }

  /// Every subset of the sectors of every window, as far as there are not too many; and of the larger ones, some.
  @Test(arguments: [11, 12, 13, 14] as [UInt64]) func tornWrites(seed: UInt64) async throws {
    let (start, commits) = try await Self.commits(seed: seed, count: 120, seed % 2 == 0 ? 0...40 : 0...1200)
    var generator = SeededGenerator(seed: seed)
    var images = CrashImages(start)
    var exhaustive = 0
    for commit in commits {
      for event in commit.events {
        if event == .flush {
          let count = images.windowCount
          var candidates: [[UInt8]] = []
          if count <= 4 {
            exhaustive += 1
            for subset in 0..<(1 << count) { candidates.append(images.image { subset >> $0 & 1 != 0 }) }
          } else {
            for missing in 0..<min(count, 4) { candidates.append(images.image { $0 != missing }) }
            candidates.append(images.image { $0 != count - 1 })
            for _ in 0..<12 { candidates.append(images.randomImage(using: &generator)) }
          }
          for image in candidates {
            let found = try await Self.pairs(on: image)
            #expect(found == commit.before || found == commit.after)
          }
        }
        images.add(event, using: &generator)
      }
    }
    #expect(exhaustive > 20)
  }

  /// What a crash left of one batch is not completed by a part of the next one.
  @Test(arguments: [false, true]) func remainsStayRemains(afterFailure: Bool) async throws {
    let disk = MemoryDisk(byteCount: 64 << 10)
    try await Storage.format(disk)
    var store = try await Storage.open(on: disk)
    let value = [UInt8](repeating: 7, count: 2000)
    disk.record()
    try await store.set("first", to: value)
    var generator = SeededGenerator(seed: 0)
    if afterFailure {
      // All but the last sector arrives.
      disk.fail(after: 0, sectorsOfFailingWrite: 4)
      await #expect(throws: StorageError<MemoryDisk.Failure>.self) { try await store.commit() }
      await store.discardChanges()
    } else {
      let start = disk.bytes
      try await store.commit()
      var images = CrashImages(start)
      images.add(disk.takeTrace()[0], using: &generator)
      #expect(images.windowCount == 5)
      disk.change { $0 = images.image { $0 != 4 } }
      store = try await Storage.open(on: disk)
      #expect(try await store.pairs() == [:])
    }
    _ = disk.takeTrace()
    var images = CrashImages(disk.bytes)
    // As long as the first.
    try await store.set("other", to: value)
    try await store.commit()
    for event in disk.takeTrace() {
      for sector in 0..<images.windowCount {
        let found = try await Self.pairs(on: images.image { $0 == sector })
        #expect(found == [:] || found == ["other": value])
      }
      images.add(event, using: &generator)
    }
    #expect(try await Self.pairs(on: images.durable) == ["other": value])
  }

  /// Crash after crash, with failures of the device and discarded changes between them.
  @Test(arguments: 0..<8 as Range<UInt64>) func crashAfterCrash(seed: UInt64) async throws {
    let isMonotonous = seed % 2 == 0
    var workload = Workload(
      seed: seed, keyCount: isMonotonous ? 4 : 10, valueByteCounts: isMonotonous ? 1000...1002 : 0...900,
      isMonotonous: isMonotonous)
    let blank = MemoryDisk(byteCount: 64 << 10)
    try await Storage.format(blank)
    var image = blank.bytes
    var model: Pairs = [:]
    for _ in 0..<80 {
      var history = History(model)
      let disk = MemoryDisk(image)
      disk.record()
      let store = try await Storage.open(on: disk)
      #expect(try await store.pairs() == model)
      for _ in 0..<Int.random(in: 1...8, using: &workload.generator) {
        for _ in 0..<Int.random(in: 1...3, using: &workload.generator) { try await workload.change(store, &model) }
        if Int.random(in: 0..<4, using: &workload.generator) == 0 {
          disk.fail(
            after: .random(in: 0..<6, using: &workload.generator),
            staysBroken: Bool.random(using: &workload.generator),
            sectorsOfFailingWrite: .random(in: 0..<4, using: &workload.generator))
        }
        history.attempt(model, at: disk.takeTrace())
        do {
          try await store.commit()
          history.succeed(at: disk.takeTrace())
        } catch StorageError<MemoryDisk.Failure>.device {
          history.add(disk.takeTrace())
          if Bool.random(using: &workload.generator) {
            await store.discardChanges()
            model = history.committed
          }
        }
        disk.repair()
        #expect(try await store.pairs() == model)
      }
      let (left, expected) = history.crash(on: image, using: &workload.generator)
      image = left
      model = try await Self.pairs(on: image)
      #expect(expected.contains(model))
    }
  }
}

/// What happened, and what may be there after a crash at each moment of it.
private struct History {
  private var events: [MemoryDisk.Event] = []
  /// What may be there, from each index of `events` on.
  private var expectations: [(from: Int, pairs: [Pairs])]
  private(set) var committed: Pairs
  private var attempted: Pairs?

  init(_ committed: Pairs) {
    self.committed = committed
    expectations = [(0, [committed])]
  }

  mutating func add(_ events: [MemoryDisk.Event]) {
    self.events += events
  }

  mutating func attempt(_ pairs: Pairs, at earlier: [MemoryDisk.Event]) {
    add(earlier)
    attempted = pairs
    expectations.append((events.count, expectations.last!.pairs + [pairs]))
  }

  mutating func succeed(at events: [MemoryDisk.Event]) {
    add(events)
    committed = attempted!
    expectations.append((self.events.count, [committed]))
  }

  /// What a crash at some moment leaves, and which pairs may be there.
  func crash(on image: [UInt8], using generator: inout SeededGenerator) -> ([UInt8], [Pairs]) {
    let moment = Int.random(in: 0...events.count, using: &generator)
    var images = CrashImages(image)
    for event in events[..<moment] { images.add(event, using: &generator) }
    return (images.randomImage(using: &generator), expectations.last { $0.from <= moment }!.pairs)
  }
}
