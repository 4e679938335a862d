import SeededRandom
import Storage
import StorageSupport
import TaskGate
import Testing

@Suite struct ConcurrencyTests {
  /// Each task has its own keys, and sees them as it left them, whatever the others commit and the log moves.
  @Test func tasksShareAStore() async throws {
    let disk = MemoryDisk(byteCount: 64 << 10, yields: true)
    try await Storage.format(disk)
    let store = try await Storage.open(on: disk)
    let model = try await withThrowingTaskGroup(of: Pairs.self) { group in
      for task in 0..<8 as Range<UInt64> {
        group.addTask {
          var generator = SeededGenerator(seed: task)
          var model: Pairs = [:]
          for _ in 0..<250 {
            let key = StorageKey("task \(task), key \(Int.random(in: 0..<4, using: &generator))")
            switch Int.random(in: 0..<8, using: &generator) {
            case 0:
              try await store.delete(key)
              model[key] = nil
            case 1...2: try await store.commit()
            case 3...5: #expect(try await store.get(key) == model[key])
            default:
              let value = generator.bytes(count: .random(in: 0...500, using: &generator))
              try await store.set(key, to: value)
              model[key] = value
            }
          }
          return model
        }
      }
      return try await group.reduce(into: Pairs()) { $0.merge($1) { $1 } }
    }
    #expect(try await store.pairs() == model)
    try await store.commit()
    #expect(try await Storage.open(on: disk).pairs() == model)
    #expect(disk.writtenByteCount > 2 * Int(disk.byteCount))
  }

  /// A commit that waited for another one, which took its changes along, writes nothing.
  @Test func commitsAtTheSameTimeShareABatch() async throws {
    let disk = MemoryDisk(byteCount: 64 << 10, yields: true)
    try await Storage.format(disk)
    let store = try await Storage.open(on: disk)
    let flushes = disk.flushCount
    for number in 0..<20 { try await store.set(StorageKey("key \(number)"), to: [1]) }
    try await withThrowingTaskGroup(of: Void.self) { group in
      for _ in 0..<20 { group.addTask { try await store.commit() } }
      try await group.waitForAll()
    }
    #expect(disk.flushCount == flushes + 1)
    #expect(await store.list().count == 20)
  }

  /// While a reader waits for the device, the value moves, and its old place is written over.
  @Test func aReaderFollowsAValueThatMoves() async throws {
    let disk = MemoryDisk(byteCount: 64 << 10)
    try await Storage.format(disk)
    let store = try await Storage.open(on: disk)
    let value = [UInt8](repeating: 0xab, count: 2000)
    try await store.set("moved", to: value)
    try await store.set("deleted", to: value)
    try await store.commit()
    for (key, expected) in [("moved", value), ("deleted", nil)] as [(StorageKey, [UInt8]?)] {
      let gate = Gate()
      disk.holdNextRead(at: gate)
      async let found = store.get(key)
      await gate.waitForVisitor()
      try await store.delete("deleted")
      for number in 0..<100 {
        try await store.set("other", to: [UInt8](repeating: UInt8(number), count: 3000))
        try await store.commit()
      }
      gate.open()
      #expect(try await found == expected)
      try await store.set("deleted", to: value)
      try await store.commit()
    }
  }
}
