/// The start of a batch: what one commit, or one cleaning, appended to the log. Records follow, then values, then zeros up to
/// the end of the sector.
struct BatchHeader: Equatable {
  var identity: UInt64
  var epoch: UInt64
  /// One more than that of the batch before.
  var sequence: UInt64
  var position: UInt64
  /// How many bytes the records have, which follow the header.
  var recordsByteCount: UInt32
  var recordsChecksum: UInt32
  /// How many bytes the values have, which follow the records.
  var valuesByteCount: UInt32
  /// Of the values as they were written. Each record has the checksum of its value as it was set, too.
  var valuesChecksum: UInt32
  /// Where the log starts, now that this batch is in it.
  var tailPosition: UInt64
  var tailSequence: UInt64
  /// The checksum in the header of the batch before, so that no other batch takes its place.
  var previousChecksum: UInt32
  /// Of the rest of the header.
  var checksum: UInt32 = 0

  static let byteCount = 88
  private static let magic: UInt32 = 0x424c_444e  // "NDLB"
  private static let checksumOffset = 4
  private static let checkedOffset = 8

  /// The whole batch, in bytes: whole sectors.
  var batchByteCount: UInt64 {
    Self.batchByteCount(records: UInt64(recordsByteCount), values: UInt64(valuesByteCount))
  }

  static func batchByteCount(records: UInt64, values: UInt64) -> UInt64 {
    sectors(covering: UInt64(byteCount) + records + values)
  }

  var recordsPosition: UInt64 { position + UInt64(Self.byteCount) }
  var valuesPosition: UInt64 { recordsPosition + UInt64(recordsByteCount) }
  var nextPosition: UInt64 { position + batchByteCount }

  /// The header at the start of `bytes`; nil if there is none that belongs there.
  init?(_ bytes: UnsafeRawBufferPointer, identity: UInt64, sequence: UInt64, position: UInt64, ring: RingGeometry) {
    guard bytes.number(at: 0) == Self.magic else { return nil }
    self.identity = bytes.number(at: 8)
    epoch = bytes.number(at: 16)
    self.sequence = bytes.number(at: 24)
    self.position = bytes.number(at: 32)
    recordsByteCount = bytes.number(at: 40)
    recordsChecksum = bytes.number(at: 44)
    valuesByteCount = bytes.number(at: 48)
    valuesChecksum = bytes.number(at: 52)
    tailPosition = bytes.number(at: 56)
    tailSequence = bytes.number(at: 64)
    previousChecksum = bytes.number(at: 72)
    checksum = bytes.number(at: Self.checksumOffset)
    guard checksum == CRC32C.of(UnsafeRawBufferPointer(rebasing: bytes[Self.checkedOffset..<Self.byteCount])),
      self.identity == identity, self.sequence == sequence, self.position == position,
      epoch <= RingGeometry.positionLimit, batchByteCount <= ring.batchLimit,
      nextPosition <= RingGeometry.positionLimit,
      tailPosition % sectorByteCount == 0, tailPosition <= position, nextPosition - tailPosition <= ring.byteCount,
      tailSequence <= sequence, (tailSequence == sequence) == (tailPosition == position)
    else { return nil }
  }

  init(
    identity: UInt64, epoch: UInt64, sequence: UInt64, position: UInt64, recordsByteCount: UInt32 = 0,
    recordsChecksum: UInt32 = 0, valuesByteCount: UInt32 = 0, valuesChecksum: UInt32 = 0, tailPosition: UInt64,
    tailSequence: UInt64, previousChecksum: UInt32
  ) {
    self.identity = identity
    self.epoch = epoch
    self.sequence = sequence
    self.position = position
    self.recordsByteCount = recordsByteCount
    self.recordsChecksum = recordsChecksum
    self.valuesByteCount = valuesByteCount
    self.valuesChecksum = valuesChecksum
    self.tailPosition = tailPosition
    self.tailSequence = tailSequence
    self.previousChecksum = previousChecksum
  }

  /// Stores the header at the start of `bytes`, and its checksum in both.
  mutating func write(to bytes: UnsafeMutableRawBufferPointer) {
    bytes.store(Self.magic, at: 0)
    bytes.store(identity, at: 8)
    bytes.store(epoch, at: 16)
    bytes.store(sequence, at: 24)
    bytes.store(position, at: 32)
    bytes.store(recordsByteCount, at: 40)
    bytes.store(recordsChecksum, at: 44)
    bytes.store(valuesByteCount, at: 48)
    bytes.store(valuesChecksum, at: 52)
    bytes.store(tailPosition, at: 56)
    bytes.store(tailSequence, at: 64)
    bytes.store(previousChecksum, at: 72)
    bytes.store(0 as UInt32, at: 76)
    bytes.store(0 as UInt64, at: 80)
    checksum = CRC32C.of(UnsafeRawBufferPointer(rebasing: bytes[Self.checkedOffset..<Self.byteCount]))
    bytes.store(checksum, at: Self.checksumOffset)
  }
}
