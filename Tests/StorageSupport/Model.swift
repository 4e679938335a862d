import Storage

/// What a store is compared with.
public typealias Pairs = [StorageKey: [UInt8]]

extension Storage {
  /// Everything that the store holds, read back.
  public func pairs() async throws(Failure) -> Pairs {
    var pairs: Pairs = [:]
    for key in list() {
      guard let value = try await get(key) else { continue }
      pairs[key] = value
    }
    return pairs
  }
}

/// Random changes to a store, and the same to a dictionary.
public struct Workload {
  public var generator: SeededGenerator
  let keyCount: Int
  let valueByteCounts: ClosedRange<Int>

  public init(seed: UInt64, keyCount: Int, valueByteCounts: ClosedRange<Int>) {
    generator = SeededGenerator(seed: seed)
    self.keyCount = keyCount
    self.valueByteCounts = valueByteCounts
  }

  public mutating func change(_ store: Storage<MemoryDisk>, _ model: inout Pairs) async throws {
    let key = StorageKey("key \(Int.random(in: 0..<keyCount, using: &generator))")
    if Int.random(in: 0..<4, using: &generator) == 0 {
      try await store.delete(key)
      model[key] = nil
    } else {
      let value = generator.bytes(count: .random(in: valueByteCounts, using: &generator))
      try await store.set(key, to: value)
      model[key] = value
    }
  }
}
