import SeededRandom
import StorageSupport
import Testing

@testable import Storage

@Suite struct StorageTests {
  typealias Failure = StorageError<MemoryDisk.Failure>

  /// A new store.
  static func store(byteCount: Int = 256 << 10) async throws -> (Storage<MemoryDisk>, MemoryDisk) {
    let disk = MemoryDisk(byteCount: byteCount)
    try await Storage.format(disk)
    return (try await Storage.open(on: disk), disk)
  }

  @Test func committedPairsAreThereAfterOpening() async throws {
    let (store, disk) = try await Self.store()
    try await store.set("a", to: [1, 2, 3])
    try await store.set("b", to: [])
    try await store.set("c", to: [4])
    try await store.commit()
    try await store.delete("c")
    try await store.set("d", to: [5])
    try await store.commit()
    try await store.set("e", to: [6])

    #expect(try await store.pairs() == ["a": [1, 2, 3], "b": [], "d": [5], "e": [6]])
    let reopened = try await Storage.open(on: disk)
    #expect(try await reopened.pairs() == ["a": [1, 2, 3], "b": [], "d": [5]])
    #expect(try await reopened.get("nothing") == nil)
  }

  @Test func changesCanBeDiscarded() async throws {
    let (store, _) = try await Self.store()
    try await store.set("a", to: [1])
    try await store.commit()
    try await store.set("a", to: [2])
    try await store.set("b", to: [2])
    #expect(await store.hasChanges)
    await store.discardChanges()
    #expect(await store.hasChanges == false)
    #expect(try await store.pairs() == ["a": [1]])
    try await store.commit()
    #expect(try await store.pairs() == ["a": [1]])
  }

  @Test func keysAreListedInOrderOfTheirBytes() async throws {
    let (store, _) = try await Self.store()
    for key in ["b", "a", "ab", "å", "B", "aa"] { try await store.set(StorageKey(key), to: []) }
    try await store.commit()
    try await store.set("ac", to: [])
    try await store.delete("aa")
    try await store.delete("absent")
    #expect(await store.list() == ["B", "a", "ab", "ac", "b", "å"])
    #expect(await store.list(prefix: "a") == ["a", "ab", "ac"])
    #expect(await store.list(prefix: "x") == [])
  }

  @Test func aCommitIsOneWriteAndOneFlush() async throws {
    let (store, disk) = try await Self.store()
    disk.record()
    for number in 0..<3 {
      try await store.set("a", to: [UInt8(number)])
      try await store.commit()
      // The batch, its flush, and the superblock, which the next flush makes durable.
      let trace = disk.takeTrace()
      #expect(trace.count == 3)
      #expect(trace[1] == .flush)
    }
    try await store.commit()
    try await store.delete("absent")
    try await store.commit()
    #expect(disk.takeTrace() == [])
  }

