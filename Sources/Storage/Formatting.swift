/// Makes an empty store.
struct Formatting<Device: BlockStorage> {
  typealias Failure = StorageError<Device.Failure>

  /// What was on the device is lost. A crash meanwhile leaves a store as it was before, no store, or an empty one.
  ///
  /// - Parameter identity: Tells this store's batches from those of an earlier one.
  nonisolated(nonsending) static func format(_ device: Device, identity: UInt64) async throws(Failure) {
    guard device.byteCount >= StorageLimits.deviceByteCount else {
      throw .deviceTooSmall(byteCount: device.byteCount, required: StorageLimits.deviceByteCount)
    }
    let medium = LogMedium(device: device, ring: RingGeometry(deviceByteCount: device.byteCount))
    try await clear(device)
    try await medium.flush()

    // A log always has a newest batch.
    var batch = BatchHeader(
      identity: identity, epoch: 1, sequence: 1, position: 0, tailPosition: 0, tailSequence: 1, previousChecksum: 0)
    var writer = BatchWriter(medium: medium, position: 0, byteCount: batch.batchByteCount)
    batch.recordsChecksum = writer.takeChecksum()
    batch.valuesChecksum = writer.takeChecksum()
    try await writer.finish(&batch)
    try await medium.flush()

    let superblock = Superblock(
      identity: identity, generation: 1, epoch: 1, ringByteCount: medium.ring.byteCount, sequence: 1, position: 0,
      nextPosition: batch.nextPosition, batchChecksum: batch.checksum)
    try await medium.write(superblock, slot: 0)
    try await medium.flush()
  }

  /// Writes zeros over everything before the ring.
  private nonisolated(nonsending) static func clear(_ device: Device) async throws(Failure) {
    let zeros = SectorBuffer(byteCount: Int(RingGeometry.ringOffset))
    do throws(Device.Failure) {
      try await device.write(UnsafeRawBufferPointer(zeros.bytes), at: 0)
    } catch {
      throw .device(error)
    }
  }
}
