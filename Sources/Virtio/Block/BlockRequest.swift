import CLinux
import MachineABI

/// A request that cannot be done: the status that the driver gets (virtio-1.2 §5.2.6).
struct BlockRefusal: Error {
  let status: Int32

  static let failed = BlockRefusal(status: VIRTIO_BLK_S_IOERR)
  static let unsupported = BlockRefusal(status: VIRTIO_BLK_S_UNSUPP)
}

/// What a request is checked against.
struct BlockLimits {
  /// Of the disk, in sectors.
  var capacity: UInt64
  var isReadOnly: Bool
  var allowsDiscard = false
  var allowsWriteZeroes = false

  /// How many ranges one discard or write-zeroes request may name.
  static let rangeLimit = 16
  /// How long each may be, in sectors: 2 GiB to discard, which is quick; 32 MiB to zero, which may mean writing.
  static let discardSectorLimit: UInt32 = 1 << 22
  static let zeroSectorLimit: UInt32 = 1 << 16
}

/// One request of the driver's, read and checked: what is left to do, and where the answer goes.
///
/// All pointers are into guest memory that the chain has shown to be the device's to use until it is given back.
final class BlockRequest {
  enum Kind {
    case read
    case write
    case flush
    case identify
    case discard
    case writeZeroes
  }

  /// Bytes of the file to discard or zero.
  struct FileRange {
    var offset: Int
    var length: Int
    /// Whether its space may be given back.
    var isDeallocated: Bool

    /// How much of it one operation does. Giving space back moves no data.
    var operationLength: Int { isDeallocated ? length : min(length, BlockOperation.byteLimit) }
  }

  let head: UInt16
  let kind: Kind
  /// The last byte of the writable buffers.
  private let status: UnsafeMutableRawPointer
  /// How many bytes the driver provides for data, before the status byte.
  private let writableBytes: Int

  /// The data's memory, of which `firstVector` is the first that is not done with.
  private var vectors: UnsafeMutableBufferPointer<iovec>
  private var firstVector = 0
  /// How many bytes at the end of the vector `cutVector` are kept from the operation under way, for the next one.
  private var cutBytes = 0
  private var cutVector = 0
  /// Where in the file the rest of the data begins, in bytes.
  private(set) var offset: Int = 0
  /// How many bytes of data are left.
  private(set) var remaining = 0
  /// How many bytes of data were put into guest memory, from the first on.
  private var provided = 0

  /// What is left of a discard or write-zeroes request, last range first.
  var ranges: [FileRange] = []
  /// The rest of the last range is written, because the file system knows no other way to zero it.
  var isWritingZeros = false
  /// Nothing is left but to make it durable.
  var isFlushing = false
  /// Aligned memory in place of the driver's, for direct access.
  var bounce: BounceBuffer?

  /// The memory that is left. Nothing of it is empty.
  var memory: UnsafeMutableBufferPointer<iovec> { UnsafeMutableBufferPointer(rebasing: vectors[firstVector...]) }

  /// The front of the memory that is left, for one operation: good until progress is noted or this is asked for again.
  func memory(limit: Int) -> UnsafeMutableBufferPointer<iovec> {
    undoCut()
    var end = firstVector
    var total = 0
    while end < vectors.count, total < limit {
      total += vectors[end].iov_len
      end += 1
    }
    if total > limit {
      (cutVector, cutBytes) = (end - 1, total - limit)
      vectors[cutVector].iov_len -= cutBytes
    }
    return UnsafeMutableBufferPointer(rebasing: vectors[firstVector..<end])
  }

  private func undoCut() {
    guard cutBytes > 0 else { return }
    vectors[cutVector].iov_len += cutBytes
    cutBytes = 0
  }

  /// Where the status byte of a chain is; nil if the driver left no room for one (virtio-1.2 §5.2.6).
  static func statusByte(of chain: DescriptorChain) -> UnsafeMutableRawPointer? {
    chain.writable.last.map { $0.baseAddress! + ($0.count - 1) }
  }

