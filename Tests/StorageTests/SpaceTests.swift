import SeededRandom
import StorageSupport
import Testing

@testable import Storage

@Suite struct SpaceTests {
  typealias Failure = StorageError<MemoryDisk.Failure>

  /// Hundreds of times round a small device.
  @Test func spaceIsReclaimedForEver() async throws {
    let disk = MemoryDisk(byteCount: 96 << 10)
    try await Storage.format(disk)
    var store = try await Storage.open(on: disk)
    var workload = Workload(seed: 5, keyCount: 40, valueByteCounts: 0...800)
    var model: Pairs = [:]
    for operation in 0..<100_000 {
      try await workload.change(store, &model)
      if operation % 8 == 0 { try await store.commit() }
      if operation % 10_000 == 0 {
        try await store.commit()
        store = try await Storage.open(on: disk)
        #expect(try await store.pairs() == model)
      }
    }
    #expect(disk.writtenByteCount > 200 * Int(disk.byteCount))
    try await store.commit()
    #expect(try await Storage.open(on: disk).pairs() == model)
  }

  /// What is refused leaves what is there; and what the store said fits, fits, however it is overwritten.
  @Test(arguments: [64, 100, 512]) func aFullStoreGoesOn(kibibytes: Int) async throws {
    let disk = MemoryDisk(byteCount: kibibytes << 10)
    try await Storage.format(disk)
    let store = try await Storage.open(on: disk)
    var generator = SeededGenerator(seed: 3)
    var model: Pairs = [:]
    while true {
      let key = StorageKey("key \(model.count)")
      let value = generator.bytes(count: .random(in: 0...300, using: &generator))
      try await store.set(key, to: value)
      do { try await store.commit() } catch Failure.full(let required, let limit) {
        #expect(required > limit)
        #expect(limit == (await store.usage.byteLimit))
        break
      }
      model[key] = value
    }
    await store.discardChanges()
    #expect(try await store.pairs() == model)
    let usage = await store.usage
    #expect(usage.byteLimit - usage.byteCount < 400)

    // As long as it does not grow, nothing is refused.
    let keys = model.keys.sorted()
    for _ in 0..<1500 {
      let first = keys.randomElement(using: &generator)!
      let value = generator.bytes(count: model[first]!.count)
      try await store.set(first, to: value)
      model[first] = value
      try await store.commit()
    }
    #expect(try await store.pairs() == model)
    #expect(try await Storage.open(on: disk).pairs() == model)

    // One after the other can go, and then there is room again.
    for key in keys {
      try await store.delete(key)
      try await store.commit()
    }
    #expect(await store.usage.byteCount == 0)
    try await store.set("large", to: generator.bytes(count: 4000))
    try await store.commit()
    #expect(try await Storage.open(on: disk).list() == ["large"])
  }

  /// Room for a large commit is made of many small batches with nothing to drop in them: all of the log moves.
  @Test(arguments: 0..<2 as Range<UInt64>) func allOfTheLogMoves(seed: UInt64) async throws {
    let disk = MemoryDisk(byteCount: 256 << 10)
    try await Storage.format(disk)
    let store = try await Storage.open(on: disk)
    let limit = Int(RingGeometry(deviceByteCount: disk.byteCount).changesByteLimit)
    var generator = SeededGenerator(seed: seed)
    var model: Pairs = [:]
    for _ in 0..<10 {
      // Small commits fill the ring, most of it with the ends of sectors.
      for _ in 0..<150 {
        let key = StorageKey("key \(Int.random(in: 0..<260, using: &generator))")
        let value = generator.bytes(count: .random(in: 300...450, using: &generator))
        try await store.set(key, to: value)
        model[key] = value
        try await store.commit()
      }
      var byteCount = 0
      while byteCount + 500 < limit {
        let key = StorageKey("key \(Int.random(in: 0..<260, using: &generator))")
        let value = generator.bytes(count: .random(in: 300...450, using: &generator))
        byteCount += 11 + key.bytes.count + value.count
        try await store.set(key, to: value)
        model[key] = value
      }
      try await store.commit()
      #expect(try await store.pairs() == model)
      #expect(try await Storage.open(on: disk).pairs() == model)
    }
  }

  /// Asked for more room than there can be, the log moves once round and ends as it was, without what is not live.
  @Test func onceRoundIsAll() async throws {
    let disk = MemoryDisk(byteCount: 96 << 10)
    try await Storage.format(disk)
    let store = try await Storage.open(on: disk)
    var model: Pairs = [:]
    for number in 0..<60 {
      let key = StorageKey("key \(number % 50)")
      model[key] = [UInt8](repeating: UInt8(number), count: 600)
      try await store.set(key, to: model[key]!)
      try await store.commit()
    }
    let log = try await Recovery.open(disk, indexByteLimit: StorageLimits.indexByteCount)
    let free = log.freeByteCount
    await #expect(throws: Failure.self) { try await log.makeRoom(for: disk.byteCount) }
    #expect(log.freeByteCount > free + 10_000)
    #expect(try await Storage.open(on: disk).pairs() == model)
  }

  /// One pair is overwritten all the time, and the others have to be carried round the ring with nothing gained.
  @Test(arguments: [10, 40, 60, 80, 90, 100] as [UInt64]) func whatNeverChangesStays(percent: UInt64) async throws {
    let disk = MemoryDisk(byteCount: 96 << 10)
    try await Storage.format(disk)
    let store = try await Storage.open(on: disk)
    let largest = RingGeometry(deviceByteCount: disk.byteCount).valueLimit
    let limit = (await store.usage.byteLimit - UInt64(largest + 100)) * percent / 100
    var generator = SeededGenerator(seed: percent)
    var model: Pairs = [:]
    while await store.usage.byteCount + 1100 < limit {
      for _ in 0..<2 {
        let key = StorageKey("key \(model.count)")
        let value = generator.bytes(count: 500)
        try await store.set(key, to: value)
        model[key] = value
      }
      try await store.commit()
    }
    for number in 0..<400 {
      // Small commits let the start of the log move by little, the others by as much as it ever does.
      let value = [UInt8](repeating: UInt8(number % 256), count: number / 40 % 2 == 0 ? 700 : largest)
      try await store.set("hot", to: value)
      model["hot"] = value
      try await store.commit()
      if number % 20 == 0 { #expect(try await Storage.open(on: disk).pairs() == model) }
    }
    #expect(try await store.pairs() == model)
    #expect(disk.writtenByteCount > 5 * Int(disk.byteCount))
  }

  /// Values of the largest size, and commits of the largest, in a store that is nearly full.
  @Test func largeCommitsFitAsLongAsTheStoreDoesNotGrow() async throws {
    let disk = MemoryDisk(byteCount: 16 << 20)
    try await Storage.format(disk)
    let store = try await Storage.open(on: disk)
    let value = [UInt8](repeating: 1, count: 900_000)
    var count: UInt8 = 0
    while true {
      try await store.set(StorageKey([count + 1]), to: value)
      do { try await store.commit() } catch Failure.full { break }
      count += 1
    }
    await store.discardChanges()
    #expect(count >= 10)
    for round in 0..<20 as Range<UInt8> {
      for key in [round % count, (round + 3) % count] {
        try await store.set(StorageKey([key + 1]), to: [UInt8](repeating: round, count: 900_000))
      }
      try await store.commit()
    }
    let reopened = try await Storage.open(on: disk)
    #expect(await reopened.list().count == Int(count))
    #expect(try await reopened.get(StorageKey([19 % count + 1])) == [UInt8](repeating: 19, count: 900_000))
  }
}
