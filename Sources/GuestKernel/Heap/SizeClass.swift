/// One of the block sizes that small requests are rounded up to.
///
/// Blocks of one class live in *slabs* of one to three units. The sizes are those that fill a slab with little left
/// over: 1024/n and 2048/n rounded down to 16. Rounding wastes less than 16 bytes up to 160 and less than a quarter of
/// the block up to 768.
struct SizeClass {
  /// The granularity of block sizes, in bytes.
  static let granule = Heap.leastAlignment

  /// The largest block, in bytes, that is kept in slabs.
  static let largestBlock = 768

  /// How many of the next larger classes may stand in for a class that has no free slots.
  static let substitutes = 2

  static var count: Int { sizeClasses.count }

  /// The size of a block, in granules.
  let granules: UInt8

  /// The size of a slab, in units.
  let slabUnits: UInt8

  /// 2^15 / granules, rounded up: dividing by multiplication.
  let reciprocal: UInt16

  init(_ granules: UInt8, slabUnits: UInt8 = 1) {
    self.granules = granules
    self.slabUnits = slabUnits
    self.reciprocal = (32768 + UInt16(granules) - 1) / UInt16(granules)
  }

  /// The class with index `index`, which is below `count`.
  @inline(__always)
  static subscript(index: Int) -> SizeClass { sizeClasses[unchecked: index] }

  /// The index of the smallest class whose blocks hold `size` bytes (at most `largestBlock`) at multiples of
  /// `alignment` (a power of two), or nil when no class has them so aligned.
  @inline(__always)
  static func index(holding size: Int, alignment: Int) -> Int? {
    var index = Int(classByGranules[unchecked: (size &+ (granule - 1)) / granule])
    if alignment <= granule { return index }
    // Slabs begin at multiples of the unit, so a block is as aligned as its class's size is.
    while index < count {
      if SizeClass[index].blockSize & (alignment &- 1) == 0 { return index }
      index &+= 1
    }
    return nil
  }

  /// The size of a block, in bytes.
  var blockSize: Int { Int(granules) &* SizeClass.granule }

  /// One bit for every slot of a slab, lowest first.
  var allSlots: UInt64 {
    ~0 &>> (64 &- UInt64(slot(ofGranule: Int(slabUnits) &* (Unit.size / SizeClass.granule))))
  }

  /// The number of the slot that holds the granule `granule` of a slab.
  ///
  /// Exact: a slab has at most 192 granules and a block at most 48, so the error 192 / 2^15 stays below 1 / 48.
  @inline(__always)
  func slot(ofGranule granule: Int) -> Int { (granule &* Int(reciprocal)) &>> 15 }
}

/// All classes, smallest first.
private let sizeClasses: InlineArray<19, SizeClass> = [
  SizeClass(1), SizeClass(2), SizeClass(3), SizeClass(4), SizeClass(5), SizeClass(6), SizeClass(7), SizeClass(8),
  SizeClass(9), SizeClass(10), SizeClass(12), SizeClass(14, slabUnits: 2), SizeClass(16), SizeClass(18, slabUnits: 2),
  SizeClass(21), SizeClass(25, slabUnits: 2), SizeClass(32), SizeClass(42, slabUnits: 2), SizeClass(48, slabUnits: 3),
]

/// The index of the smallest class that holds a number of granules from 0 to 48.
private let classByGranules: InlineArray<49, UInt8> = [
  0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9,  // 0...10
  10, 10, 11, 11, 12, 12, 13, 13,  // 11...18
  14, 14, 14, 15, 15, 15, 15,  // 19...25
  16, 16, 16, 16, 16, 16, 16,  // 26...32
  17, 17, 17, 17, 17, 17, 17, 17, 17, 17,  // 33...42
  18, 18, 18, 18, 18, 18,  // 43...48
]
