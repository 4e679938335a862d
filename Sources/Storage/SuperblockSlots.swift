/// What is in the two places for superblocks.
struct SuperblockSlots {
  /// One reading for each slot.
  private var readings: [Superblock.Reading] = []
  /// Whether there is nothing at all before the ring: no superblocks, and no one else's data.
  private(set) var isBlank = true

  nonisolated(nonsending) init<Device: BlockStorage>(_ device: Device) async throws(StorageError<Device.Failure>) {
    guard device.byteCount >= StorageLimits.deviceByteCount else {
      throw .deviceTooSmall(byteCount: device.byteCount, required: StorageLimits.deviceByteCount)
    }
    let buffer = SectorBuffer(byteCount: Int(RingGeometry.ringOffset))
    do throws(Device.Failure) { try await device.read(into: buffer.bytes, at: 0) } catch { throw .device(error) }
    let bytes = UnsafeRawBufferPointer(buffer.bytes)
    isBlank = bytes.allSatisfy { $0 == 0 }
    for slot in 0..<RingGeometry.superblockCount {
      let start = slot * Int(RingGeometry.superblockDistance)
      let sector = UnsafeRawBufferPointer(rebasing: bytes[start..<(start + Int(sectorByteCount))])
      readings.append(Superblock.read(sector, slot: slot))
    }
  }

  /// The superblock to go by, and its slot.
  ///
  /// One that is not valid was being written when the power went, or is damaged: the other one leads to the same batch.
  func newest<Failure: Error>(_: Failure.Type) throws(StorageError<Failure>) -> (Superblock, slot: Int) {
    switch (readings[0], readings[1]) {
    case (.valid(let first), .valid(let second)):
      guard first.identity == second.identity, first.ringByteCount == second.ringByteCount,
        first.generation != second.generation
      else { throw .damaged(at: 0) }
      return first.generation > second.generation ? (first, 0) : (second, 1)
    case (.valid(let superblock), _): return (superblock, 0)
    case (_, .valid(let superblock)): return (superblock, 1)
    case (.otherVersion(let version), _), (_, .otherVersion(let version)): throw .unsupportedVersion(version)
    case (.damaged, _): throw .damaged(at: 0)
    case (_, .damaged): throw .damaged(at: RingGeometry.superblockDistance)
    case (.foreign, .foreign): throw .notAStore
    }
  }
}
