import GuestKernel
import MachineABI

/// The receive queue and its buffers (virtio-1.2 §5.1.6.3).
///
/// The buffers are consecutive pieces of one region, and are given to the device in this order, over and over. Where a frame
/// takes several of them only the first has a header, so a frame lies in one piece unless it goes over the region's end; and
/// nothing of it is copied before the stack does.
struct ReceiveRing: ~Copyable {
  /// Two pages: long frames are few descriptors, and of a short one's buffer only the first page is ever touched.
  static var bufferSize: Int { 2 * pageSize }
  /// The buffers that the longest frame takes, of 64 KiB and its headers: more in one frame is nonsense.
  static var bufferLimit: Int { 9 }
  private static var headerSize: Int { TransmitRing.headerSize }

  var queue: DriverQueue
  private let features: NetworkFeatures
  private let region: UnsafeMutableRawPointer
  /// Which buffer a request is, by its head.
  private let buffers: UnsafeMutablePointer<UInt16>
  /// Where a frame is put together that is not in one piece; made when there is the first such.
  private var assembly: UnsafeMutableRawPointer?

  // The frame that is arriving.
  private var parts: InlineArray<9, Part> = InlineArray(repeating: Part(buffer: 0, byteCount: 0))
  private var partCount = 0
  private var expectedCount = 0

  private struct Part {
    var buffer: UInt16
    var byteCount: UInt16
  }

  /// - Parameter size: what `registers.sizeOfQueue` said.
  init(index: UInt32, size: UInt16, features: NetworkFeatures) {
    queue = DriverQueue(index: index, size: size, usesEventIndex: features.usesEventIndex)
    self.features = features
    region = .allocate(byteCount: Int(size) * Self.bufferSize, alignment: pageSize)
    buffers = .allocate(capacity: Int(size))
    for buffer in 0..<size { post(buffer) }
  }

  /// Only for a queue that no device uses any more.
  deinit {
    region.deallocate()
    buffers.deallocate()
    assembly?.deallocate()
  }

  private mutating func post(_ buffer: UInt16) {
    let address = region + Int(buffer) * Self.bufferSize
    let segments: InlineArray<1, DriverQueue.Segment> = [
      DriverQueue.Segment(
        address: UInt64(UInt(bitPattern: address)), byteCount: UInt32(Self.bufferSize), isWritable: true)
    ]
    // There are as many buffers as descriptors.
    let head = queue.add(segments.span)!
    buffers[Int(head)] = buffer
  }

  /// Hands the next frame that has arrived to `body`, and its buffers back to the device.
  ///
  /// - Parameter body: gets the frame, and whether the device vouches for its checksum.
  /// - Returns: whether there was one.
  mutating func takeFrame(_ body: (RawSpan, Bool) -> Void) throws(QueueFault) -> Bool {
    // A device may tell of a frame's buffers one by one; what has come of it is kept.
    while partCount == 0 || partCount < expectedCount {
      guard let completion = try queue.takeCompletion() else { return false }
      let buffer = buffers[Int(completion.head)]
      if partCount == 0 { expectedCount = try bufferCount(of: buffer, written: completion.written) }
      parts[partCount] = Part(buffer: buffer, byteCount: UInt16(completion.written))
      partCount += 1
    }
    let flags = header(of: parts[0].buffer).flags
    let isTrusted =
      features.trustsChecksums && flags & UInt8(VIRTIO_NET_HDR_F_NEEDS_CSUM | VIRTIO_NET_HDR_F_DATA_VALID) != 0
    body(assembled().bytes, isTrusted)
    for index in 0..<partCount { post(parts[index].buffer) }
    partCount = 0
    return true
  }

  /// How many buffers the frame takes that begins in this one (virtio-1.2 §5.1.6.4).
  private func bufferCount(of buffer: UInt16, written: UInt32) throws(QueueFault) -> Int {
    guard Int(written) >= Self.headerSize else { throw .cutOffHeader(written: written) }
    guard features.mergesBuffers else { return 1 }
    let count = header(of: buffer).num_buffers
    guard count > 0, Int(count) <= min(Self.bufferLimit, Int(queue.size)) else {
      throw .impossibleFrame(buffers: count)
    }
    return Int(count)
  }

  private func header(of buffer: UInt16) -> virtio_net_hdr {
    (region + Int(buffer) * Self.bufferSize).load(as: virtio_net_hdr.self)
  }

  /// The frame in one piece, without its header.
  private mutating func assembled() -> UnsafeRawBufferPointer {
    var byteCount = Int(parts[0].byteCount)
    var isContiguous = true
    for index in 1..<max(1, partCount) {
      isContiguous =
        isContiguous && parts[index].buffer == parts[index - 1].buffer + 1
        && Int(parts[index - 1].byteCount) == Self.bufferSize
      byteCount += Int(parts[index].byteCount)
    }
    var start = region + Int(parts[0].buffer) * Self.bufferSize
    if !isContiguous {
      let copy = assembly ?? .allocate(byteCount: Self.bufferLimit * Self.bufferSize, alignment: pageSize)
      assembly = copy
      var offset = 0
      for index in 0..<partCount {
        let part = parts[index]
        (copy + offset).copyMemory(
          from: region + Int(part.buffer) * Self.bufferSize, byteCount: Int(part.byteCount))
        offset += Int(part.byteCount)
      }
      start = copy
    }
    return UnsafeRawBufferPointer(start: start + Self.headerSize, count: byteCount - Self.headerSize)
  }
}
