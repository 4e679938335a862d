import MachineABI

/// A split virtqueue as its driver sees it (virtio-1.2 §2.7). What the device writes there is checked before it is used.
///
/// Everything that the driver must be able to rely on (which descriptors are free, which chains are in flight and how much
/// the device may write to them) is kept beside the rings, in memory that the device is never told of.
package struct DriverQueue: ~Copyable {
  /// A piece of memory in a request.
  package struct Segment {
    package var address: UInt64
    package var byteCount: UInt32
    /// For the device to write, not to read.
    package var isWritable: Bool

    package init(address: UInt64, byteCount: UInt32, isWritable: Bool) {
      self.address = address
      self.byteCount = byteCount
      self.isWritable = isWritable
    }
  }

  /// A request that the device is done with.
  package struct Completion: Equatable {
    /// What `add` returned for it.
    package let head: UInt16
    /// How many bytes the device says to have written; not more than it was given to write.
    package let written: UInt32
  }

  private struct Record {
    /// The next descriptor of the chain or of the free list.
    var next: UInt16
    /// Descriptors of the chain that begins here and is in flight; 0 for every other descriptor.
    var chainLength: UInt16
    /// What the device may write to the chain, in bytes.
    var writable: UInt32
  }

  /// Which of its device's queues this is (virtio-1.2 §2.6).
  let index: UInt32
  /// Descriptors; a power of two.
  package let size: UInt16
  /// VIRTIO_F_EVENT_IDX was agreed on: both sides say by index when they want to hear of the other (virtio-1.2 §2.7.10).
  private let usesEventIndex: Bool
  /// Frees the two below.
  private let memory: QueueMemory
  /// The descriptor table, the driver area and the device area, one behind the other.
  private let rings: UnsafeMutableRawPointer
  private let driverOffset: Int
  private let deviceOffset: Int
  private let records: UnsafeMutablePointer<Record>
  private var firstFree: UInt16 = 0
  package private(set) var freeCount: UInt16
  /// Chains that the device has.
  package private(set) var inFlightCount: UInt16 = 0
  /// How often a chain was made available, and how often one was taken back; modulo 2^16, as the rings have it.
  private var availableIndex: UInt16 = 0
  private var usedIndex: UInt16 = 0
  /// `availableIndex` when the device was last told, or did not want to be.
  private var announcedIndex: UInt16 = 0
  /// The device did not want to be told of what was added last: it is at work on the queue.
  private(set) var isBeingServed = false
  /// An interrupt was asked for and may have come since.
  private(set) var expectsInterrupt = false

  /// - Parameters:
  ///   - index: which of its device's queues it is.
  ///   - size: a power of two up to 32768.
  ///   - usesEventIndex: VIRTIO_F_EVENT_IDX was agreed on.
  package init(index: UInt32 = 0, size: UInt16, usesEventIndex: Bool) {
    precondition(size > 0 && size <= UInt16(VIRTQ_MAX_SIZE) && size & (size - 1) == 0, "queue size")
    self.index = index
    self.size = size
    self.usesEventIndex = usesEventIndex
    freeCount = size
    // Each ring has a word behind its entries, for the event index (virtio-1.2 §2.7.6 and §2.7.8).
    let count = Int(size)
    driverOffset = MemoryLayout<virtq_desc>.stride * count
    let driverEnd = driverOffset + Int(VIRTQ_RING_ENTRIES) + 2 * count + 2
    deviceOffset = (driverEnd + Int(VIRTQ_USED_ALIGNMENT) - 1) & ~(Int(VIRTQ_USED_ALIGNMENT) - 1)
    let byteCount = deviceOffset + Int(VIRTQ_RING_ENTRIES) + MemoryLayout<virtq_used_elem>.stride * count + 2
    rings = .allocate(byteCount: byteCount, alignment: pageSize)
    rings.initializeMemory(as: UInt8.self, repeating: 0, count: byteCount)
    records = .allocate(capacity: count)
    memory = QueueMemory(rings, records)
    for index in 0..<count {
      (records + index).initialize(to: Record(next: UInt16(index + 1), chainLength: 0, writable: 0))
    }
    // Behind what was used already: no interrupt until `requestInterrupt` asks for one.
    if usesEventIndex { virtq_store16(usedEvent, .max) } else { suppressInterrupts() }
  }

  // MARK: Where it is (virtio-1.2 §4.2.2: QueueDesc, QueueDriver, QueueDevice)

  var descriptorArea: UInt64 { UInt64(UInt(bitPattern: rings)) }
  var driverArea: UInt64 { UInt64(UInt(bitPattern: rings + driverOffset)) }
  var deviceArea: UInt64 { UInt64(UInt(bitPattern: rings + deviceOffset)) }

  private var usedEvent: UnsafeMutableRawPointer {
    rings + driverOffset + Int(VIRTQ_RING_ENTRIES) + 2 * Int(size)
  }
  private var availableEvent: UnsafeMutableRawPointer {
    rings + deviceOffset + Int(VIRTQ_RING_ENTRIES) + MemoryLayout<virtq_used_elem>.stride * Int(size)
  }

  // MARK: Requests

  /// What `add` will return next, unless it finds no room: the number by which a request can be prepared.
  var nextHead: UInt16 { firstFree }

  /// Makes a request available to the device, which may begin with it at once (virtio-1.2 §2.7.13).
  ///
  /// - Parameter segments: those that the device reads first, then those that it writes; at most 2^32 - 1 bytes of them.
  /// - Returns: the number by which the request is known until it is completed; nil when there are not enough free
  ///   descriptors.
  package mutating func add(_ segments: Span<Segment>) -> UInt16? {
    precondition(!segments.isEmpty && segments.count <= Int(size), "request of no size that the queue has")
    guard segments.count <= Int(freeCount) else { return nil }
    let head = firstFree
    let descriptors = rings.assumingMemoryBound(to: virtq_desc.self)
    var index = head
    var writable: UInt32 = 0
    for position in segments.indices {
      let segment = segments[position]
      let next = records[Int(index)].next
      var flags = segment.isWritable ? UInt16(VIRTQ_DESC_F_WRITE) : 0
      if position + 1 < segments.count { flags |= UInt16(VIRTQ_DESC_F_NEXT) }
      descriptors[Int(index)] = virtq_desc(addr: segment.address, len: segment.byteCount, flags: flags, next: next)
      if segment.isWritable { writable += segment.byteCount }
      index = next
    }
    firstFree = index
    freeCount -= UInt16(segments.count)
    records[Int(head)].chainLength = UInt16(segments.count)
    records[Int(head)].writable = writable
    inFlightCount += 1

    let driver = rings + driverOffset
    virtq_store16(driver + Int(VIRTQ_RING_ENTRIES) + 2 * Int(availableIndex & (size - 1)), head)
    availableIndex &+= 1
    virtq_store_release16(driver + Int(VIRTQ_RING_INDEX), availableIndex)
    return head
  }

  /// Whether the device has to be told of what was added since the last time (virtio-1.2 §2.7.13.4.1).
  mutating func takeAnnouncement() -> Bool {
    guard availableIndex != announcedIndex else { return false }
    let added = availableIndex &- announcedIndex
    announcedIndex = availableIndex
    virtq_full_barrier()
    if usesEventIndex {
      isBeingServed = availableIndex &- virtq_load16(availableEvent) &- 1 >= added
    } else {
      isBeingServed = virtq_load16(rings + deviceOffset + Int(VIRTQ_RING_FLAGS)) & UInt16(VIRTQ_USED_F_NO_NOTIFY) != 0
    }
    return !isBeingServed
  }

  /// Whether there is something for `takeCompletion`.
  var hasCompletion: Bool { virtq_load_acquire16(rings + deviceOffset + Int(VIRTQ_RING_INDEX)) != usedIndex }

  /// Takes back a request that the device is done with, if there is one (virtio-1.2 §2.7.14).
  ///
  /// - Throws: when the device says what cannot be. The queue must not be used any more then: what the device may still do
  ///   to memory is unknown.
  package mutating func takeCompletion() throws(QueueFault) -> Completion? {
    let device = rings + deviceOffset
    let index = virtq_load_acquire16(device + Int(VIRTQ_RING_INDEX))
    guard index != usedIndex else { return nil }
    guard index &- usedIndex <= inFlightCount else {
      throw .completesTooMany(claimed: index &- usedIndex, inFlight: inFlightCount)
    }
    let element =
      device + Int(VIRTQ_RING_ENTRIES) + MemoryLayout<virtq_used_elem>.stride * Int(usedIndex & (size - 1))
    let id = virtq_load32(element)
    let written = virtq_load32(element + 4)
    guard id < UInt32(size), records[Int(id)].chainLength > 0 else { throw .notInFlight(id: id) }
    guard written <= records[Int(id)].writable else {
      throw .wroteTooMuch(id: id, claimed: written, writable: records[Int(id)].writable)
    }
    usedIndex &+= 1
    release(UInt16(id))
    return Completion(head: UInt16(id), written: written)
  }

  private mutating func release(_ head: UInt16) {
    let length = records[Int(head)].chainLength
    var last = head
    for _ in 1..<length { last = records[Int(last)].next }
    records[Int(last)].next = firstFree
    records[Int(head)].chainLength = 0
    firstFree = head
    freeCount += length
    inFlightCount -= 1
  }

  // MARK: Interrupts (virtio-1.2 §2.7.7 and §2.7.10)

  /// Asks for an interrupt at the next completion.
  ///
  /// - Returns: false when there is a completion already, for which no interrupt may come.
  package mutating func requestInterrupt() -> Bool {
    expectsInterrupt = true
    if usesEventIndex {
      virtq_store16(usedEvent, usedIndex)
    } else {
      virtq_store16(rings + driverOffset + Int(VIRTQ_RING_FLAGS), 0)
    }
    virtq_full_barrier()
    return !hasCompletion
  }

  /// Asks for no more interrupts. An event index is left behind by the next completion, which does the same.
  mutating func suppressInterrupts() {
    expectsInterrupt = false
    guard !usesEventIndex else { return }
    virtq_store16(rings + driverOffset + Int(VIRTQ_RING_FLAGS), UInt16(VIRTQ_AVAIL_F_NO_INTERRUPT))
  }
}

/// The memory of a queue, freed when no device uses it any more. An object of its own, because another module of an image
/// cannot see how a noncopyable value ends.
private final class QueueMemory {
  private let rings: UnsafeMutableRawPointer
  private let records: UnsafeMutableRawPointer

  init(_ rings: UnsafeMutableRawPointer, _ records: UnsafeMutableRawPointer) {
    self.rings = rings
    self.records = records
  }

  deinit {
    rings.deallocate()
    records.deallocate()
  }
}
