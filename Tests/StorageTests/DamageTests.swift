import SeededRandom
import StorageSupport
import Testing

@testable import Storage

/// Whatever is on a device gives a store or an error; and what is damaged is never taken for what was written.
@Suite struct DamageTests {
  typealias Failure = StorageError<MemoryDisk.Failure>

  /// A store with several batches, the first of which was moved away.
  static func damageableStore() async throws -> (StoreImage, Pairs) {
    let disk = MemoryDisk(byteCount: 64 << 10)
    try await Storage.format(disk)
    let store = try await Storage.open(on: disk)
    var generator = SeededGenerator(seed: 1)
    var model: Pairs = [:]
    for number in 0..<6 {
      for key in [StorageKey("key \(number)"), "same"] {
        let value = generator.bytes(count: 150 * number)
        try await store.set(key, to: value)
        model[key] = value
      }
      if number == 4 {
        try await store.delete("key 1")
        model["key 1"] = nil
      }
      try await store.commit()
    }
    return (StoreImage(disk.bytes), model)
  }

  /// What is read back is right or an error, and every key is there, or the store does not open.
  ///
  /// - Returns: Whether anything was noticed.
  static func isNoticed(_ image: [UInt8], _ model: Pairs) async throws -> Bool {
    let store: Storage<MemoryDisk>
    do { store = try await Storage.open(on: MemoryDisk(image)) } catch Failure.damaged { return true }
    #expect(await store.list() == model.keys.sorted())
    var isNoticed = false
    for (key, value) in model {
      do { #expect(try await store.get(key) == value) } catch Failure.damaged { isNoticed = true }
    }
    return isNoticed
  }

  @Test func everyFlippedBitIsHarmlessOrNoticed() async throws {
    let (image, model) = try await Self.damageableStore()
    var generator = SeededGenerator(seed: 2)
    let used = Array(0..<80) + Array(500..<520) + Array(4096..<4176) + Array(4600..<4620) + Array(8192..<(8192 + 6000))
    var noticed = 0
    for offset in used {
      var bytes = image.bytes
      bytes[offset] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
      if try await Self.isNoticed(bytes, model) { noticed += 1 }
    }
    #expect(noticed > 2500)
  }

  @Test func oneSuperblockIsEnough() async throws {
    let (image, model) = try await Self.damageableStore()
    for slot in 0..<2 {
      var bytes = image.bytes
      bytes.replaceSubrange((slot * 4096)..<(slot * 4096 + 512), with: repeatElement(0xff, count: 512))
      let disk = MemoryDisk(bytes)
      let store = try await Storage.open(on: disk)
      #expect(try await store.pairs() == model)
      try await store.set("another", to: [1])
      try await store.commit()
      #expect(try await Storage.open(on: disk).pairs() == model.merging(["another": [1]]) { $1 })
    }
    var bytes = image.bytes
    bytes[300] ^= 1
    bytes[4096 + 300] ^= 1
    await #expect(throws: Failure.damaged(at: 0)) { try await Storage.open(on: MemoryDisk(bytes)) }
  }

  /// Sectors that a device put elsewhere, or that it still has from before.
  @Test func misdirectedAndLostWritesAreNoticed() async throws {
    let (image, model) = try await Self.damageableStore()
    let used = 8192 + 7000
    for source in stride(from: 0, to: used, by: 512) {
      for target in stride(from: 0, to: used, by: 512) where source != target {
        var bytes = image.bytes
        bytes.replaceSubrange(target..<(target + 512), with: image.bytes[source..<(source + 512)])
        _ = try await Self.isNoticed(bytes, model)
      }
    }
  }

  /// A value that is damaged is so wherever it is moved to, and everything else goes on.
  @Test func aDamagedValueHurtsNoOther() async throws {
    let disk = MemoryDisk(byteCount: 64 << 10)
    try await Storage.format(disk)
    var store = try await Storage.open(on: disk)
    try await store.set("damaged", to: [UInt8](repeating: 0xab, count: 100))
    try await store.set("whole", to: [7])
    try await store.commit()
    let offset = disk.bytes.lastIndex(of: 0xab)! - 99
    disk.change { $0[offset + 50] = 0 }
    store = try await Storage.open(on: disk)
    for number in 0..<200 {
      try await store.set("counter", to: [UInt8](repeating: UInt8(number), count: 1000))
      try await store.commit()
      if number % 20 == 0 { store = try await Storage.open(on: disk) }
    }
    let error = await #expect(throws: Failure.self) { try await store.get("damaged") }
    guard case .damaged(let at) = error else { throw error! }
    #expect(at != UInt64(offset))
    #expect(try await store.get("whole") == [7])
    try await store.set("damaged", to: [1])
    try await store.commit()
    #expect(try await Storage.open(on: disk).get("damaged") == [1])
  }

  @Test func arbitraryBytesAreNoStore() async throws {
    var generator = SeededGenerator(seed: 3)
    for _ in 0..<50 { #expect(await exerciseStore(generator.bytes(count: 64 << 10)) == false) }
  }

  /// Any field of a header may say anything, under a right checksum.
  @Test(arguments: 0..<4 as Range<UInt64>) func wrongNumbersUnderRightChecksums(seed: UInt64) async throws {
    let (image, _) = try await Self.damageableStore()
    var generator = SeededGenerator(seed: seed)
    var stores = 0
    for _ in 0..<500 {
      var changed = image
      for _ in 0..<Int.random(in: 1...3, using: &generator) {
        let isSuperblock = Bool.random(using: &generator)
        let starts = isSuperblock ? image.superblocks : image.batches
        let fields = isSuperblock ? StoreImage.superblockFields : StoreImage.headerFields
        let (offset, byteCount) = fields.randomElement(using: &generator)!
        let place = starts.randomElement(using: &generator)! + offset
        let old = changed.number(at: place, byteCount: byteCount)
        let new = [
          0, 1, old &+ 1, old &- 1, old &+ 512, old &- 512, old << 1, .max, 1 << 62, 1 << 63, generator.next(),
          generator.next() % 65536,
        ].randomElement(using: &generator)!
        changed.set(new, at: place, byteCount: byteCount)
      }
      if await exerciseStore(changed.bytes, repairingChecksums: true) { stores += 1 }
    }
    #expect(stores > 50)
  }

  /// Records that are none, under right checksums.
  @Test(arguments: 0..<4 as Range<UInt64>) func wrongRecordsUnderRightChecksums(seed: UInt64) async throws {
    let (image, _) = try await Self.damageableStore()
    var generator = SeededGenerator(seed: seed)
    for _ in 0..<300 {
      var changed = image
      for _ in 0..<Int.random(in: 1...4, using: &generator) {
        let batch = image.batches.randomElement(using: &generator)!
        changed.bytes[batch + 88 + .random(in: 0..<40, using: &generator)] = .random(in: 0...255, using: &generator)
      }
      await exerciseStore(changed.bytes, repairingChecksums: true)
    }
  }
}
