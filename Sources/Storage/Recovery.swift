/// Finds the newest committed batch on a device, and reads the log that ends with it.
///
/// Everything on the device may be anything: whatever is read is checked, every loop ends at the size of the ring at the
/// latest, and memory is bounded by the limit for the keys.
struct Recovery<Device: BlockStorage> {
  typealias Failure = StorageError<Device.Failure>

  private let medium: LogMedium<Device>
  private let superblock: Superblock
  private let slot: Int
  private var reader: LogReader<Device>

  nonisolated(nonsending) static func open(
    _ device: Device, indexByteLimit: Int
  ) async throws(Failure) -> Log<Device> {
    let slots = try await SuperblockSlots(device)
    let (superblock, slot) = try slots.newest(Device.Failure.self)
    guard let ring = RingGeometry(byteCount: superblock.ringByteCount) else { throw .damaged(at: 0) }
    guard device.byteCount >= ring.requiredDeviceByteCount else {
      throw .deviceTooSmall(byteCount: device.byteCount, required: ring.requiredDeviceByteCount)
    }
    var recovery = Recovery(medium: LogMedium(device: device, ring: ring), superblock: superblock, slot: slot)
    return try await recovery.log(indexByteLimit: indexByteLimit)
  }

  private init(medium: LogMedium<Device>, superblock: Superblock, slot: Int) {
    self.medium = medium
    self.superblock = superblock
    self.slot = slot
    reader = LogReader(medium: medium)
  }

  private nonisolated(nonsending) mutating func log(indexByteLimit: Int) async throws(Failure) -> Log<Device> {
    var (newest, foundRemains) = try await batchesBehindSuperblock()
    if newest != nil {
      // They are there, but perhaps not durable: nobody may rely on them before they are.
      try await medium.flush()
      foundRemains = true
    } else {
      newest = try await reader.header(
        at: superblock.position, identity: superblock.identity, sequence: superblock.sequence)
    }
    guard let newest, newest.sequence > superblock.sequence || superblock.names(newest) else {
      throw reader.damaged(at: superblock.position)
    }
    let index = try await index(endingWith: newest, indexByteLimit: indexByteLimit)
    return Log(
      medium: medium, superblock: superblock, slot: slot, newest: newest, index: index,
      indexByteLimit: indexByteLimit, needsNewEpoch: foundRemains)
  }

  /// The last of the whole batches that follow the one that the superblock names, and whether there is something behind
  /// it that looks like a batch.
  private nonisolated(nonsending) mutating func batchesBehindSuperblock() async throws(Failure) -> (BatchHeader?, Bool)
  {
    var newest: BatchHeader?
    var position = superblock.nextPosition
    var sequence = superblock.sequence
    var checksum = superblock.batchChecksum
    while true {
      sequence += 1
      let header = try await reader.header(at: position, identity: superblock.identity, sequence: sequence)
      guard let header, header.epoch >= superblock.epoch else { return (newest, false) }
      guard header.previousChecksum == checksum, try await reader.isWhole(header) else { return (newest, true) }
      newest = header
      position = header.nextPosition
      checksum = header.checksum
    }
  }

  private nonisolated(nonsending) mutating func index(
    endingWith newest: BatchHeader, indexByteLimit: Int
  ) async throws(Failure) -> KeyIndex {
    var index = KeyIndex()
    var position = newest.tailPosition
    var sequence = newest.tailSequence
    var checksum: UInt32?
    while true {
      let header = try await reader.header(at: position, identity: superblock.identity, sequence: sequence)
      guard let header, checksum == nil || header.previousChecksum == checksum,
        header.position == newest.position ? header == newest : header.nextPosition <= newest.position
      else { throw reader.damaged(at: position) }
      var cursor = RecordCursor<Device>(header)
      while let record = try await cursor.next(&reader) {
        index.update(record.key, to: record.value)
        guard index.memoryByteCount <= indexByteLimit else {
          throw .tooManyKeys(byteCount: index.memoryByteCount, limit: indexByteLimit)
        }
      }
      if header == newest { return index }
      position = header.nextPosition
      sequence += 1
      checksum = header.checksum
    }
  }
}
