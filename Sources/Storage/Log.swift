/// The log of an open store, and where everything in it is.
///
/// Has one user: the actor that owns it. Reading may go on while a batch is being written; two writers may not meet.
final class Log<Device: BlockStorage> {
  typealias Failure = StorageError<Device.Failure>

  let medium: LogMedium<Device>
  let identity: UInt64
  /// See `KeyIndex.memoryByteCount`.
  let indexByteLimit: Int

  var index: KeyIndex
  /// The batch that the log ends with. It was flushed.
  private(set) var newest: BatchHeader
  private(set) var epoch: UInt64

  /// Of the last superblock that was written, or that should have been.
  private var generation: UInt64
  /// The slot with the newest superblock of which it is known that it is durable.
  private var durableSlot: Int
  /// The slot of a superblock that was written and not flushed.
  private var slotInFlight: Int?
  /// Whether the newest batch has no superblock yet, because that could not be written.
  private var superblockIsMissing = false
  /// Whether there may be remains of a batch behind the newest one, which the next batch might complete by chance; or
  /// whether the newest superblock is too old. Both are put right by a superblock with a new epoch.
  private var needsNewEpoch: Bool

  init(
    medium: LogMedium<Device>, superblock: Superblock, slot: Int, newest: BatchHeader, index: KeyIndex,
    indexByteLimit: Int, needsNewEpoch: Bool
  ) {
    self.medium = medium
    identity = superblock.identity
    generation = superblock.generation
    epoch = max(superblock.epoch, newest.epoch)
    durableSlot = slot
    self.newest = newest
    self.index = index
    self.indexByteLimit = indexByteLimit
    self.needsNewEpoch = needsNewEpoch
  }

  /// How many bytes can be appended without writing over what the newest batch needs.
  var freeByteCount: UInt64 { medium.ring.byteCount - (newest.nextPosition - newest.tailPosition) }

  // MARK: Reading

  /// The value at `location`, which was in the index when the call began; nil if the place was given up meanwhile.
  nonisolated(nonsending) func value(at location: ValueLocation) async throws(Failure) -> [UInt8]? {
    guard location.byteCount > 0 else { return [] }
    let start = sectors(within: location.position)
    let end = location.position + UInt64(location.byteCount)
    let buffer = SectorBuffer(byteCount: Int(end - start))
    try await medium.read(into: buffer.bytes, at: start)
    guard location.position >= newest.tailPosition else { return nil }
    let offset = Int(location.position - start)
    let bytes = UnsafeRawBufferPointer(rebasing: buffer.bytes[offset..<(offset + Int(location.byteCount))])
    guard CRC32C.of(bytes) == location.checksum else {
      throw .damaged(at: medium.ring.deviceOffset(of: location.position))
    }
    return Array(bytes)
  }

  // MARK: Writing

  /// Appends a batch and returns when it is durable.
  ///
  /// Makes no room for it: see `makeRoom`. If this fails, the log is as it was, and a crash before the next batch may or may not bring
  /// this one back, as a whole.
  ///
  /// - Parameter tail: Where the log starts then.
  nonisolated(nonsending) func append(_ entries: [BatchEntry], tail: LogTail) async throws(Failure) {
    try await prepareToAppend()
    var header = BatchHeader(
      identity: identity, epoch: epoch, sequence: newest.sequence + 1, position: newest.nextPosition,
      tailPosition: newest.tailPosition, tailSequence: newest.tailSequence, previousChecksum: newest.checksum)
    switch tail {
    case .unchanged: break
    case .at(let oldest): (header.tailPosition, header.tailSequence) = (oldest.position, oldest.sequence)
    case .itself: (header.tailPosition, header.tailSequence) = (header.position, header.sequence)
    }
    for entry in entries {
      header.recordsByteCount += UInt32(Record.headerByteCount + entry.key.bytes.count)
      header.valuesByteCount += UInt32(entry.valueByteCount)
    }
    // Cannot be, unless somebody else made the store.
    guard header.batchByteCount <= min(freeByteCount, medium.ring.batchLimit) else {
      throw .full(required: header.batchByteCount, limit: min(freeByteCount, medium.ring.batchLimit))
    }
    needsNewEpoch = true
    let records = try await write(entries, &header)
    try await flush()
    needsNewEpoch = false
    newest = header
    for record in records { index.update(record.key, to: record.value) }
    await writeSuperblockOfNewest()
  }

  private nonisolated(nonsending) func write(
    _ entries: [BatchEntry], _ header: inout BatchHeader
  ) async throws(Failure) -> [Record] {
    var writer = BatchWriter(medium: medium, position: header.position, byteCount: header.batchByteCount)
    var records: [Record] = []
    records.reserveCapacity(entries.count)
    var valuePosition = header.valuesPosition
    for entry in entries {
      let record = entry.record(valuePosition: valuePosition)
      try await writer.append(record.encoded)
      records.append(record)
      valuePosition += UInt64(entry.valueByteCount)
    }
    header.recordsChecksum = writer.takeChecksum()
    // Values that move are in the order of the log, many of them close together.
    var reader = LogReader(medium: medium)
    for entry in entries {
      switch entry.content {
      case .deletion: break
      case .value(let bytes): try await writer.append(bytes)
      case .moved(let location): try await copy(location, from: &reader, to: &writer)
      }
    }
    header.valuesChecksum = writer.takeChecksum()
    try await writer.finish(&header)
    return records
  }

  /// Copies a value as it is: if it is damaged, whoever reads it will be told, and nobody who does not.
  private nonisolated(nonsending) func copy(
    _ location: ValueLocation, from reader: inout LogReader<Device>, to writer: inout BatchWriter<Device>
  ) async throws(Failure) {
    var position = location.position
    let end = position + UInt64(location.byteCount)
    while position < end {
      let bytes = try await reader.someBytes(at: position, upTo: end - position)
      try await writer.append(bytes)
      position += UInt64(bytes.count)
    }
  }

  /// Sees to it that, whatever a crash leaves of the next batch, the superblocks lead to the newest one.
  private nonisolated(nonsending) func prepareToAppend() async throws(Failure) {
    if needsNewEpoch {
      try await writeSuperblock(epoch: epoch + 1)
      try await flush()
      epoch += 1
      needsNewEpoch = false
    } else if superblockIsMissing {
      try await writeSuperblock(epoch: epoch)
    }
  }

  /// The batch is committed already, so a failure to write the superblock is no failure of the commit. The next one tries
  /// again, first of all.
  private nonisolated(nonsending) func writeSuperblockOfNewest() async {
    superblockIsMissing = true
    do throws(Failure) { try await writeSuperblock(epoch: epoch) } catch {}
  }

  private nonisolated(nonsending) func writeSuperblock(epoch: UInt64) async throws(Failure) {
    generation += 1
    let slot = 1 - durableSlot
    slotInFlight = nil
    let superblock = Superblock(
      identity: identity, generation: generation, epoch: epoch, ringByteCount: medium.ring.byteCount,
      sequence: newest.sequence, position: newest.position, nextPosition: newest.nextPosition,
      batchChecksum: newest.checksum)
    try await medium.write(superblock, slot: slot)
    slotInFlight = slot
    superblockIsMissing = false
  }

  private nonisolated(nonsending) func flush() async throws(Failure) {
    let slot = slotInFlight
    slotInFlight = nil
    try await medium.flush()
    if let slot { durableSlot = slot }
  }
}

/// Where the log starts once a batch is in it.
enum LogTail {
  case unchanged
  case at(BatchHeader)
  /// With the batch itself.
  case itself
}