  /// Reads and checks a request. Where buffers begin and end means nothing (virtio-1.2 §2.7.4.2): the first 16 readable bytes
  /// are the header, and the last writable one is the status.
  ///
  /// - Parameter status: where the chain's status byte is.
  init(_ chain: DescriptorChain, status: UnsafeMutableRawPointer, limits: BlockLimits) throws(BlockRefusal) {
    head = chain.head
    self.status = status
    vectors = UnsafeMutableBufferPointer(start: nil, count: 0)
    var writableBytes = -1
    for buffer in chain.writable { writableBytes += buffer.count }
    self.writableBytes = writableBytes

    var data = ReadableBytes(chain.readable)
    var header = virtio_blk_req()
    guard withUnsafeMutableBytes(of: &header, { data.take(into: $0) }) else { throw .failed }
    switch Int32(bitPattern: header.type) {
    case VIRTIO_BLK_T_IN:
      kind = .read
      try setPosition(header.sector, byteCount: writableBytes, limits)
      takeVectors(chain.writable, byteCount: writableBytes)
    case VIRTIO_BLK_T_OUT:
      kind = .write
      // §5.2.6.2: nothing of it is written.
      if limits.isReadOnly { throw .failed }
      try setPosition(header.sector, byteCount: data.count, limits)
      takeVectors(data.rest, byteCount: data.count)
    case VIRTIO_BLK_T_FLUSH: kind = .flush
    case VIRTIO_BLK_T_GET_ID:
      kind = .identify
      takeVectors(chain.writable, byteCount: writableBytes)
      remaining = writableBytes
    case VIRTIO_BLK_T_DISCARD where limits.allowsDiscard:
      kind = .discard
      try takeRanges(&data, limits)
    case VIRTIO_BLK_T_WRITE_ZEROES where limits.allowsWriteZeroes:
      kind = .writeZeroes
      try takeRanges(&data, limits)
    default: throw .unsupported
    }
  }

  deinit { vectors.deallocate() }

  private func setPosition(_ sector: UInt64, byteCount: Int, _ limits: BlockLimits) throws(BlockRefusal) {
    guard byteCount > 0, byteCount % BlockFile.sectorSize == 0 else { throw .failed }
    let count = UInt64(byteCount / BlockFile.sectorSize)
    guard sector <= limits.capacity, count <= limits.capacity - sector else { throw .failed }
    // The capacity in bytes is an Int.
    offset = Int(sector) * Int(BlockFile.sectorSize)
    remaining = byteCount
  }

  /// Takes the first `byteCount` bytes of `buffers` as the data's memory.
  private func takeVectors(_ buffers: [UnsafeMutableRawBufferPointer], byteCount: Int) {
    vectors = .allocate(capacity: buffers.count)
    var left = byteCount
    var used = 0
    for buffer in buffers where left > 0 {
      let count = min(left, buffer.count)
      vectors.initializeElement(at: used, to: iovec(iov_base: buffer.baseAddress!, iov_len: count))
      left -= count
      used += 1
    }
    vectors = UnsafeMutableBufferPointer(start: vectors.baseAddress, count: used)
  }

  /// The ranges of a discard or write-zeroes request (virtio-1.2 §5.2.6, §5.2.6.2).
  private func takeRanges(_ data: inout ReadableBytes, _ limits: BlockLimits) throws(BlockRefusal) {
    if limits.isReadOnly { throw .failed }
    let size = MemoryLayout<virtio_blk_discard_write_zeroes>.size
    guard data.count > 0, data.count % size == 0, data.count / size <= BlockLimits.rangeLimit else { throw .failed }
    let sectorLimit = kind == .discard ? BlockLimits.discardSectorLimit : BlockLimits.zeroSectorLimit
    let knownFlags = kind == .discard ? 0 : UInt32(VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP)
    while data.count > 0 {
      var range = virtio_blk_discard_write_zeroes()
      guard withUnsafeMutableBytes(of: &range, { data.take(into: $0) }) else { throw .failed }
      guard range.flags & ~knownFlags == 0 else { throw .unsupported }
      guard range.num_sectors <= sectorLimit, range.sector <= limits.capacity,
        UInt64(range.num_sectors) <= limits.capacity - range.sector
      else { throw .failed }
      guard range.num_sectors > 0 else { continue }
      ranges.append(
        FileRange(
          offset: Int(range.sector) * Int(BlockFile.sectorSize),
          length: Int(range.num_sectors) * Int(BlockFile.sectorSize),
          isDeallocated: kind == .discard || range.flags != 0))
    }
    ranges.reverse()
  }

