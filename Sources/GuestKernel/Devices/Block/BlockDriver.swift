import MachineABI

/// The driver of a virtio block device (virtio-1.2 §5.2).
final class BlockDriver<Page: RegisterPage>: QueueDriver<Page> {
  let geometry: BlockGeometry

  /// What is in flight, by the request's head descriptor. Invariant: initialised exactly where the queue has a request in
  /// flight.
  private let requests: UnsafeMutablePointer<Request>
  /// The parts of requests that are not data, one `Slot` for each descriptor that may head a request. The memory of those
  /// that never do is never touched.
  private let slots: UnsafeMutableRawPointer
  /// Where a request's segments are put together: room for as many as one has, made once instead of cleared every time.
  private let segments: UnsafeMutableBufferPointer<DriverQueue.Segment>
  /// Transfers with parts that found no room in the queue, first come, first served. Only the first may have parts in flight.
  private var firstWaiting: UnsafeMutablePointer<BlockTransfer>?
  private var lastWaiting: UnsafeMutablePointer<BlockTransfer>?
  /// Where transfers are that have not ended.
  private var places = TransferPlaces()

  private struct Request {
    let transfer: UnsafeMutablePointer<BlockTransfer>
    let part: BlockPart
  }

  /// The layout of a slot; one cache line.
  private enum Slot {
    /// struct virtio_blk_req
    static var header: Int { 0 }
    /// struct virtio_blk_discard_write_zeroes
    static var range: Int { 16 }
    /// The status byte.
    static var status: Int { 32 }
    static var size: Int { 64 }
    /// No status of the specification: the device has not written one.
    static var noStatus: UInt8 { 0xff }
  }

  /// Takes a block device into use.
  static func open(_ device: DeviceRecord, page: Page) throws(DeviceError) -> BlockDriver {
    let registers = VirtioRegisters(page: page, device: device)
    let features = try registers.negotiate(
      wanted: feature(VIRTIO_F_EVENT_IDX) | feature(VIRTIO_BLK_F_SIZE_MAX) | feature(VIRTIO_BLK_F_SEG_MAX)
        | feature(VIRTIO_BLK_F_RO) | feature(VIRTIO_BLK_F_BLK_SIZE) | feature(VIRTIO_BLK_F_FLUSH)
        | feature(VIRTIO_BLK_F_DISCARD) | feature(VIRTIO_BLK_F_WRITE_ZEROES))
    let size = try registers.sizeOfQueue(0, wanted: preferredQueueSize)
    let geometry = try registers.readConfiguration {
      BlockGeometry($0, features: features, queueSize: Int(size))
    }
    guard let geometry else { throw registers.refusal(.badConfiguration) }
    let driver = BlockDriver(registers: registers, features: features, queueSize: size, geometry: geometry)
    driver.start()
    return driver
  }

  private init(registers: VirtioRegisters<Page>, features: UInt64, queueSize: UInt16, geometry: BlockGeometry) {
    self.geometry = geometry
    requests = .allocate(capacity: Int(queueSize))
    slots = .allocate(byteCount: Int(queueSize) * Slot.size, alignment: Slot.size)
    segments = .allocate(capacity: BlockGeometry.segmentLimit + 2)
    segments.initialize(repeating: DriverQueue.Segment(address: 0, byteCount: 0, isWritable: false))
    super.init(registers: registers, features: features, queueSize: queueSize)
  }

  /// Only for a driver whose device is gone.
  deinit {
    places.free()
    requests.deallocate()
    slots.deallocate()
    segments.deallocate()
  }

  /// Does something with the device, and returns when the device is done with it, however the task may be cancelled: until
  /// then memory that is not the driver's is the device's.
  ///
  /// - Parameters:
  ///   - memory: `byteCount` bytes to read from or to write to, for operations that have data.
  ///   - byteCount: no more than the device has at `offset`, and not 0 unless the operation is a flush.
  /// - Returns: what failed; nil if nothing did.
  nonisolated(nonsending) func perform(
    _ operation: BlockError.Operation, memory: UInt64, offset: UInt64, byteCount: UInt64
  ) async -> BlockFailure? {
    await withUnsafeContinuation { (continuation: UnsafeContinuation<BlockFailure?, Never>) in
      let transfer = places.take()
      transfer.initialize(
        to: BlockTransfer(operation, memory: memory, offset: offset, byteCount: byteCount, continuation: continuation))
      submit(transfer)
    }
  }

  private func submit(_ transfer: UnsafeMutablePointer<BlockTransfer>) {
    // Those that wait came first.
    guard firstWaiting != nil || !sendParts(of: transfer) else { return }
    if let lastWaiting { lastWaiting.pointee.next = transfer } else { firstWaiting = transfer }
    lastWaiting = transfer
  }

  /// Sends what there is room for, of the transfers that wait.
  private func sendWaiting() {
    while let transfer = firstWaiting, sendParts(of: transfer) {
      firstWaiting = transfer.pointee.next
      if firstWaiting == nil { lastWaiting = nil }
    }
  }

