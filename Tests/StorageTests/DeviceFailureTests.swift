import SeededRandom
import Storage
import StorageSupport
import Testing

@Suite struct DeviceFailureTests {
  typealias Failure = StorageError<MemoryDisk.Failure>

  /// Each operation of a commit fails in turn, once or for good.
  @Test(arguments: [false, true]) func aFailedCommitLeavesTheStoreAsItWas(staysBroken: Bool) async throws {
    var failures = 0
    for operation in 0..<6 {
      for sectors in [0, 1, 2] {
        let disk = MemoryDisk(byteCount: 64 << 10)
        try await Storage.format(disk)
        let store = try await Storage.open(on: disk)
        let old: Pairs = ["a": [UInt8](repeating: 1, count: 700), "b": [2]]
        for (key, value) in old { try await store.set(key, to: value) }
        try await store.commit()
        try await store.delete("b")
        try await store.set("c", to: [UInt8](repeating: 3, count: 1500))
        let new: Pairs = ["a": old["a"]!, "c": [UInt8](repeating: 3, count: 1500)]

        disk.fail(after: operation, staysBroken: staysBroken, sectorsOfFailingWrite: sectors)
        var isCommitted = true
        do { try await store.commit() } catch Failure.device {
          isCommitted = false
          failures += 1
        }
        disk.repair()
        #expect(try await store.pairs() == new)
        #expect(await store.hasChanges == !isCommitted)
        if !isCommitted {
          await store.discardChanges()
          #expect(try await store.pairs() == old)
          // Less than what the failed commit left behind.
          try await store.set("d", to: [4])
        }
        try await store.commit()
        let expected = isCommitted ? new : old.merging(["d": [4]]) { $1 }
        #expect(try await store.pairs() == expected)
        #expect(try await Storage.open(on: disk).pairs() == expected)
      }
    }
    #expect(failures >= 6)
  }

  /// A commit is durable without its superblock; but the next one needs that first, or a crash might find neither.
  @Test func aMissingSuperblockIsMadeUpFor() async throws {
    let disk = MemoryDisk(byteCount: 64 << 10)
    try await Storage.format(disk)
    let store = try await Storage.open(on: disk)
    disk.failWrites(before: 8192)
    try await store.set("a", to: [1])
    try await store.commit()
    #expect(try await Storage.open(on: disk).pairs() == ["a": [1]])
    let bytes = disk.bytes
    try await store.set("b", to: [2])
    for _ in 0..<3 {
      await #expect(throws: Failure.device(MemoryDisk.Failure(operation: .write))) { try await store.commit() }
    }
    #expect(disk.bytes == bytes)
    disk.failWrites(before: 0)
    try await store.commit()
    #expect(try await Storage.open(on: disk).pairs() == ["a": [1], "b": [2]])
  }

  @Test func aFailedReadIsAnErrorOfTheDevice() async throws {
    let disk = MemoryDisk(byteCount: 64 << 10)
    try await Storage.format(disk)
    let store = try await Storage.open(on: disk)
    try await store.set("a", to: [1])
    try await store.commit()
    disk.fail(after: 0)
    await #expect(throws: Failure.device(MemoryDisk.Failure(operation: .read))) { try await store.get("a") }
    #expect(try await store.get("a") == [1])
    disk.fail(after: 1)
    await #expect(throws: Failure.device(MemoryDisk.Failure(operation: .read))) { try await Storage.open(on: disk) }
  }

  /// A device that fails at random while the log goes round it many times.
  @Test(arguments: 0..<4 as Range<UInt64>) func failuresNowAndThen(seed: UInt64) async throws {
    let disk = MemoryDisk(byteCount: 64 << 10)
    try await Storage.format(disk)
    let store = try await Storage.open(on: disk)
    var workload = Workload(seed: seed, keyCount: 12, valueByteCounts: 0...1200)
    var model: Pairs = [:]
    var failures = 0
    for _ in 0..<400 {
      try await workload.change(store, &model)
      disk.fail(after: .random(in: 0..<12, using: &workload.generator), sectorsOfFailingWrite: 1)
      do { try await store.commit() } catch Failure.device {
        failures += 1
        disk.repair()
        try await store.commit()
      }
      disk.repair()
      #expect(try await Storage.open(on: disk).pairs() == model)
    }
    #expect(failures > 50)
  }
}
