/// Where the newest committed batch is. There are two, written in turns: one sector each, so never torn.
///
/// A superblock is written after the flush of the batch that it names, and becomes durable with the next flush. So after
/// a crash the newest one on the device names the newest committed batch or the one before.
struct Superblock: Equatable {
  /// Chosen at random when the store was made, so that remains of an earlier store are not taken for this one's.
  var identity: UInt64
  /// Counts the superblocks written; the larger one is the newer.
  var generation: UInt64
  /// Batches of an earlier epoch are void unless they are named here or before one that is.
  var epoch: UInt64
  /// The size of the ring in bytes.
  var ringByteCount: UInt64
  /// The number of the newest batch.
  var sequence: UInt64
  /// The newest batch's position.
  var position: UInt64
  /// Where the newest batch ends, and the next one starts.
  var nextPosition: UInt64
  /// The checksum in the newest batch's header.
  var batchChecksum: UInt32

  static let magic = 0x4552_4f54_534c_444e as UInt64  // "NDLSTORE"
  static let version: UInt32 = 1
  private static let checksumOffset = 508

  /// What reading a slot can come to.
  enum Reading: Equatable {
    case valid(Superblock)
    case otherVersion(UInt32)
    /// Starts like a superblock and is none.
    case damaged
    case foreign
  }

  /// - Parameters:
  ///   - sector: 512 bytes.
  ///   - slot: Which of the two places it comes from.
  static func read(_ sector: UnsafeRawBufferPointer, slot: Int) -> Reading {
    guard sector.number(at: 0) == magic else { return .foreign }
    guard sector.number(at: checksumOffset) == CRC32C.of(UnsafeRawBufferPointer(rebasing: sector[..<checksumOffset]))
    else { return .damaged }
    let version = sector.number(at: 8, as: UInt32.self)
    guard version == Self.version else { return .otherVersion(version) }
    let superblock = Superblock(
      identity: sector.number(at: 16), generation: sector.number(at: 24), epoch: sector.number(at: 32),
      ringByteCount: sector.number(at: 40), sequence: sector.number(at: 48), position: sector.number(at: 56),
      nextPosition: sector.number(at: 64), batchChecksum: sector.number(at: 72))
    guard sector.number(at: 12) == UInt32(slot), superblock.isPlausible else { return .damaged }
    return .valid(superblock)
  }

  /// Fills a sector of zeros.
  func write(to sector: UnsafeMutableRawBufferPointer, slot: Int) {
    sector.store(Self.magic, at: 0)
    sector.store(Self.version, at: 8)
    sector.store(UInt32(slot), at: 12)
    sector.store(identity, at: 16)
    sector.store(generation, at: 24)
    sector.store(epoch, at: 32)
    sector.store(ringByteCount, at: 40)
    sector.store(sequence, at: 48)
    sector.store(position, at: 56)
    sector.store(nextPosition, at: 64)
    sector.store(batchChecksum, at: 72)
    let checksum = CRC32C.of(UnsafeRawBufferPointer(rebasing: sector[..<Self.checksumOffset]))
    sector.store(checksum, at: Self.checksumOffset)
  }

  /// Whether this is the batch that was the newest one.
  func names(_ batch: BatchHeader) -> Bool {
    batch.position == position && batch.sequence == sequence && batch.nextPosition == nextPosition
      && batch.checksum == batchChecksum
  }

  /// A checksum does not say who wrote it: the numbers are checked all the same.
  private var isPlausible: Bool {
    guard let ring = RingGeometry(byteCount: ringByteCount) else { return false }
    let limit = RingGeometry.positionLimit
    return generation <= limit && epoch <= limit && sequence <= limit && nextPosition <= limit
      && position % sectorByteCount == 0 && nextPosition % sectorByteCount == 0
      && nextPosition > position && nextPosition - position <= ring.batchLimit
  }
}
