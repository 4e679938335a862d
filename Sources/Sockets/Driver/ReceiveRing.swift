import GuestKernel
import MachineABI

/// The receive queue and its buffers (virtio-1.2 §5.1.6.3).
///
/// The buffers are consecutive pieces of one region, and are given to the device in this order, over and over. Where a frame
/// takes several of them only the first has a header, so a frame lies in one piece unless it goes over the region's end; and
/// nothing of it is copied before the stack does.
///
/// They are short at first: the pages of short frames lie side by side then, so that the machine's start touches few of them and
/// KVM maps several at once. With the first frame that takes more than one of them each is replaced, as it comes back, by a
/// long one of another region: half as many descriptors for a long frame.
struct ReceiveRing: ~Copyable {
  /// More than a frame has that was not put together from several, with its header.
  static var shortBufferSize: Int { pageSize }
  static var longBufferSize: Int { 2 * pageSize }
  /// The buffers that the longest frame takes, of 64 KiB and its headers: more in one frame is nonsense.
  static var bufferLimit: Int { 17 }
  private static var headerSize: Int { TransmitRing.headerSize }

  var queue: DriverQueue
  private let features: NetworkFeatures
  private let longRegion: UnsafeMutableRawPointer
  /// Nil once no buffer is in it any more.
  private var shortRegion: UnsafeMutableRawPointer?
  /// How many buffers are short, and whether those that come back stay so.
  private var shortCount = 0
  private var staysShort: Bool
  /// Which buffer a request is, by its head.
  private let buffers: UnsafeMutablePointer<Buffer>
  /// Where a frame is put together that is not in one piece; made when there is the first such.
  private var assembly: UnsafeMutableRawPointer?

  // The frame that is arriving.
  private var parts: InlineArray<17, Part>
  private var partCount = 0
  private var expectedCount = 0

  /// A piece of one of the regions.
  private struct Buffer {
    var start: UnsafeMutableRawPointer
    /// Which one of its region it is.
    var number: UInt16
    var isShort: Bool
  }

  private struct Part {
    var buffer: Buffer
    var byteCount: Int
  }

  /// - Parameter size: what `registers.sizeOfQueue` said.
  init(index: UInt32, size: UInt16, features: NetworkFeatures) {
    queue = DriverQueue(index: index, size: size, usesEventIndex: features.usesEventIndex)
    self.features = features
    longRegion = .allocate(byteCount: Int(size) * Self.longBufferSize, alignment: pageSize)
    buffers = .allocate(capacity: Int(size))
    parts = InlineArray(repeating: Part(buffer: Buffer(start: longRegion, number: 0, isShort: false), byteCount: 0))
    // Where a frame has to fit into one buffer, or the queue is too small for a frame in short ones, all are long.
    staysShort = features.mergesBuffers && Int(size) >= Self.bufferLimit
    if staysShort {
      shortRegion = .allocate(byteCount: Int(size) * Self.shortBufferSize, alignment: pageSize)
      shortCount = Int(size)
    }
    for number in 0..<size { post(buffer(number)) }
  }

  /// Only for a queue that no device uses any more.
  deinit {
    longRegion.deallocate()
    shortRegion?.deallocate()
    buffers.deallocate()
    assembly?.deallocate()
  }

  /// The buffer of this number as it is given to the device from now on.
  private func buffer(_ number: UInt16) -> Buffer {
    if staysShort, let shortRegion {
      return Buffer(start: shortRegion + Int(number) * Self.shortBufferSize, number: number, isShort: true)
    }
    return Buffer(start: longRegion + Int(number) * Self.longBufferSize, number: number, isShort: false)
  }

  private mutating func post(_ buffer: Buffer) {
    let byteCount = buffer.isShort ? Self.shortBufferSize : Self.longBufferSize
    let segments: InlineArray<1, DriverQueue.Segment> = [
      DriverQueue.Segment(
        address: UInt64(UInt(bitPattern: buffer.start)), byteCount: UInt32(byteCount), isWritable: true)
    ]
    // There are as many buffers as descriptors.
    let head = queue.add(segments.span)!
    buffers[Int(head)] = buffer
  }

  /// Gives a buffer that has come back to the device again.
  private mutating func postAgain(_ old: Buffer) {
    post(buffer(old.number))
    guard old.isShort, !staysShort else { return }
    shortCount -= 1
    guard shortCount == 0 else { return }
    shortRegion?.deallocate()
    shortRegion = nil
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
      parts[partCount] = Part(buffer: buffer, byteCount: Int(completion.written))
      partCount += 1
    }
    if partCount > 1 { staysShort = false }
    let flags = header(of: parts[0].buffer).flags
    let isTrusted =
      features.trustsChecksums && flags & UInt8(VIRTIO_NET_HDR_F_NEEDS_CSUM | VIRTIO_NET_HDR_F_DATA_VALID) != 0
    body(assembled().bytes, isTrusted)
    for index in 0..<partCount { postAgain(parts[index].buffer) }
    partCount = 0
    return true
  }

  /// How many buffers the frame takes that begins in this one (virtio-1.2 §5.1.6.4).
  private func bufferCount(of buffer: Buffer, written: UInt32) throws(QueueFault) -> Int {
    guard Int(written) >= Self.headerSize else { throw .cutOffHeader(written: written) }
    guard features.mergesBuffers else { return 1 }
    let count = header(of: buffer).num_buffers
    guard count > 0, Int(count) <= min(Self.bufferLimit, Int(queue.size)) else {
      throw .impossibleFrame(buffers: count)
    }
    return Int(count)
  }

  private func header(of buffer: Buffer) -> virtio_net_hdr {
    buffer.start.load(as: virtio_net_hdr.self)
  }

  /// The frame in one piece, without its header.
  private mutating func assembled() -> UnsafeRawBufferPointer {
    var byteCount = parts[0].byteCount
    var isContiguous = true
    for index in 1..<max(1, partCount) {
      let end = parts[index - 1].buffer.start + parts[index - 1].byteCount
      isContiguous = isContiguous && parts[index].buffer.start == end
      byteCount += parts[index].byteCount
    }
    var start = parts[0].buffer.start
    if !isContiguous {
      let copy = assembly ?? .allocate(byteCount: Self.bufferLimit * Self.longBufferSize, alignment: pageSize)
      assembly = copy
      var offset = 0
      for index in 0..<partCount {
        (copy + offset).copyMemory(from: parts[index].buffer.start, byteCount: parts[index].byteCount)
        offset += parts[index].byteCount
      }
      start = copy
    }
    return UnsafeRawBufferPointer(start: start + Self.headerSize, count: byteCount - Self.headerSize)
  }
}
