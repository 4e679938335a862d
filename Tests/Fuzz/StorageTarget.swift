import StorageSupport

@testable import Storage

/// A store opened on arbitrary blocks: it opens or it does not, and goes on to work if it does.
let storageTarget = FuzzTarget(name: "storage") { bytes in
  nonisolated(unsafe) var input = FuzzInput(bytes)
  let choice = input.next(UInt8.self)
  var image = StoreImages.shared.images[Int(choice & 3) % StoreImages.shared.images.count]
  var isForged = false
  while input.count > 8 {
    switch input.next(UInt8.self) & 7 {
    case 0, 1: image.overwrite(&input)
    case 2: image.copySectors(&input)
    case 3, 4:
      image.changeHeader(&input)
      isForged = true
    case 5:
      image.changeSuperblock(&input)
      isForged = true
    case 6:
      image.seal()
      isForged = true
    default: image.tear(&input)
    }
  }
  let disk = MemoryDisk(image.bytes)
  let mustHold = !isForged
  // Not too small for what the images have.
  let limit = choice & 4 == 0 ? StorageLimits.indexByteCount : 1 << 12
  let failsAfter = choice & 8 == 0 ? nil : Int(choice >> 4)
  InlineExecutor.shared.run { await useStore(on: disk, indexByteLimit: limit, failsAfter: failsAfter, mustHold) }
}

/// Opens, reads everything, commits, and opens again.
private func useStore(on disk: MemoryDisk, indexByteLimit: Int, failsAfter: Int?, _ mustHold: Bool) async {
  if let failsAfter { disk.fail(after: failsAfter) }
  guard let store = try? await Storage.open(on: disk, indexByteLimit: indexByteLimit) else { return }
  for key in await store.list() {
    require(1...StorageLimits.keyByteCount ~= key.bytes.count, "a key's length")
    if let value = try? await store.get(key) {
      require(value.count <= StorageLimits.valueByteCount, "a value's length")
    }
  }
  _ = await store.usage
  let key: StorageKey = "fuzzed"
  let value = [UInt8](repeating: 7, count: 900)
  do {
    try await store.set(key, to: value)
    try await store.commit()
    try await store.delete("same")
    try await store.commit()
  } catch {
    return
  }
  disk.repair()
  guard mustHold else { return }
  do {
    let again = try await Storage.open(on: disk)
    let (set, deleted) = (try await again.get(key), try await again.get("same"))
    require(set == value, "what was committed is there")
    require(deleted == nil, "what was deleted is not")
  } catch {
    require(false, "a store that has committed opens: \(error)")
  }
}

/// Devices with stores on them, as they are before an input changes them.
private final class StoreImages: @unchecked Sendable {
  static let shared = StoreImages()
  private(set) var images: [StoreBytes] = []

  private init() {
    for rounds in [0, 6, 60] { images.append(Self.image(rounds: rounds)) }
    // Nothing but zeros.
    images.append(StoreBytes([UInt8](repeating: 0, count: 64 << 10)))
  }

  private static func image(rounds: Int) -> StoreBytes {
    let disk = MemoryDisk(byteCount: 64 << 10)
    InlineExecutor.shared.run {
      do {
        try await Formatting.format(disk, identity: 0x1234_5678)
        let store = try await Storage.open(on: disk)
        for round in 0..<rounds {
          let value = [UInt8](repeating: UInt8(round), count: 100 * (round % 20))
          try await store.set(StorageKey("key \(round % 7)"), to: value)
          try await store.set("same", to: value)
          if round % 4 == 3 { try await store.delete(StorageKey("key \(round % 5)")) }
          try await store.commit()
        }
      } catch {
        require(false, "a store on a good disk: \(error)")
      }
    }
    return StoreBytes(disk.bytes)
  }
}
