/// A live block: a slot of a slab, or a run of units.
struct Block {
  let start: UnsafeMutableRawPointer

  /// The first unit of the block's run or of its slab.
  let unit: Int

  /// The block's bit in the slab's set of free slots; 0 for a run.
  let slotBit: UInt64

  /// What the block occupies, in bytes.
  var capacity: Int

  var isSlot: Bool { slotBit != 0 }
}

extension Heap {
  /// The block that begins at an address.
  func liveBlock(at pointer: UnsafeMutableRawPointer) throws(HeapMisuse) -> Block {
    // An address below the origin becomes a large offset.
    let offset = UInt(bitPattern: pointer) &- UInt(bitPattern: origin)
    var unit = Int(bitPattern: offset / UInt(Unit.size))
    guard offset % UInt(SizeClass.granule) == 0, unit >= 1, unit < runs.limit else {
      throw HeapMisuse(.notAllocated, pointer)
    }
    let state = runs.units[unit].state
    if state == Unit.State.slab || state == Unit.State.slabContinued {
      if state == Unit.State.slabContinued { unit &-= Int(runs.units[unit].tag) }
      let sizeClass = SizeClass[Int(runs.units[unit].tag)]
      let granule = Int(bitPattern: offset) / SizeClass.granule &- unit &* (Unit.size / SizeClass.granule)
      let slot = sizeClass.slot(ofGranule: granule)
      let slotBit: UInt64 = 1 &<< UInt64(truncatingIfNeeded: slot)
      guard slot &* Int(sizeClass.granules) == granule, slotBit & sizeClass.allSlots != 0 else {
        throw HeapMisuse(.notAllocated, pointer)
      }
      guard runs.units[unit].payload & slotBit == 0 else { throw HeapMisuse(.doubleFree, pointer) }
      return Block(start: pointer, unit: unit, slotBit: slotBit, capacity: sizeClass.blockSize)
    }
    let beginsUnit = offset % UInt(Unit.size) == 0
    if state == Unit.State.block, beginsUnit {
      return Block(start: pointer, unit: unit, slotBit: 0, capacity: runs.units[unit].length &* Unit.size)
    }
    let past = state & Unit.State.kindMask
    let wasFreed = past == Unit.State.freedSlab || past == Unit.State.freedBlock && beginsUnit
    throw HeapMisuse(wasFreed ? .doubleFree : .notAllocated, pointer)
  }

  /// Takes a free slot of a size class, or, unless `exactly` it must be, of one of the next larger ones.
  @inline(__always)
  mutating func takeSlot(ofClass wanted: Int, exactly: Bool) -> Block? {
    var index = wanted
    if partlyUsedSlabs[wanted] == 0 {
      guard let other = classWithFreeSlots(forClass: wanted, exactly: exactly) else { return nil }
      index = other
    }
    let slab = Int(partlyUsedSlabs[index])
    let freeSlots = runs.units[slab].payload
    let remaining = freeSlots & (freeSlots &- 1)
    runs.units[slab].payload = remaining
    if remaining == 0 { unlinkSlab(slab, ofClass: index) }
    let capacity = SizeClass[index].blockSize
    return Block(
      start: origin + (slab &* Unit.size &+ freeSlots.trailingZeroBitCount &* capacity),
      unit: slab, slotBit: freeSlots ^ remaining, capacity: capacity)
  }

  /// The class to take a slot from when the wanted class has no free slots; it has free slots then.
  ///
  /// Free slots of slightly larger blocks come before a new slab. That is how a few blocks of many sizes, which is what
  /// a program has when it starts, share few pages. Much larger ones come before failing.
  @inline(never)
  private mutating func classWithFreeSlots(forClass wanted: Int, exactly: Bool) -> Int? {
    var larger: Int?
    if !exactly {
      let candidates = partlyUsedClasses & (~1 &<< UInt32(truncatingIfNeeded: wanted))
      if candidates != 0 { larger = candidates.trailingZeroBitCount }
    }
    if let larger, larger &- wanted <= SizeClass.substitutes { return larger }
    return takeSlab(ofClass: wanted) ? wanted : larger
  }

