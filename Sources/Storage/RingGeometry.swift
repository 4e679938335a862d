/// How a device is divided: two superblocks, and the ring that the log goes round in.
///
/// A *position* is a byte of the log, counted from the store's first; it never comes again. The byte is in the ring at
/// the position's remainder by the ring's size, so a header that carries its own position is known to be stale, or not
/// in its place, by looking at it.
struct RingGeometry: Equatable {
  /// The size of the ring in bytes: whole sectors.
  let byteCount: UInt64

  /// The superblocks are this far apart, and the ring as far behind them, so that no two of them share a physical sector
  /// of 4096 bytes.
  static let superblockDistance: UInt64 = 4096
  static let superblockCount = 2
  static let ringOffset = UInt64(superblockCount) * superblockDistance

  /// Far above what a device can be written in its life, and far below where sums overflow.
  static let positionLimit: UInt64 = 1 << 62

  /// The ring of a new store on a device of this size, which is at least `StorageLimits.deviceByteCount`.
  init(deviceByteCount: UInt64) {
    byteCount = sectors(within: min(deviceByteCount, Self.positionLimit) - Self.ringOffset)
  }

  /// A ring of a size that a superblock states; nil if no store has a ring like that.
  init?(byteCount: UInt64) {
    guard byteCount % sectorByteCount == 0, byteCount <= Self.positionLimit,
      byteCount >= StorageLimits.deviceByteCount - Self.ringOffset
    else { return nil }
    self.byteCount = byteCount
  }

  /// The device that the store needs, in bytes.
  var requiredDeviceByteCount: UInt64 { Self.ringOffset + byteCount }

  /// Where a position is on the device, in bytes.
  func deviceOffset(of position: UInt64) -> UInt64 { Self.ringOffset + position % byteCount }

  /// How many bytes follow a position before the ring's end.
  func byteCountBeforeEnd(from position: UInt64) -> UInt64 { byteCount - position % byteCount }

  /// The largest batch, in bytes. As much again is kept free, always, so that the oldest batch can be copied out of the
  /// way whatever its size.
  var batchLimit: UInt64 { min(UInt64(StorageLimits.batchByteCount), sectors(within: byteCount / 8)) }

  /// How many bytes of changes fit in a batch.
  var changesByteLimit: UInt64 { batchLimit - Self.batchOverhead }

  /// How many bytes of records one batch of moved records has at most, if it comes from more than one batch: enough for
  /// its flush to matter little.
  var movedByteCountGoal: UInt64 { min(batchLimit, 1 << 20) - Self.batchOverhead }

  /// How far the log is read for one batch of moved records: a bound on how long one takes.
  var movedRangeLimit: UInt64 { 4 * movedByteCountGoal }

  /// What a batch takes beside its records, at most.
  static let batchOverhead = UInt64(BatchHeader.byteCount) + sectorByteCount

  /// How many bytes of live records the store takes.
  ///
  /// Once round the ring, moving what is live and dropping what is not, must make room for the largest batch, with as
  /// much again left free. What is live is then in batches of moved records. Of two that follow one another, either
  /// both together have more than the goal, or the first was made from as much of the log as the limit says; that bounds
  /// their number, and what they take beside the records.
  var liveByteLimit: UInt64 {
    let batches = 2 * (byteCount / movedByteCountGoal) + byteCount / movedRangeLimit + 2
    let overhead = 2 * batchLimit + batches * Self.batchOverhead
    return byteCount > overhead ? byteCount - overhead : 0
  }

  /// The longest value, in bytes: with the longest key it fits in a batch, and several such fit in the store.
  var valueLimit: Int {
    let room = Int(changesByteLimit) - Record.headerByteCount - StorageLimits.keyByteCount
    return min(StorageLimits.valueByteCount, room)
  }
}
