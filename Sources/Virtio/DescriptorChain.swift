import MachineABI

/// A chain of descriptors that the driver made available: one request (virtio-1.2 §2.7.4.2).
///
/// A device that takes many uses one value for all of them: once its arrays are long enough, a chain costs no allocation.
public struct DescriptorChain {
  /// The index of the chain's first descriptor, by which it is given back.
  public private(set) var head: UInt16 = 0
  /// What the device may read, in order. Guest memory: it may change at any time; read once, then check. None is empty.
  public private(set) var readable: [UnsafeRawBufferPointer] = []
  /// What the device may write, in order. None is empty.
  public private(set) var writable: [UnsafeMutableRawBufferPointer] = []

  /// No chain yet.
  public init() {}
}

/// What the driver did against the specification.
struct ProtocolBreach: Error {
  let reason: StaticString
}

extension DescriptorChain {
  /// "Drivers MUST NOT add a descriptor chain longer than 2^32 bytes in total" (virtio-1.2 §2.7.5.2).
  private static let lengthLimit: UInt64 = 1 << 32

  /// Becomes the chain that begins at `head`: reads each descriptor once, and checks all of it.
  ///
  /// An empty buffer is taken as no buffer: the specification has no lower limit for `len` (virtio-1.2 §2.7.5), and no
  /// byte of it is ever touched, so its address does not matter. It counts for the length of the chain like any other,
  /// so this ends after as many descriptors as the queue has.
  ///
  /// - Parameters:
  ///   - head: below the queue's size.
  ///   - allowsIndirect: whether VIRTIO_F_INDIRECT_DESC was negotiated.
  mutating func read(
    head: UInt16, in rings: VirtqueueRings, memory: borrowing GuestRegions, allowsIndirect: Bool
  ) throws(ProtocolBreach) {
    self.head = head
    var readableCount = 0
    var writableCount = 0
    // Invariant: `table` has `entries` descriptors in guest memory, and `index` is below `entries`.
    var table = rings.descriptors
    var entries = UInt32(rings.size)
    var index = UInt32(head)
    var isInIndirectTable = false
    var hasSeenWritable = false
    // The longest chain has as many buffers as the queue has entries, in indirect tables as well (§2.7.5.3.1), so a
    // loop is a chain that is too long. The descriptor that names an indirect table is not a buffer.
    var buffersLeft = rings.size
    var total: UInt64 = 0

    while true {
      let descriptor = virtq_load_descriptor(table + Int(index) * VirtqueueRings.descriptorBytes)
      let flags = Int32(descriptor.flags)
      let count = Int(descriptor.len)

      if flags & VIRTQ_DESC_F_INDIRECT != 0 {
        // §2.7.5.3.1: only when negotiated, only one table, not together with NEXT. §2.7.5.3.2: WRITE is ignored here,
        // and ordinary descriptors may come before.
        guard allowsIndirect else { throw ProtocolBreach(reason: "indirect descriptor that was not negotiated") }
        guard !isInIndirectTable else { throw ProtocolBreach(reason: "indirect descriptor inside an indirect table") }
        guard flags & VIRTQ_DESC_F_NEXT == 0 else { throw ProtocolBreach(reason: "descriptor behind an indirect one") }
        guard count > 0, count % VirtqueueRings.descriptorBytes == 0 else {
          throw ProtocolBreach(reason: "indirect table that is no table of descriptors")
        }
        guard let bytes = memory.readable(descriptor.addr, count: count) else {
          throw ProtocolBreach(reason: "indirect table outside memory")
        }
        table = bytes.baseAddress!
        entries = UInt32(count / VirtqueueRings.descriptorBytes)
        index = 0
        isInIndirectTable = true
        continue
      }

      guard buffersLeft > 0 else { throw ProtocolBreach(reason: "chain longer than the queue") }
      buffersLeft -= 1
      total += UInt64(count)
      guard total <= Self.lengthLimit else { throw ProtocolBreach(reason: "chain longer than 4 GiB") }

      if flags & VIRTQ_DESC_F_WRITE != 0 {
        hasSeenWritable = true
        if count > 0 {
          guard let bytes = memory.writable(descriptor.addr, count: count) else {
            throw ProtocolBreach(reason: "writable buffer outside writable memory")
          }
          writable.put(bytes, at: writableCount)
          writableCount += 1
        }
      } else {
        // §2.7.4.2: everything writable comes after everything readable.
        guard !hasSeenWritable else { throw ProtocolBreach(reason: "readable buffer behind a writable one") }
        if count > 0 {
          guard let bytes = memory.readable(descriptor.addr, count: count) else {
            throw ProtocolBreach(reason: "readable buffer outside memory")
          }
          readable.put(bytes, at: readableCount)
          readableCount += 1
        }
      }

      guard flags & VIRTQ_DESC_F_NEXT != 0 else { break }
      index = UInt32(descriptor.next)
      guard index < entries else { throw ProtocolBreach(reason: "next descriptor outside its table") }
    }
    if readable.count > readableCount { readable.removeLast(readable.count - readableCount) }
    if writable.count > writableCount { writable.removeLast(writable.count - writableCount) }
  }
}

extension Array {
  /// Writes over what another chain left: most are as long as the one before.
  fileprivate mutating func put(_ element: Element, at index: Int) {
    if index < count { self[index] = element } else { append(element) }
  }
}
