import GuestKernel
import MachineABI
import Network

/// The transmit queue, and the memory in which frames are made (virtio-1.2 §5.1.6.2).
///
/// A frame takes no more of the memory than it is long, so that many short ones can be on their way as well as some long
/// ones; while none is, the next one begins at the start again, which is in the processor's cache.
struct TransmitRing: ~Copyable {
  /// Of the header before every frame, in both directions.
  static var headerSize: Int { MemoryLayout<virtio_net_hdr>.size }
  /// Frames that the memory has room for, were all of them as long as can be.
  private static var longFrameCount: Int { 8 }
  /// Each frame begins on a cache line of its own.
  private static var alignment: Int { 64 }

  /// What came of an attempt to send.
  enum Outcome: Equatable {
    /// A frame is with the device.
    case sent
    /// There was none to send.
    case nothing
    /// There is no room for a frame until the device is done with another one.
    case full
  }

  /// A frame that the device has, or had until just now.
  private struct Slot {
    var start: Int
    var isDone: Bool
  }

  var queue: DriverQueue
  private let region: UnsafeMutableRawPointer
  private let capacity: Int
  /// What one frame may take.
  private let room: Int
  /// Where the next frame begins, unless too little is left.
  private var next = 0
  /// The frames on their way in the order in which they were sent, at their number modulo the queue's size.
  private let slots: UnsafeMutablePointer<Slot>
  /// The number of the frame by the head of its request.
  private let numbers: UnsafeMutablePointer<UInt16>
  private var oldest: UInt16 = 0
  private var newest: UInt16 = 0

  /// - Parameters:
  ///   - size: what `registers.sizeOfQueue` said.
  ///   - frameLimit: the longest frame, in bytes.
  init(index: UInt32, size: UInt16, features: NetworkFeatures, frameLimit: Int) {
    queue = DriverQueue(index: index, size: size, usesEventIndex: features.usesEventIndex)
    room = Self.aligned(Self.headerSize + frameLimit)
    capacity = room * Self.longFrameCount
    region = .allocate(byteCount: capacity, alignment: pageSize)
    slots = .allocate(capacity: Int(size))
    numbers = .allocate(capacity: Int(size))
  }

  /// Only for a queue that no device uses any more.
  deinit {
    region.deallocate()
    slots.deallocate()
    numbers.deallocate()
  }

  private static func aligned(_ byteCount: Int) -> Int { (byteCount + alignment - 1) & ~(alignment - 1) }

  /// Sends the frame that `fill` writes, if it writes one.
  mutating func send(_ fill: (inout MutableRawSpan) -> OutgoingFrame?) -> Outcome {
    guard queue.freeCount > 0, let start = freeStart() else { return .full }
    let header = region + start
    var frame = UnsafeMutableRawBufferPointer(start: header + Self.headerSize, count: room - Self.headerSize)
      .mutableBytes
    guard let outgoing = fill(&frame) else { return .nothing }
    precondition(outgoing.byteCount > 0 && outgoing.byteCount <= room - Self.headerSize, "a frame that fits")
    header.initializeMemory(as: virtio_net_hdr.self, to: virtio_net_hdr(outgoing))
    let byteCount = Self.headerSize + outgoing.byteCount
    let segments: InlineArray<1, DriverQueue.Segment> = [
      DriverQueue.Segment(
        address: UInt64(UInt(bitPattern: header)), byteCount: UInt32(byteCount), isWritable: false)
    ]
    let head = queue.add(segments.span)!
    slots[index(of: newest)] = Slot(start: start, isDone: false)
    numbers[Int(head)] = newest
    newest &+= 1
    next = start + Self.aligned(byteCount)
    return .sent
  }

  /// Where there is room for a frame of any length; nil if there is none.
  private mutating func freeStart() -> Int? {
    guard oldest != newest else {
      next = 0
      return 0
    }
    let end = slots[index(of: oldest)].start
    // What is used goes from `end` to `next`, or from `end` on and from the beginning to `next`.
    if next > end {
      if capacity - next >= room { return next }
      return end >= room ? 0 : nil
    }
    return end - next >= room ? next : nil
  }

  private func index(of number: UInt16) -> Int { Int(number & (queue.size - 1)) }

  /// Takes back what the device is done with.
  mutating func reclaim() throws(QueueFault) {
    while let completion = try queue.takeCompletion() {
      slots[index(of: numbers[Int(completion.head)])].isDone = true
    }
    while oldest != newest, slots[index(of: oldest)].isDone { oldest &+= 1 }
  }
}

extension virtio_net_hdr {
  /// What the device is to do to a frame (virtio-1.2 §5.1.6.2).
  init(_ frame: OutgoingFrame) {
    self.init()
    if let checksum = frame.checksum {
      flags = UInt8(VIRTIO_NET_HDR_F_NEEDS_CSUM)
      csum_start = UInt16(checksum.start)
      csum_offset = UInt16(checksum.offset)
    }
    if let segmentation = frame.segmentation {
      gso_type = UInt8(segmentation.isIPv6 ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4)
      hdr_len = UInt16(segmentation.headerByteCount)
      gso_size = UInt16(segmentation.segmentByteCount)
    }
  }
}
