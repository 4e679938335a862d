import MachineABI

/// What a block device is, and how much of it one request may concern (virtio-1.2 §5.2.4).
struct BlockGeometry: Equatable {
  /// A request's unit, whatever the device's own sectors are (virtio-1.2 §5.2.4).
  static var sectorSize: UInt64 { UInt64(VIRTIO_BLK_SECTOR_SIZE) }
  /// Data segments in one request at most: the driver's own limit, which bounds the room that it keeps for one.
  static var segmentLimit: Int { 14 }
  /// Bytes in one request at most: the driver's own limit. The whole chain must stay below 2^32 (virtio-1.2 §2.7.5).
  static var requestLimit: UInt64 { 1 << 30 }

  /// The capacity in bytes.
  var byteCount: UInt64
  /// The device's own sector in bytes; what is smaller costs it a read first.
  var sectorSize: Int = Int(VIRTIO_BLK_SECTOR_SIZE)
  var isReadOnly = false
  var canFlush = false
  /// The greatest data segment in bytes, and how many a request may have.
  var segmentSize: UInt64 = requestLimit
  var segmentCount = 1
  /// Sectors that one request may discard, or write zeroes to; 0 if the device cannot.
  var discardSectors: UInt64 = 0
  var writeZeroesSectors: UInt64 = 0

  /// Nil when the configuration contradicts itself.
  init?<Page>(_ space: ConfigurationSpace<Page>, features: UInt64, queueSize: Int) {
    // Field offsets are those of virtio-1.2 §5.2.4.
    func has(_ bit: Int32) -> Bool { features & feature(bit) != 0 }
    let (bytes, overflow) = space.load64(0).multipliedReportingOverflow(by: Self.sectorSize)
    guard !overflow else { return nil }
    byteCount = bytes
    isReadOnly = has(VIRTIO_BLK_F_RO)
    canFlush = has(VIRTIO_BLK_F_FLUSH)
    if has(VIRTIO_BLK_F_BLK_SIZE) { sectorSize = Int(space.load32(ConfigurationOffset.sectorSize)) }
    if has(VIRTIO_BLK_F_SIZE_MAX) {
      segmentSize = min(segmentSize, UInt64(space.load32(ConfigurationOffset.segmentSize)))
    }
    if has(VIRTIO_BLK_F_SEG_MAX) {
      segmentCount = min(Self.segmentLimit, Int(space.load32(ConfigurationOffset.segmentCount)))
    }
    // A request has a head and a status besides its data.
    segmentCount = min(segmentCount, queueSize - 2)
    if has(VIRTIO_BLK_F_DISCARD) { discardSectors = UInt64(space.load32(ConfigurationOffset.discardSectors)) }
    if has(VIRTIO_BLK_F_WRITE_ZEROES) {
      writeZeroesSectors = UInt64(space.load32(ConfigurationOffset.writeZeroesSectors))
    }
    guard segmentCount > 0, requestBytes >= Self.sectorSize, sectorSize >= Int(VIRTIO_BLK_SECTOR_SIZE),
      sectorSize & (sectorSize - 1) == 0
    else { return nil }
  }

  init(byteCount: UInt64) {
    self.byteCount = byteCount
  }

  /// How many bytes one read or write moves at most, whole sectors.
  var requestBytes: UInt64 {
    min(Self.requestLimit, segmentSize * UInt64(segmentCount)) & ~(Self.sectorSize - 1)
  }

  /// How many bytes one request of this kind concerns at most; 0 if the device cannot do it.
  func requestBytes(for operation: BlockError.Operation) -> UInt64 {
    switch operation {
    case .discard: discardSectors * Self.sectorSize
    case .writeZeroes: writeZeroesSectors * Self.sectorSize
    default: requestBytes
    }
  }

  /// Why a request cannot be, before anybody tries it; nil if it can.
  func objection(
    to operation: BlockError.Operation, offset: UInt64, byteCount count: UInt64
  ) -> BlockError.Reason? {
    if isReadOnly, operation == .write || operation == .discard || operation == .writeZeroes { return .readOnly }
    if offset % Self.sectorSize != 0 || count % Self.sectorSize != 0 { return .misaligned }
    if offset > byteCount || count > byteCount - offset { return .outOfRange }
    if requestBytes(for: operation) == 0 { return .unsupported }
    return nil
  }
}

/// Offsets into the configuration space of a block device (struct virtio_blk_config).
private enum ConfigurationOffset {
  static var segmentSize: Int { 8 }
  static var segmentCount: Int { 12 }
  static var sectorSize: Int { 20 }
  static var discardSectors: Int { 36 }
  static var writeZeroesSectors: Int { 48 }
}
