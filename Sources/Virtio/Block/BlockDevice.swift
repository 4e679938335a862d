import CLinux
import KVM
import MachineABI

/// A disk (virtio-1.2 §5.2) whose contents are a file's.
///
/// What the page cache can answer is done while the driver notifies, or on the devices' thread while that looks for a busy queue's
/// requests. Everything else goes to an engine, which exists from the first such request on: a guest that leaves its disk
/// alone, or reads only what is cached, pays for none.
public final class BlockDevice: VirtioDevice {
  /// The entries of its only queue.
  static let queueSize: UInt16 = 256
  /// A header and a status byte take a descriptor each.
  private static let segmentLimit = UInt32(queueSize) - 2

  private let file: BlockFile
  private let identity: InlineArray<20, UInt8>
  private let loop: DeviceLoop
  private let makeEngine: (_ file: Int32, _ capacity: Int) throws(SystemCallError) -> any BlockEngine

  private var queue: Virtqueue?
  private var limits: BlockLimits
  /// Whether the driver flushes: if not, what it was told is written has to stay (§5.2.6.2).
  private var isFlushNegotiated = false
  private var engine: (any BlockEngine)?
  /// A request for each head, to be used again when it is answered; nil for heads that no chain has had.
  private var requests: [BlockRequest?] = []
  private var chain = DescriptorChain()
  private var needsHandOver = false
  private var prompt: PromptAccess
  /// Large reads of the notification that is being served, which nothing was done for yet.
  private var largeReads: [BlockRequest] = []
  private let poller: QueuePoller

  /// - Parameters:
  ///   - file: stays open and locked as long as the device exists.
  ///   - name: what the driver is told as the disk's serial number; up to 20 bytes of it.
  ///   - loop: waits for what does not end at once.
  public convenience init(file: consuming BlockFile, name: String, loop: DeviceLoop) {
    self.init(file: file, name: name, loop: loop) { file, capacity throws(SystemCallError) in
      do throws(SystemCallError) { return try RingEngine(file: file, capacity: capacity) } catch {
        return try ThreadEngine(file: file, capacity: capacity)
      }
    }
  }

  /// - Parameters:
  ///   - isPrompt: whether what can be done at once is done without the engine.
  ///   - now: the time of the thread that calls it.
  init(
    file: consuming BlockFile, name: String, loop: DeviceLoop, isPrompt: Bool = true,
    now: @escaping () -> ThreadTime = ThreadTime.now,
    makeEngine: @escaping (_ file: Int32, _ capacity: Int) throws(SystemCallError) -> any BlockEngine
  ) {
    var identity = InlineArray<20, UInt8>(repeating: 0)
    for (index, byte) in name.utf8.prefix(identity.count).enumerated() { identity[index] = byte }
    self.identity = identity
    self.loop = loop
    poller = QueuePoller(loop: loop, now: now)
    self.makeEngine = makeEngine
    limits = BlockLimits(capacity: file.size / UInt64(BlockFile.sectorSize), isReadOnly: file.isReadOnly)
    prompt = isPrompt ? PromptAccess(to: file) : .none
    self.file = file
  }

  // MARK: VirtioDevice

  public var kind: UInt32 { UInt32(VIRTIO_ID_BLOCK) }

  public var offeredFeatures: UInt64 {
    var features = feature(VIRTIO_BLK_F_SEG_MAX) | feature(VIRTIO_BLK_F_BLK_SIZE)
    features |= feature(VIRTIO_BLK_F_FLUSH) | feature(VIRTIO_BLK_F_TOPOLOGY)
    if file.isReadOnly {
      features |= feature(VIRTIO_BLK_F_RO)
    } else {
      features |= feature(VIRTIO_BLK_F_DISCARD) | feature(VIRTIO_BLK_F_WRITE_ZEROES)
    }
    return features
  }

  /// Past the page cache everything has to wait.
  public var answersAtOnce: Bool { file.direct == nil }

  public var queueSizes: [UInt16] { [Self.queueSize] }

  public var configuration: [UInt8] {
    var fields = virtio_blk_config()
    fields.capacity = limits.capacity
    fields.seg_max = Self.segmentLimit
    fields.blk_size = UInt32(file.blockSize)
    fields.physical_block_exp = UInt8(max(1, file.preferredBlockSize / file.blockSize).trailingZeroBitCount)
    fields.min_io_size = 1
    if !file.isReadOnly {
      let alignment = UInt32(file.preferredBlockSize / BlockFile.sectorSize)
      fields.max_discard_sectors = BlockLimits.discardSectorLimit
      fields.max_discard_seg = UInt32(BlockLimits.rangeLimit)
      fields.discard_sector_alignment = alignment
      fields.max_write_zeroes_sectors = BlockLimits.zeroSectorLimit
      fields.max_write_zeroes_seg = UInt32(BlockLimits.rangeLimit)
      fields.write_zeroes_may_unmap = 1
    }
    return withUnsafeBytes(of: fields) { [UInt8]($0) }
  }