  /// Sends what there is room for, of one transfer; returns whether nothing of it is left to send.
  private func sendParts(of transfer: UnsafeMutablePointer<BlockTransfer>) -> Bool {
    let limit = geometry.requestBytes(for: transfer.pointee.operation)
    while let part = transfer.pointee.nextPart(limit: limit) {
      guard send(part, of: transfer) else { return false }
    }
    return true
  }

  /// Makes a request of a part (virtio-1.2 §5.2.6); false if the queue has no room for it.
  private func send(_ part: BlockPart, of transfer: UnsafeMutablePointer<BlockTransfer>) -> Bool {
    let slot = slots + Int(queue.nextHead) * Slot.size
    let slotAddress = UInt64(UInt(bitPattern: slot))
    var count = 0
    func append(_ address: UInt64, _ byteCount: Int, isWritable: Bool) {
      segments[count] = DriverQueue.Segment(address: address, byteCount: UInt32(byteCount), isWritable: isWritable)
      count += 1
    }

    let operation = transfer.pointee.operation
    let isRanged = operation == .discard || operation == .writeZeroes
    let sector = part.offset / BlockGeometry.sectorSize
    append(slotAddress + UInt64(Slot.header), MemoryLayout<virtio_blk_req>.size, isWritable: false)
    if isRanged {
      append(slotAddress + UInt64(Slot.range), MemoryLayout<virtio_blk_discard_write_zeroes>.size, isWritable: false)
    } else {
      var done: UInt64 = 0
      while done < part.byteCount {
        let length = min(geometry.segmentSize, part.byteCount - done)
        append(part.memory + done, Int(length), isWritable: operation.writesMemory)
        done += length
      }
    }
    append(slotAddress + UInt64(Slot.status), 1, isWritable: true)
    // Before the slot is written: without room it may be that of a request in flight.
    guard count <= Int(queue.freeCount) else { return false }

    (slot + Slot.header).assumingMemoryBound(to: virtio_blk_req.self).initialize(
      to: virtio_blk_req(type: operation.requestType, reserved: 0, sector: isRanged ? 0 : sector))
    if isRanged {
      (slot + Slot.range).assumingMemoryBound(to: virtio_blk_discard_write_zeroes.self).initialize(
        to: virtio_blk_discard_write_zeroes(
          sector: sector, num_sectors: UInt32(part.byteCount / BlockGeometry.sectorSize), flags: 0))
    }
    slot.storeBytes(of: Slot.noStatus, toByteOffset: Slot.status, as: UInt8.self)
    guard let head = queue.add(UnsafeBufferPointer(rebasing: segments[..<count]).span) else { return false }
    (requests + Int(head)).initialize(to: Request(transfer: transfer, part: part))
    transfer.pointee.wasSent(part)
    return true
  }

  override func completed(_ completion: DriverQueue.Completion) {
    let request = (requests + Int(completion.head)).move()
    let status = (slots + Int(completion.head) * Slot.size).load(fromByteOffset: Slot.status, as: UInt8.self)
    let transfer = request.transfer
    transfer.pointee.ended(
      request.part, with: reason(status: status, written: completion.written, of: request))
    // First: a transfer that has failed is not to be among those that wait when it ends.
    if firstWaiting != nil { sendWaiting() }
    guard transfer.pointee.hasEnded else { return }
    let (continuation, failure) = (transfer.pointee.continuation, transfer.pointee.failure)
    places.giveBack(transfer)
    continuation.resume(returning: failure)
  }

  private func reason(status: UInt8, written: UInt32, of request: Request) -> BlockError.Reason? {
    switch Int32(status) {
    case VIRTIO_BLK_S_OK:
      // What the device did not write is not to be relied on (virtio-1.2 §2.7.8.2), whatever the status says.
      let expected = 1 + (request.transfer.pointee.operation.writesMemory ? request.part.byteCount : 0)
      return UInt64(written) == expected ? nil : .deviceFailed(status: Slot.noStatus)
    case VIRTIO_BLK_S_UNSUPP: return .unsupported
    default: return .deviceFailed(status: status)
    }
  }
}

extension BlockError.Operation {
  /// The device writes what the guest reads.
  fileprivate var writesMemory: Bool { self == .read || self == .identify }

  /// virtio-1.2 §5.2.6.
  fileprivate var requestType: UInt32 {
    switch self {
    case .read: UInt32(VIRTIO_BLK_T_IN)
    case .write: UInt32(VIRTIO_BLK_T_OUT)
    case .flush: UInt32(VIRTIO_BLK_T_FLUSH)
    case .discard: UInt32(VIRTIO_BLK_T_DISCARD)
    case .writeZeroes: UInt32(VIRTIO_BLK_T_WRITE_ZEROES)
    case .identify: UInt32(VIRTIO_BLK_T_GET_ID)
    }
  }
}