  /// Gives back a slot, and its slab when no other slot is in use.
  mutating func putSlot(_ block: Block) {
    let slab = block.unit
    let index = Int(runs.units[slab].tag)
    let freeSlots = runs.units[slab].payload
    runs.units[slab].payload = freeSlots | block.slotBit
    // Every slab has at least two slots, so that a slab is not full and empty at once.
    if freeSlots == 0 {
      linkSlab(slab, ofClass: index)
    } else if freeSlots | block.slotBit == SizeClass[index].allSlots {
      unlinkSlab(slab, ofClass: index)
      putSlab(slab, ofClass: index)
    }
  }

  /// Makes a new slab of a size class; false when there is no memory for it.
  private mutating func takeSlab(ofClass index: Int) -> Bool {
    let sizeClass = SizeClass[index]
    guard let slab = runs.take(Int(sizeClass.slabUnits), alignment: 1, phase: 0) else { return false }
    runs.units[slab].state = Unit.State.slab
    runs.units[slab].tag = UInt8(truncatingIfNeeded: index)
    runs.units[slab].payload = sizeClass.allSlots
    var distance: UInt8 = 1
    while distance < sizeClass.slabUnits {
      runs.units[slab &+ Int(distance)].state = Unit.State.slabContinued
      runs.units[slab &+ Int(distance)].tag = distance
      distance &+= 1
    }
    linkSlab(slab, ofClass: index)
    return true
  }

  @inline(never)
  private mutating func putSlab(_ slab: Int, ofClass index: Int) {
    let count = Int(SizeClass[index].slabUnits)
    var unit = slab
    while unit < slab &+ count {
      runs.units[unit].state = Unit.State.freedSlab
      unit &+= 1
    }
    runs.put(slab, count)
  }

  private mutating func linkSlab(_ slab: Int, ofClass index: Int) {
    let head = partlyUsedSlabs[index]
    runs.units[slab].next = head
    runs.units[slab].previous = 0
    if head != 0 { runs.units[Int(head)].previous = UInt32(truncatingIfNeeded: slab) }
    partlyUsedSlabs[index] = UInt32(truncatingIfNeeded: slab)
    partlyUsedClasses |= 1 &<< UInt32(truncatingIfNeeded: index)
  }

  private mutating func unlinkSlab(_ slab: Int, ofClass index: Int) {
    let (previous, next) = (runs.units[slab].previous, runs.units[slab].next)
    if next != 0 { runs.units[Int(next)].previous = previous }
    if previous != 0 {
      runs.units[Int(previous)].next = next
    } else {
      partlyUsedSlabs[index] = next
      if next == 0 { partlyUsedClasses &= ~(1 &<< UInt32(truncatingIfNeeded: index)) }
    }
  }

  /// Takes a run of units as a block.
  @inline(never)
  mutating func takeRun(_ footprint: Int, alignment: Int) -> Block? {
    let count = Heap.unitCount(footprint)
    // Unit n is aligned when `origin / Unit.size + n` is a multiple of the alignment in units.
    let alignmentInUnits = max(alignment / Unit.size, 1)
    let phase = 0 &- Int(bitPattern: UInt(bitPattern: origin) / UInt(Unit.size))
    guard let unit = runs.take(count, alignment: alignmentInUnits, phase: phase) else { return nil }
    runs.units[unit].state = Unit.State.block
    runs.units[unit].length = count
    return Block(start: origin + unit &* Unit.size, unit: unit, slotBit: 0, capacity: count &* Unit.size)
  }

  @inline(never)
  mutating func putRun(_ block: Block) {
    runs.units[block.unit].state = Unit.State.freedBlock
    runs.put(block.unit, block.capacity / Unit.size)
  }

  /// Makes a run of units hold `footprint` bytes without moving it, if possible.
  mutating func resizeRun(_ block: inout Block, to footprint: Int) -> Bool {
    let old = block.capacity / Unit.size
    let new = Heap.unitCount(footprint)
    if new > old {
      guard runs.extend(at: block.unit &+ old, by: new &- old) else { return false }
    } else if new < old {
      runs.put(block.unit &+ new, old &- new)
    }
    runs.units[block.unit].length = new
    block.capacity = new &* Unit.size
    return true
  }

  /// The number of units that hold `footprint` bytes: at least one.
  private static func unitCount(_ footprint: Int) -> Int {
    max((footprint &+ (Unit.size &- 1)) / Unit.size, 1)
  }
}
