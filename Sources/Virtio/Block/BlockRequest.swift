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

/// One request of the driver's, read and checked: what is left to do, and where the answer goes. When it is answered it may
/// become another, so that a request costs no allocation.
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

  private(set) var head: UInt16 = 0
  private(set) var kind = Kind.flush
  /// The last byte of the writable buffers. Invariant: not nil once the request was read.
  private var status: UnsafeMutableRawPointer?
  /// How many bytes the driver provides for data, before the status byte.
  private var writableBytes = 0

  /// Room for `vectorRoom` vectors, of which those before `vectorCount` are the data's memory, and `firstVector` is the first
  /// that is not done with.
  private var vectors: UnsafeMutablePointer<iovec>
  private var vectorRoom: Int
  private var vectorCount = 0
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
  var memory: UnsafeMutableBufferPointer<iovec> {
    UnsafeMutableBufferPointer(start: vectors + firstVector, count: vectorCount - firstVector)
  }

  /// The front of the memory that is left, for one operation: good until progress is noted or this is asked for again.
  func memory(limit: Int) -> UnsafeMutableBufferPointer<iovec> {
    undoCut()
    var end = firstVector
    var total = 0
    while end < vectorCount, total < limit {
      total += vectors[end].iov_len
      end += 1
    }
    if total > limit {
      (cutVector, cutBytes) = (end - 1, total - limit)
      vectors[cutVector].iov_len -= cutBytes
    }
    return UnsafeMutableBufferPointer(start: vectors + firstVector, count: end - firstVector)
  }

  private func undoCut() {
    guard cutBytes > 0 else { return }
    vectors[cutVector].iov_len += cutBytes
    cutBytes = 0
  }

  /// Where the status byte of a chain is; nil if the driver left no room for one (virtio-1.2 §5.2.6).
  static func statusByte(of chain: borrowing DescriptorChain) -> UnsafeMutableRawPointer? {
    guard let last = chain.writable.last else { return nil }
    return last.baseAddress! + (last.count - 1)
  }

  /// No request yet.
  init() {
    vectorRoom = Self.usualVectorCount
    vectors = .allocate(capacity: vectorRoom)
  }

  /// Most requests have one buffer for their data, or a few.
  private static let usualVectorCount = 4

  deinit { vectors.deallocate() }

  /// Becomes the request of a chain, which it reads and checks. Where buffers begin and end means nothing (virtio-1.2
  /// §2.7.4.2): the first 16 readable bytes are the header, and the last writable one is the status.
  ///
  /// - Parameter status: where the chain's status byte is.
  func read(
    _ chain: borrowing DescriptorChain, status: UnsafeMutableRawPointer, limits: BlockLimits
  ) throws(BlockRefusal) {
    head = chain.head
    self.status = status
    vectorCount = 0
    firstVector = 0
    cutBytes = 0
    offset = 0
    remaining = 0
    provided = 0
    ranges.removeAll(keepingCapacity: true)
    isWritingZeros = false
    isFlushing = false
    bounce = nil
    writableBytes = -1
    for index in chain.writable.indices { writableBytes += chain.writable[index].count }

    var data = ReadableBytes(of: chain)
    guard let header = data.takeHeader(from: chain) else { throw .failed }
    switch Int32(bitPattern: header.type) {
    case VIRTIO_BLK_T_IN:
      kind = .read
      try setPosition(header.sector, byteCount: writableBytes, limits)
      takeVectors(writable: chain, byteCount: writableBytes)
    case VIRTIO_BLK_T_OUT:
      kind = .write
      // §5.2.6.2: nothing of it is written.
      if limits.isReadOnly { throw .failed }
      try setPosition(header.sector, byteCount: data.count, limits)
      takeVectors(readable: chain, behind: data)
    case VIRTIO_BLK_T_FLUSH: kind = .flush
    case VIRTIO_BLK_T_GET_ID:
      kind = .identify
      takeVectors(writable: chain, byteCount: writableBytes)
      remaining = writableBytes
    case VIRTIO_BLK_T_DISCARD where limits.allowsDiscard:
      kind = .discard
      try takeRanges(&data, of: chain, limits)
    case VIRTIO_BLK_T_WRITE_ZEROES where limits.allowsWriteZeroes:
      kind = .writeZeroes
      try takeRanges(&data, of: chain, limits)
    default: throw .unsupported
    }
  }

  private func setPosition(_ sector: UInt64, byteCount: Int, _ limits: BlockLimits) throws(BlockRefusal) {
    guard byteCount > 0, byteCount % BlockFile.sectorSize == 0 else { throw .failed }
    let count = UInt64(byteCount / BlockFile.sectorSize)
    guard sector <= limits.capacity, count <= limits.capacity - sector else { throw .failed }
    // The capacity in bytes is an Int.
    offset = Int(sector) * Int(BlockFile.sectorSize)
    remaining = byteCount
  }

  /// Takes the first `byteCount` bytes that the device may write as the data's memory.
  private func takeVectors(writable chain: borrowing DescriptorChain, byteCount: Int) {
    reserveVectors(chain.writable.count)
    var left = byteCount
    for index in chain.writable.indices where left > 0 {
      let buffer = chain.writable[index]
      let count = min(left, buffer.count)
      appendVector(buffer.baseAddress!, count)
      left -= count
    }
  }

  /// Takes what was not taken yet of what the device may read as the data's memory. Only for reading, whatever the type of a
  /// vector's address: it goes to writes alone.
  private func takeVectors(readable chain: borrowing DescriptorChain, behind data: ReadableBytes) {
    reserveVectors(chain.readable.count)
    for index in data.index..<chain.readable.count {
      let buffer = chain.readable[index]
      let skipped = index == data.index ? data.taken : 0
      appendVector(UnsafeMutableRawPointer(mutating: buffer.baseAddress! + skipped), buffer.count - skipped)
    }
  }

  private func reserveVectors(_ count: Int) {
    guard count > vectorRoom else { return }
    vectors.deallocate()
    vectorRoom = count
    vectors = .allocate(capacity: count)
  }

  private func appendVector(_ address: UnsafeMutableRawPointer, _ count: Int) {
    (vectors + vectorCount).initialize(to: iovec(iov_base: address, iov_len: count))
    vectorCount += 1
  }

  /// The ranges of a discard or write-zeroes request (virtio-1.2 §5.2.6, §5.2.6.2).
  private func takeRanges(
    _ data: inout ReadableBytes, of chain: borrowing DescriptorChain, _ limits: BlockLimits
  ) throws(BlockRefusal) {
    if limits.isReadOnly { throw .failed }
    let size = MemoryLayout<virtio_blk_discard_write_zeroes>.size
    guard data.count > 0, data.count % size == 0, data.count / size <= BlockLimits.rangeLimit else { throw .failed }
    let sectorLimit = kind == .discard ? BlockLimits.discardSectorLimit : BlockLimits.zeroSectorLimit
    let knownFlags = kind == .discard ? 0 : UInt32(VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP)
    while data.count > 0 {
      var range = virtio_blk_discard_write_zeroes()
      guard withUnsafeMutableBytes(of: &range, { data.take(into: $0, from: chain) }) else { throw .failed }
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
    self.status!.storeBytes(of: UInt8(truncatingIfNeeded: status), as: UInt8.self)
    return UInt32(clamping: provided == writableBytes ? provided + 1 : provided)
  }

  /// The answer to a chain that was refused before it became a request.
  static func refuse(_ chain: borrowing DescriptorChain, status: UnsafeMutableRawPointer, with refusal: BlockRefusal)
    -> UInt32
  {
    status.storeBytes(of: UInt8(truncatingIfNeeded: refusal.status), as: UInt8.self)
    return chain.writable[0].baseAddress == status ? 1 : 0
  }
}

