import MachineABI

/// A memory allocator for one contiguous region: the heap behind `malloc` of a guest.
///
/// Small blocks (up to `SizeClass.largestBlock`) are slots of slabs: an allocation takes the lowest free slot of a
/// partly used slab, a bit set, in constant time. Slabs and larger blocks are runs of 1 KiB units (`FreeRuns`). A slab
/// whose last slot is freed goes back to the free runs, where it joins its neighbours and serves any other size.
///
/// Everything the heap knows lies in tables at the start of the region, below all blocks; blocks have no headers.
/// * Writing past the end of a block damages other blocks but never the tables. Writing before the first block
///   reaches the records of the region's last units.
/// * Writing to a freed block damages no free list.
/// * Freeing or resizing anything but a live block is always detected, in constant time, from the tables alone.
/// * With `checksOverruns`, guard bytes follow the requested size and are checked when a block is freed or resized, and
///   freed blocks are overwritten with `poison`.
///
/// In a region of zeroed memory everything is free already: creating a heap touches no memory, the tables are touched
/// where they describe memory in use, and the lowest memory is used first; but the first long blocks leave `FreeRuns.lead` to
/// short ones, so that those lie together. A heap is for one thread.
public struct Heap: ~Copyable {
  /// The least region size, in bytes.
  public static let minimumRegionSize = 4096

  /// The greatest region size, in bytes. Of a larger region the rest is not used.
  public static let maximumRegionSize = 16 << 30

  /// The least alignment of a block, in bytes: the ABI's `max_align_t` (System V AMD64 psABI). Block
  /// sizes are multiples of it.
  public static let leastAlignment = 16

  /// The greatest alignment of a block, in bytes: a large page.
  public static let maximumAlignment = 2 << 20

  #if DEBUG
    /// Whether heaps check overruns unless told otherwise: in debug builds.
    public static let checksOverrunsByDefault = true
  #else
    /// Whether heaps check overruns unless told otherwise: in debug builds.
    public static let checksOverrunsByDefault = false
  #endif

  var runs: FreeRuns

  /// The first slab with free slots of each size class, or 0.
  let partlyUsedSlabs: UnsafeMutablePointer<UInt32>

  /// One bit for every size class, lowest first: whether it has a slab with free slots.
  var partlyUsedClasses: UInt32 = 0

  /// Where unit 0 would be: unit n is the `Unit.size` bytes at `origin + n * Unit.size`.
  let origin: UnsafeMutableRawPointer

  let checksOverruns: Bool
  private let regionSize: Int
  private(set) var bytesInUse = 0
  private var peakBytesInUse = 0
  private var allocations = 0
  private var deallocations = 0

  /// Creates a heap in a region of zeroed memory, which it then owns.
  ///
  /// - Parameters:
  ///   - base: Where the region begins; a multiple of 4096.
  ///   - size: The size of the region, in bytes; at least `minimumRegionSize`.
  ///   - checksOverruns: Whether to put guard bytes behind blocks and to overwrite freed blocks.
  public init(
    base: UnsafeMutableRawPointer, size: Int, checksOverruns: Bool = Heap.checksOverrunsByDefault
  ) {
    precondition(size >= Heap.minimumRegionSize, "heap region too small")
    precondition(UInt(bitPattern: base) % 4096 == 0, "heap region not page aligned")
    self.checksOverruns = checksOverruns
    regionSize = min(size, Heap.maximumRegionSize)

    // The tables: the bins, the slab lists, one record for every unit and one for unit 0.
    let slabListsOffset = FreeRuns.tableSize
    let slabListsSize = (SizeClass.count * MemoryLayout<UInt32>.size + 15) & ~15
    let recordsOffset = slabListsOffset + slabListsSize
    precondition(
      recordsOffset == HeapTables.headSize && MemoryLayout<Unit>.stride == HeapTables.recordSize,
      "heap tables of another size")
    let tables = HeapTables(regionSize: regionSize)

    partlyUsedSlabs = (base + slabListsOffset).bindMemory(to: UInt32.self, capacity: SizeClass.count)
    origin = base + (tables.byteCount - Unit.size)
    runs = FreeRuns(
      table: base,
      units: (base + recordsOffset).bindMemory(to: Unit.self, capacity: tables.unitCount + 1),
      limit: tables.unitCount + 1)
  }