  @Test func lengthsAreLimited() async throws {
    let (store, disk) = try await Self.store(byteCount: 64 << 20)
    let longestKey = StorageKey([UInt8](repeating: 7, count: StorageLimits.keyByteCount))
    let longestValue = [UInt8](repeating: 9, count: StorageLimits.valueByteCount)
    try await store.set(longestKey, to: longestValue)
    try await store.commit()
    await #expect(throws: Failure.badKeyLength(0, limit: 1024)) { try await store.set("", to: []) }
    await #expect(throws: Failure.badKeyLength(1025, limit: 1024)) {
      try await store.delete(StorageKey(longestKey.bytes + [0]))
    }
    await #expect(throws: Failure.valueTooLong(1 << 20 + 1, limit: 1 << 20)) {
      try await store.set("a", to: longestValue + [0])
    }
    #expect(try await Storage.open(on: disk).pairs() == [longestKey: longestValue])
  }

  @Test func aTransactionIsLimited() async throws {
    let (store, _) = try await Self.store()
    let limit = Int(RingGeometry(deviceByteCount: 256 << 10).changesByteLimit)
    let value = [UInt8](repeating: 1, count: 1000)
    var count = 0
    let error = await #expect(throws: Failure.self) {
      while true {
        try await store.set(StorageKey("key \(1000 + count)"), to: value)
        count += 1
      }
    }
    #expect(error == .tooManyChanges(byteCount: (count + 1) * 1019, limit: limit))
    try await store.commit()
    #expect(await store.list().count == count)
  }

  @Test func memoryForKeysIsLimited() async throws {
    let disk = MemoryDisk(byteCount: 256 << 10)
    try await Storage.format(disk)
    let store = try await Storage.open(on: disk, indexByteLimit: 1000)
    for number in 0..<8 { try await store.set(StorageKey("key \(number)"), to: []) }
    try await store.commit()
    try await store.set("key 8", to: [])
    await #expect(throws: Failure.tooManyKeys(byteCount: 9 * 117, limit: 1000)) { try await store.commit() }
    await #expect(throws: Failure.tooManyKeys(byteCount: 936, limit: 900)) {
      try await Storage.open(on: disk, indexByteLimit: 900)
    }
    try await store.delete("key 0")
    try await store.commit()
    #expect(await store.list().count == 8)
  }

  @Test func devicesThatDoNotFitAreRefused() async throws {
    let small = MemoryDisk(byteCount: 65535)
    await #expect(throws: Failure.deviceTooSmall(byteCount: 65535, required: 65536)) { try await Storage.format(small) }
    await #expect(throws: Failure.deviceTooSmall(byteCount: 65535, required: 65536)) {
      try await Storage.open(on: small)
    }
    let (_, disk) = try await Self.store(byteCount: 128 << 10)
    let cut = MemoryDisk(Array(disk.bytes[..<(100 << 10)]))
    await #expect(throws: Failure.deviceTooSmall(byteCount: 100 << 10, required: 128 << 10)) {
      try await Storage.open(on: cut)
    }
    let grown = MemoryDisk(disk.bytes + [UInt8](repeating: 1, count: 1000))
    let store = try await Storage.open(on: grown)
    #expect(try await store.pairs() == [:])
  }

  @Test func onlyABlankDeviceIsFormatted() async throws {
    let disk = MemoryDisk(byteCount: 64 << 10)
    await #expect(throws: Failure.notAStore) { try await Storage.open(on: disk) }
    let store = try await Storage.openOrFormat(on: disk)
    try await store.set("a", to: [1])
    try await store.commit()
    #expect(try await Storage.openOrFormat(on: disk).pairs() == ["a": [1]])
    disk.change { $0[5000] = 1 }
    #expect(try await Storage.openOrFormat(on: disk).pairs() == ["a": [1]])

    let foreign = MemoryDisk(byteCount: 64 << 10)
    foreign.change { $0[1080] = 0x53 }
    await #expect(throws: Failure.notAStore) { try await Storage.openOrFormat(on: foreign) }
  }

  @Test func formattingForgetsTheOldStore() async throws {
    let (store, disk) = try await Self.store()
    for number in 0..<10 {
      try await store.set("a", to: [UInt8(number)])
      try await store.commit()
    }
    try await Storage.format(disk)
    #expect(try await Storage.open(on: disk).pairs() == [:])
  }

  @Test func anotherVersionIsNamed() async throws {
    let (_, disk) = try await Self.store()
    disk.change {
      $0[8] = 2
      let checksum = CRC32C.of(Array($0[..<508]))
      for index in 0..<4 { $0[508 + index] = UInt8(truncatingIfNeeded: checksum >> UInt32(8 * index)) }
    }
    await #expect(throws: Failure.unsupportedVersion(2)) { try await Storage.open(on: disk) }
  }

  @Test func errorsSayNumbers() {
    struct Broken: Error, CustomStringConvertible { var description: String { "broken" } }
    #expect(
      "\(StorageError<Broken>.full(required: 7, limit: 5))"
        == "the store would hold 7 bytes; at most 5 fit on the device")
    #expect("\(StorageError.device(Broken()))" == "broken")
  }

  /// Check values of RFC 3720, B.4, and the usual one.
  @Test func checksumsAreThoseOfTheStandard() {
    #expect(CRC32C.of([UInt8](repeating: 0, count: 32)) == 0x8a91_36aa)
    #expect(CRC32C.of([UInt8](repeating: 0xff, count: 32)) == 0x62a8_ab43)
    #expect(CRC32C.of(Array(0..<32)) == 0x46dd_794e)
    #expect(CRC32C.of(Array("123456789".utf8)) == 0xe306_9283)
  }

  @Test(arguments: 0..<8 as Range<UInt64>) func behavesLikeADictionary(seed: UInt64) async throws {
    let disk = MemoryDisk(byteCount: 64 << 10 + Int(seed) * 13 * 512)
    try await Storage.format(disk)
    var store = try await Storage.open(on: disk)
    var committed: Pairs = [:]
    var model: Pairs = [:]
    var workload = Workload(seed: seed, keyCount: 20, valueByteCounts: 0...1200)
    for _ in 0..<1500 {
      switch Int.random(in: 0..<40, using: &workload.generator) {
      case 0:
        store = try await Storage.open(on: disk)
        model = committed
      case 1:
        await store.discardChanges()
        model = committed
      case 2...10:
        try await store.commit()
        committed = model
      case 11: #expect(try await store.pairs() == model)
      default:
        do {
          try await workload.change(store, &model)
        } catch Failure.tooManyChanges {
          try await store.commit()
          committed = model
        }
      }
    }
    #expect(try await store.pairs() == model)
    try await store.commit()
    let usage = await store.usage
    #expect(usage.keyCount == model.count)
    #expect(usage.byteCount == model.reduce(0) { $0 + Record.byteCount(key: $1.key, valueByteCount: $1.value.count) })
    #expect(try await Storage.open(on: disk).pairs() == model)
    #expect(await store.usage == (try await Storage.open(on: disk).usage))
  }
}
