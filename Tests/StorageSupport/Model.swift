import SeededRandom
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
  /// Whether values consist of the same byte over and over, so that sectors of one batch can stand in another.
  let isMonotonous: Bool

  public init(seed: UInt64, keyCount: Int, valueByteCounts: ClosedRange<Int>, isMonotonous: Bool = false) {
    generator = SeededGenerator(seed: seed)
    self.keyCount = keyCount
    self.valueByteCounts = valueByteCounts
    self.isMonotonous = isMonotonous
  }

  public mutating func change(_ store: Storage<MemoryDisk>, _ model: inout Pairs) async throws {
    let key = StorageKey("key \(Int.random(in: 0..<keyCount, using: &generator))")
    if Int.random(in: 0..<4, using: &generator) == 0 {
      try await store.delete(key)
      model[key] = nil
    } else {
      let count = Int.random(in: valueByteCounts, using: &generator)
      let value =
        isMonotonous
        ? [UInt8](repeating: .random(in: 1...2, using: &generator), count: count) : generator.bytes(count: count)
      try await store.set(key, to: value)
      model[key] = value
    }
  }
}