/// How much was taken of a chain's readable bytes, which lie in several buffers. Each is read once.
private struct ReadableBytes {
  /// Where the next byte is: the buffer, and how many bytes of it were taken.
  private(set) var index = 0
  private(set) var taken = 0
  /// How many are left.
  private(set) var count = 0

  init(of chain: borrowing DescriptorChain) {
    for index in chain.readable.indices { count += chain.readable[index].count }
  }

  /// Takes the header, which comes first; nil if there are too few bytes.
  mutating func takeHeader(from chain: borrowing DescriptorChain) -> virtio_blk_req? {
    let size = MemoryLayout<virtio_blk_req>.size
    // Where it is a buffer of its own, which it mostly is, this is two loads.
    if let first = chain.readable.first, first.count == size {
      index = 1
      count -= size
      return virtio_blk_load_req(first.baseAddress!)
    }
    var header = virtio_blk_req()
    return withUnsafeMutableBytes(of: &header) { take(into: $0, from: chain) } ? header : nil
  }

  /// Fills `target` with the next bytes, unless there are too few.
  mutating func take(into target: UnsafeMutableRawBufferPointer, from chain: borrowing DescriptorChain) -> Bool {
    guard target.count <= count else { return false }
    count -= target.count
    var done = 0
    while done < target.count {
      let buffer = chain.readable[index]
      let step = min(target.count - done, buffer.count - taken)
      (target.baseAddress! + done).copyMemory(from: buffer.baseAddress! + taken, byteCount: step)
      done += step
      taken += step
      if taken == buffer.count {
        index += 1
        taken = 0
      }
    }
    return true
  }
}
