/// Overrun detection and poisoning, for heaps with `checksOverruns`.
///
/// Guard bytes fill a block from its requested size on. For a run the requested size is in the unit's record; for a
/// slot it is in the slot's last bytes, together with its complement.
extension Heap {
  /// The least number of guard bytes behind a block, the size word of a slot included.
  static let leastGuardSize = 16

  /// What every byte of a freed block is overwritten with: no pointer, no plausible count, no text.
  public static let poison: UInt8 = 0xdb

  /// The greatest number of bytes at the start of a freed block that are overwritten, so that freeing a large block
  /// does not touch all of it.
  static let poisonLimit = 16384

  private static let sizeWordSize = MemoryLayout<UInt32>.size

  /// Puts guard bytes behind the first `size` bytes of a block.
  @inline(never)
  mutating func writeGuard(_ block: Block, size: Int) {
    let end = guardEnd(block)
    var offset = size
    while offset < end {
      block.start.storeBytes(of: Heap.guardByte(at: offset), toByteOffset: offset, as: UInt8.self)
      offset &+= 1
    }
    if block.isSlot {
      let half = UInt32(truncatingIfNeeded: size)
      block.start.storeBytes(of: half | ~half &<< 16, toByteOffset: end, as: UInt32.self)
    } else {
      runs.units[block.unit].requestedSize = size
    }
  }

  /// The requested size of a block whose guard bytes are intact.
  @inline(never)
  func guardedSize(_ block: Block) throws(HeapMisuse) -> Int {
    let end = guardEnd(block)
    let size: Int
    if block.isSlot {
      let word = block.start.load(fromByteOffset: end, as: UInt32.self)
      size = Int(word & 0xffff)
      guard word &>> 16 == ~word & 0xffff, size <= block.capacity &- Heap.leastGuardSize else {
        throw HeapMisuse(.overrun(offset: end), block.start)
      }
    } else {
      size = runs.units[block.unit].requestedSize
    }
    var offset = size
    while offset < end {
      guard block.start.load(fromByteOffset: offset, as: UInt8.self) == Heap.guardByte(at: offset) else {
        throw HeapMisuse(.overrun(offset: offset), block.start)
      }
      offset &+= 1
    }
    return size
  }

  /// Overwrites the start of a block that is being freed.
  func poison(_ block: Block, size: Int) {
    block.start.initializeMemory(as: UInt8.self, repeating: Heap.poison, count: min(size, Heap.poisonLimit))
  }

  /// The offset behind the guard bytes of a block.
  private func guardEnd(_ block: Block) -> Int {
    block.isSlot ? block.capacity &- Heap.sizeWordSize : block.capacity
  }

  /// The guard byte at an offset. It varies, so that an overrun by a constant is found at its first or second byte.
  private static func guardByte(at offset: Int) -> UInt8 { 0xa5 ^ UInt8(truncatingIfNeeded: offset) }
}