  // MARK: Progress

  /// Goes on behind data that was moved.
  ///
  /// - Parameter count: up to `remaining`.
  func advance(by count: Int) {
    undoCut()
    remaining -= count
    offset += Int(count)
    if kind != .write { provided += count }
    var left = count
    while left > 0 {
      let step = min(left, vectors[firstVector].iov_len)
      vectors[firstVector].iov_base += step
      vectors[firstVector].iov_len -= step
      left -= step
      if vectors[firstVector].iov_len == 0 { firstVector += 1 }
    }
  }

  /// Copies to the driver's memory as much as there is room for; returns how many bytes.
  @discardableResult
  func provide(_ bytes: UnsafeRawBufferPointer) -> Int {
    let total = min(bytes.count, remaining)
    var done = 0
    for vector in memory where done < total {
      let count = min(total - done, vector.iov_len)
      vector.iov_base.copyMemory(from: bytes.baseAddress! + done, byteCount: count)
      done += count
    }
    advance(by: total)
    return total
  }

  /// Copies from the driver's memory, as much as is left or fits; returns how many bytes. Nothing counts as done by that.
  func copyData(into bytes: UnsafeMutableRawBufferPointer) -> Int {
    let total = min(bytes.count, remaining)
    var done = 0
    for vector in memory where done < total {
      let count = min(total - done, vector.iov_len)
      (bytes.baseAddress! + done).copyMemory(from: vector.iov_base, byteCount: count)
      done += count
    }
    return total
  }

  /// Writes the status byte; returns the used length (virtio-1.2 §2.7.8): as many bytes as were written from the first on. So
  /// the status counts only if all of the data before it was provided.
  func answer(_ status: Int32) -> UInt32 {
    self.status.storeBytes(of: UInt8(truncatingIfNeeded: status), as: UInt8.self)
    return UInt32(clamping: provided == writableBytes ? provided + 1 : provided)
  }

  /// The answer to a chain that was refused before it became a request.
  static func refuse(_ chain: DescriptorChain, status: UnsafeMutableRawPointer, with refusal: BlockRefusal) -> UInt32 {
    status.storeBytes(of: UInt8(truncatingIfNeeded: refusal.status), as: UInt8.self)
    return chain.writable[0].baseAddress == status ? 1 : 0
  }
}

/// Bytes that lie in several buffers, taken from the front. Each is read once.
private struct ReadableBytes {
  private let buffers: [UnsafeRawBufferPointer]
  private var index = 0
  private var taken = 0
  /// How many are left.
  private(set) var count = 0

  init(_ buffers: [UnsafeRawBufferPointer]) {
    self.buffers = buffers
    for buffer in buffers { count += buffer.count }
  }

  /// Fills `target`, unless there is too little.
  mutating func take(into target: UnsafeMutableRawBufferPointer) -> Bool {
    guard target.count <= count else { return false }
    count -= target.count
    var done = 0
    while done < target.count {
      let step = min(target.count - done, buffers[index].count - taken)
      (target.baseAddress! + done).copyMemory(from: buffers[index].baseAddress! + taken, byteCount: step)
      done += step
      taken += step
      if taken == buffers[index].count {
        index += 1
        taken = 0
      }
    }
    return true
  }

  /// What is left. Only for reading, whatever its type: it goes into the `iovec`s of writes.
  var rest: [UnsafeMutableRawBufferPointer] {
    var rest: [UnsafeMutableRawBufferPointer] = []
    for (position, buffer) in buffers[index...].enumerated() {
      let skipped = position == 0 ? taken : 0
      rest.append(
        UnsafeMutableRawBufferPointer(
          start: UnsafeMutableRawPointer(mutating: buffer.baseAddress! + skipped), count: buffer.count - skipped))
    }
    return rest
  }
}