  /// Nothing in it is the driver's to write: the cache's mode is not offered for change.
  public func writeConfiguration(_ value: UInt32, byteCount: Int, at offset: Int) {}

  public func start(features: UInt64, queues: [Virtqueue]) {
    queue = queues[0]
    requests = [BlockRequest?](repeating: nil, count: Int(Self.queueSize))
    isFlushNegotiated = features & feature(VIRTIO_BLK_F_FLUSH) != 0
    limits.allowsDiscard = features & feature(VIRTIO_BLK_F_DISCARD) != 0
    limits.allowsWriteZeroes = features & feature(VIRTIO_BLK_F_WRITE_ZEROES) != 0
  }

  public func queueNotified(_ index: Int) {
    guard let queue else { return }
    let served = serve(queue)
    // What waits for the disk does so without anybody, and two threads may read what is large.
    guard answersAtOnce else { return }
    poller.notified(of: served.chainCount - served.largeCount, in: queue) { self.serve(queue).chainCount }
  }

  /// Begins with all requests that there are; returns how many, and how many of them are large reads.
  private func serve(_ queue: Virtqueue) -> (chainCount: Int, largeCount: Int) {
    prompt.begin()
    var chainCount = 0
    while queue.takeNext(into: &chain) {
      begin(of: queue)
      chainCount += 1
    }
    let largeCount = largeReads.count
    readLarge()
    handOver()
    queue.notifyDriver()
    return (chainCount, largeCount)
  }

  /// There is no other queue, and no more of this one before a reset.
  public func stopQueue(_ index: Int) { stop() }

  public func stop() {
    poller.stop()
    if let engine {
      engine.drain()
      loop.stopWatching(engine.eventDescriptor)
    }
    engine = nil
    prompt.stop()
    queue = nil
    requests = []
    needsHandOver = false
  }

  // MARK: Requests

  /// Begins with the request of the chain that was taken last.
  private func begin(of queue: Virtqueue) {
    guard let status = BlockRequest.statusByte(of: chain) else {
      queue.fail("block request without room for its status")
      return
    }
    let request = request(ofHead: chain.head)
    do throws(BlockRefusal) {
      try request.read(chain, status: status, limits: limits)
    } catch {
      queue.complete(head: chain.head, written: BlockRequest.refuse(chain, status: status, with: error))
      return
    }
    switch request.kind {
    case .read where prompt.isLarge(request):
      largeReads.append(request)
      return
    case .read: prompt.read(request, from: file)
    case .write where isFlushNegotiated: prompt.write(request, to: file)
    case .identify:
      identity.span.withUnsafeBytes { _ = request.provide($0) }
      finish(request, VIRTIO_BLK_S_OK)
      return
    case .flush: request.isFlushing = true
    case .write, .discard, .writeZeroes: break
    }
    proceed(with: request)
  }

  private func request(ofHead head: UInt16) -> BlockRequest {
    if let request = requests[Int(head)] { return request }
    let request = BlockRequest()
    requests[Int(head)] = request
    return request
  }

  /// Begins with the reads that were put aside.
  private func readLarge() {
    guard !largeReads.isEmpty else { return }
    prompt.read(largeReads, from: file)
    for request in largeReads { proceed(with: request) }
    largeReads.removeAll(keepingCapacity: true)
  }

  /// Gets the next operation of a request under way, or answers it if nothing is left to do.
  private func proceed(with request: BlockRequest) {
    guard let operation = nextOperation(of: request) else {
      finish(request, VIRTIO_BLK_S_OK)
      return
    }
    guard let engine = engineInUse() else {
      finish(request, VIRTIO_BLK_S_IOERR)
      return
    }
    engine.add(operation)
    needsHandOver = true
  }

  private func finish(_ request: BlockRequest, _ status: Int32) {
    queue?.complete(head: request.head, written: request.answer(status))
    request.bounce = nil
  }

  private func handOver() {
    if needsHandOver, let engine {
      if loop.isServing { engine.handOverHere() } else { engine.handOver() }
    }
    needsHandOver = false
  }

  /// The engine, which exists from now on; nil if there can be none now.
  private func engineInUse() -> (any BlockEngine)? {
    if let engine { return engine }
    do throws(SystemCallError) {
      let made = try makeEngine(file.descriptor.rawValue, Int(Self.queueSize))
      // The loop keeps the device until `stop`.
      try loop.watch(made.eventDescriptor, for: .readable) { self.serveEngine() }
      engine = made
      return made
    } catch {
      return nil
    }
  }

  /// On the loop's thread: operations have ended.
  private func serveEngine() {
    engine?.service { tag, result in
      guard let request = requests[tag] else { return }
      operationEnded(of: request, result: result)
    }
    handOver()
    queue?.notifyDriver()
  }

  // MARK: Operations

