import MachineABI

/// Where the driver has put the three areas of a queue, in guest-physical addresses (virtio-1.2 §2.7, §4.2.2).
public struct VirtqueueAddresses: Equatable, Sendable {
  /// The descriptor table.
  public var descriptors: UInt64
  /// The available ring, which the driver writes.
  public var driver: UInt64
  /// The used ring, which the device writes.
  public var device: UInt64

  /// Guest-physical addresses; zero until the driver writes them.
  public init(descriptors: UInt64 = 0, driver: UInt64 = 0, device: UInt64 = 0) {
    self.descriptors = descriptors
    self.driver = driver
    self.device = device
  }
}

/// Why a queue cannot be where the driver wants it.
public enum VirtqueueSetupError: Error {
  /// The size is zero, not a power of two, or above the queue's limit (virtio-1.2 §2.7, §4.2.2.2).
  case size
  /// An area is not aligned as virtio-1.2 §2.7 has it.
  case alignment
  /// An area is not wholly inside one region of memory that the device may read (and write, for the device area).
  case memory
}

/// The three areas of a queue in host memory, checked once when the driver enables the queue.
///
/// Invariant: each pointer has the alignment of its area and as many bytes behind it as a queue of `size` entries has
/// there, mapped as long as the guest's memory; the bytes of `used` are writable.
public struct VirtqueueRings {
  /// Entries: a power of two up to 32768, so that an index modulo the size is a mask.
  let size: UInt16
  let descriptors: UnsafeRawPointer
  let available: UnsafeRawPointer
  let used: UnsafeMutableRawPointer

  /// - Parameters:
  ///   - size: the number of entries that the driver chose.
  ///   - limit: the largest size that the device offers for this queue.
  public init(
    _ addresses: VirtqueueAddresses, size: UInt32, limit: UInt16, memory: GuestRegions
  ) throws(VirtqueueSetupError) {
    guard size > 0, size <= limit, size <= VIRTQ_MAX_SIZE, size & (size - 1) == 0 else { throw .size }
    guard addresses.descriptors % UInt64(VIRTQ_DESC_ALIGNMENT) == 0,
      addresses.driver % UInt64(VIRTQ_AVAIL_ALIGNMENT) == 0,
      addresses.device % UInt64(VIRTQ_USED_ALIGNMENT) == 0
    else { throw .alignment }
    let entries = Int(size)
    guard let descriptors = memory.readable(addresses.descriptors, count: entries * Self.descriptorBytes),
      let available = memory.readable(addresses.driver, count: Self.availableBytes(entries)),
      let used = memory.writable(addresses.device, count: Self.usedBytes(entries))
    else { throw .memory }
    self.size = UInt16(size)
    // Pages are at pages, so what is aligned in the guest is aligned here.
    precondition(
      UInt(bitPattern: available.baseAddress) % UInt(VIRTQ_AVAIL_ALIGNMENT) == 0
        && UInt(bitPattern: used.baseAddress) % UInt(VIRTQ_USED_ALIGNMENT) == 0, "regions are pages")
    // Never nil: no region begins at address zero of this process, and no count here is zero.
    self.descriptors = descriptors.baseAddress!
    self.available = available.baseAddress!
    self.used = used.baseAddress!
  }

  /// The size of `struct virtq_desc`.
  static let descriptorBytes = MemoryLayout<virtq_desc>.stride
  /// The size of an available ring: flags, idx, the entries, used_event (virtio-1.2 §2.7).
  static func availableBytes(_ entries: Int) -> Int { 6 + 2 * entries }
  /// The size of a used ring: flags, idx, the entries, avail_event (virtio-1.2 §2.7).
  static func usedBytes(_ entries: Int) -> Int { 6 + 8 * entries }

  // MARK: What the driver writes. Each call is one read.

  /// The index behind the last available entry; entries below it are visible to who has read it.
  var availableIndex: UInt16 { virtq_load_acquire16(available + Int(VIRTQ_RING_INDEX)) }
  /// The head that the driver made available at a free-running index.
  func availableHead(at index: UInt16) -> UInt16 {
    virtq_load16(available + Int(VIRTQ_RING_ENTRIES) + 2 * Int(index & (size &- 1)))
  }
  /// Whether the driver wants no interrupts (without EVENT_IDX).
  var isInterruptUnwanted: Bool {
    virtq_load16(available + Int(VIRTQ_RING_FLAGS)) & UInt16(VIRTQ_AVAIL_F_NO_INTERRUPT) != 0
  }
  /// The used index at which the driver wants its interrupt (with EVENT_IDX).
  var usedEvent: UInt16 { virtq_load16(available + Int(VIRTQ_RING_ENTRIES) + 2 * Int(size)) }

  // MARK: What the device writes. Nothing of it is ever read back.

  /// Writes an entry of the used ring, which the driver does not look at before the index says so.
  func setUsedEntry(at index: UInt16, head: UInt16, written: UInt32) {
    let entry = used + Int(VIRTQ_RING_ENTRIES) + 8 * Int(index & (size &- 1))
    virtq_store32(entry, UInt32(head))
    virtq_store32(entry + 4, written)
  }
  /// Shows the driver all used entries below an index.
  func publishUsed(index: UInt16) { virtq_store_release16(used + Int(VIRTQ_RING_INDEX), index) }
  /// Says at which available index a notification is wanted (with EVENT_IDX).
  func setAvailableEvent(_ index: UInt16) { virtq_store16(used + Int(VIRTQ_RING_ENTRIES) + 8 * Int(size), index) }
}