  /// Allocates a block.
  ///
  /// - Parameters:
  ///   - size: The size in bytes. A block of size 0 has an address of its own, too.
  ///   - alignment: A power of two up to `maximumAlignment`; less means `leastAlignment`.
  /// - Returns: The block, its contents undefined, or nil when there is no free memory for it, or when the size is
  ///   negative or the alignment is not as described.
  public mutating func allocate(size: Int, alignment: Int = Heap.leastAlignment) -> UnsafeMutableRawPointer? {
    guard let footprint = footprint(ofSize: size) else { return nil }
    var alignment = alignment
    if alignment <= Heap.leastAlignment {
      alignment = Heap.leastAlignment
    } else if alignment & (alignment &- 1) != 0 || alignment > Heap.maximumAlignment {
      return nil
    }
    let block: Block
    if footprint <= SizeClass.largestBlock,
      let sizeClass = SizeClass.index(holding: footprint, alignment: alignment),
      let slot = takeSlot(ofClass: sizeClass, exactly: alignment > Heap.leastAlignment)
    {
      block = slot
    } else if let run = takeRun(footprint, alignment: alignment) {
      // Also for a small block when there is no room for a slab of several units.
      block = run
    } else {
      return nil
    }
    allocations &+= 1
    countInUse(block.capacity)
    if checksOverruns { writeGuard(block, size: size) }
    return block.start
  }

  /// Frees a block.
  ///
  /// - Throws: `HeapMisuse` when `pointer` is not a live block, or when a heap that checks overruns finds one.
  public mutating func deallocate(_ pointer: UnsafeMutableRawPointer) throws(HeapMisuse) {
    let block = try liveBlock(at: pointer)
    if checksOverruns { poison(block, size: try guardedSize(block)) }
    release(block)
  }

  /// Changes the size of a block, in place where possible: always when it shrinks, and when it grows within the
  /// rounding of its size or, if it is larger than a slot, into free memory behind it.
  ///
  /// - Returns: The block, which has kept its contents up to the lesser of both sizes. When it was moved, it is
  ///   aligned to 16 bytes. Nil when there is no free memory for it; then the block is as it was.
  /// - Throws: `HeapMisuse` when `pointer` is not a live block, or when a heap that checks overruns finds one.
  public mutating func reallocate(
    _ pointer: UnsafeMutableRawPointer, size: Int
  ) throws(HeapMisuse) -> UnsafeMutableRawPointer? {
    var block = try liveBlock(at: pointer)
    let oldSize = checksOverruns ? try guardedSize(block) : block.capacity
    guard let footprint = footprint(ofSize: size) else { return nil }
    if resize(&block, to: footprint) {
      if checksOverruns { writeGuard(block, size: size) }
      return pointer
    }
    guard let moved = allocate(size: size) else { return nil }
    moved.copyMemory(from: pointer, byteCount: min(oldSize, size))
    if checksOverruns { poison(block, size: oldSize) }
    release(block)
    return moved
  }

  /// The number of bytes that may be used in a block: at least the requested size, and exactly that in a heap that
  /// checks overruns.
  ///
  /// - Throws: `HeapMisuse` when `pointer` is not a live block, or when a heap that checks overruns finds one.
  public func usableSize(of pointer: UnsafeMutableRawPointer) throws(HeapMisuse) -> Int {
    let block = try liveBlock(at: pointer)
    return checksOverruns ? try guardedSize(block) : block.capacity
  }

  /// The present state of the heap. The largest free run is searched for; everything else is at hand.
  public var statistics: HeapStatistics {
    HeapStatistics(
      regionSize: regionSize,
      bytesInUse: bytesInUse,
      peakBytesInUse: peakBytesInUse,
      freeBytes: runs.freeCount &* Unit.size,
      largestFreeRun: runs.longest &* Unit.size,
      allocations: allocations,
      deallocations: deallocations)
  }

  /// What a block of `size` bytes needs, guard included, or nil when no block can have that size.
  private func footprint(ofSize size: Int) -> Int? {
    guard size >= 0, size <= regionSize else { return nil }
    return checksOverruns ? size &+ Heap.leastGuardSize : size
  }

  /// Notes that blocks occupy `bytes` more.
  private mutating func countInUse(_ bytes: Int) {
    bytesInUse &+= bytes
    if bytesInUse > peakBytesInUse { peakBytesInUse = bytesInUse }
  }

  private mutating func release(_ block: Block) {
    deallocations &+= 1
    bytesInUse &-= block.capacity
    if block.isSlot {
      putSlot(block)
    } else {
      putRun(block)
    }
  }

  /// Makes a block hold `footprint` bytes without moving it, if possible.
  private mutating func resize(_ block: inout Block, to footprint: Int) -> Bool {
    if block.isSlot { return footprint <= block.capacity }
    let oldCapacity = block.capacity
    guard resizeRun(&block, to: footprint) else { return false }
    countInUse(block.capacity &- oldCapacity)
    return true
  }
}