  /// What the engine is to do next for a request; nil if it is done.
  private func nextOperation(of request: BlockRequest) -> BlockOperation? {
    let tag = Int(request.head)
    if request.isFlushing { return BlockOperation(kind: .flush, tag: tag) }
    switch request.kind {
    case .read, .write:
      guard request.remaining > 0 else { return nil }
      let kind: BlockOperation.Kind = request.kind == .read ? .read : isFlushNegotiated ? .write : .durableWrite
      let other = file.bufferedFile(forOffset: request.offset, count: request.remaining)
      let vectors = memory(of: request, isDirect: other == nil)
      return BlockOperation(kind: kind, offset: request.offset, vectors: vectors, otherFile: other, tag: tag)
    case .discard, .writeZeroes:
      guard let range = request.ranges.last else { return nil }
      if request.isWritingZeros {
        let vectors = zeros(for: request, count: range.length)
        let other = file.bufferedFile(forOffset: range.offset, count: range.length)
        return BlockOperation(kind: .write, offset: range.offset, vectors: vectors, otherFile: other, tag: tag)
      }
      return BlockOperation(
        kind: range.isDeallocated ? .deallocate : .zero, offset: range.offset, length: range.operationLength, tag: tag)
    case .flush, .identify: return nil
    }
  }

  private func operationEnded(of request: BlockRequest, result: Int32) {
    if result == -EINTR || result == -EAGAIN {
      proceed(with: request)
      return
    }
    // A block device answers EINVAL to a range that is not whole blocks.
    if result == -EOPNOTSUPP || result == -EINVAL, let range = request.ranges.last, !request.isWritingZeros {
      // A discard is a wish (§5.2.6.2 leaves open what is read afterwards); zeros have to be there.
      if request.kind == .discard {
        request.ranges.removeLast()
      } else if range.isDeallocated {
        request.ranges[request.ranges.count - 1].isDeallocated = false
      } else {
        request.isWritingZeros = true
      }
      proceed(with: request)
      return
    }
    guard result >= 0, isProgress(Int(result), of: request) else {
      finish(request, VIRTIO_BLK_S_IOERR)
      return
    }
    if request.isFlushing { finish(request, VIRTIO_BLK_S_OK) } else { proceed(with: request) }
  }

  /// Counts what an operation did; false if it did nothing where it should have: the file has become shorter.
  private func isProgress(_ count: Int, of request: BlockRequest) -> Bool {
    if request.isFlushing { return true }
    switch request.kind {
    case .read, .write:
      guard count > 0 else { return false }
      if let bounce = request.bounce, request.kind == .read {
        request.provide(UnsafeRawBufferPointer(rebasing: bounce.bytes[..<count]))
      } else {
        request.advance(by: count)
      }
    case .discard, .writeZeroes:
      if request.isWritingZeros, count == 0 { return false }
      let last = request.ranges.count - 1
      let done = request.isWritingZeros ? count : request.ranges[last].operationLength
      request.ranges[last].offset += done
      request.ranges[last].length -= done
      if request.ranges[last].length > 0 { return true }
      request.isWritingZeros = false
      request.ranges.removeLast()
      // §5.2.6.2: without FLUSH, zeros are to stay like what was written.
      if request.ranges.isEmpty, request.kind == .writeZeroes, !isFlushNegotiated { request.isFlushing = true }
    case .flush, .identify: break
    }
    return true
  }

  /// The memory for the next operation on a request's data: the driver's, unless direct access needs other memory.
  private func memory(of request: BlockRequest, isDirect: Bool) -> UnsafeMutableBufferPointer<iovec> {
    let memory = request.memory(limit: BlockOperation.byteLimit)
    request.bounce = nil
    guard isDirect, let alignment = file.direct?.memory, !BlockDevice.isAligned(memory, to: alignment) else {
      return memory
    }
    let bounce = BounceBuffer(alignment: alignment)
    request.bounce = bounce
    let count = min(request.remaining, bounce.bytes.count)
    if request.kind == .write { _ = request.copyData(into: bounce.bytes) }
    return bounce.vectors(count: count)
  }

  private static func isAligned(_ memory: UnsafeMutableBufferPointer<iovec>, to alignment: Int) -> Bool {
    memory.allSatisfy { (Int(bitPattern: $0.iov_base) | $0.iov_len) % alignment == 0 }
  }

  /// Zeros for the front of a range that the file system cannot zero itself.
  private func zeros(for request: BlockRequest, count: Int) -> UnsafeMutableBufferPointer<iovec> {
    let bounce: BounceBuffer
    if let kept = request.bounce {
      bounce = kept
    } else {
      bounce = BounceBuffer(alignment: BlockFile.assumedAlignment)
      bounce.bytes.initializeMemory(as: UInt8.self, repeating: 0)
      request.bounce = bounce
    }
    return bounce.vectors(count: Int(min(count, Int(bounce.bytes.count))))
  }
}
