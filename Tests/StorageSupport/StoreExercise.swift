import Storage

/// Opens whatever is on a device, and if it is a store, reads and changes it. Nothing of that may trap, run for ever or
/// take memory without bound; errors are fine.
///
/// For fuzzing: any bytes will do.
///
/// - Parameters:
///   - input: The device's contents; filled up with zeros to the smallest device there is.
///   - repairingChecksums: Whether checksums are put right first, so that what is behind them is reached.
/// - Returns: Whether it was a store.
@discardableResult public func exerciseStore(_ input: [UInt8], repairingChecksums: Bool = false) async -> Bool {
  var image = StoreImage(input + [UInt8](repeating: 0, count: max(0, Int(StorageLimits.deviceByteCount) - input.count)))
  if repairingChecksums { image.repairChecksums() }
  let disk = MemoryDisk(image.bytes)
  guard let store = try? await Storage.open(on: disk, indexByteLimit: 1 << 16) else { return false }
  for key in await store.list() { _ = try? await store.get(key) }
  for round in 0..<4 as Range<UInt8> {
    try? await store.set("key", to: [UInt8](repeating: round, count: 3000))
    if round == 2, let key = await store.list().last { try? await store.delete(key) }
    try? await store.commit()
  }
  _ = try? await Storage.open(on: disk)
  return true
}
