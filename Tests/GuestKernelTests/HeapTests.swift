import SeededRandom
import Testing

@testable import GuestKernel

@Suite struct HeapTests {
  static let regionSizes = [
    4096, 60 << 10, 64 << 10, 65536 + 100, (1 << 20) - 4096, 1_234_567, 64 << 20, 16 << 30,
  ]

  @Test(arguments: regionSizes) func aNewHeapIsOneFreeRunAndTouchesNothing(_ size: Int) throws {
    let heap = TestHeap(size: size)
    #expect(heap.touchedPages == 0)
    let statistics = heap.statistics
    #expect(statistics.isEmptyAndWhole)
    #expect(statistics.regionSize == size)
    // The tables take 16 of 1040 bytes, and less than two units by their fixed part and rounding.
    #expect(statistics.freeBytes >= size / 1040 * 1024 - 2 * Unit.size)

    let whole = try #require(heap.allocate(size: statistics.freeBytes - (heap.checksOverruns ? 16 : 0)))
    #expect(whole >= heap.base && whole + statistics.freeBytes <= heap.base + size)
    #expect(heap.allocate(size: 1) == nil)
    if size < 1 << 20 { whole.initializeMemory(as: UInt8.self, repeating: 0xff, count: statistics.freeBytes - 16) }
    try heap.deallocate(whole)
    #expect(heap.statistics.isEmptyAndWhole)
  }

  @Test func shortBlocksLieTogetherInFrontOfTheFirstLongOnes() throws {
    let heap = TestHeap(size: 64 << 20)
    let before = try #require(heap.allocate(size: 5000))
    let long = try #require(heap.allocate(size: 1 << 20, alignment: 4096))
    #expect(long >= before + (124 << 10) && long < before + (132 << 10))
    let longer = try #require(heap.allocate(size: 2 << 20))
    #expect(longer > long)
    // All that was left free before the long ones is for others.
    var after: [UnsafeMutableRawPointer] = []
    for _ in 0..<20 {
      let block = try #require(heap.allocate(size: 5000))
      #expect(block > before && block < long)
      after.append(block)
    }
    for block in after + [before, long, longer] { try heap.deallocate(block) }
    #expect(heap.statistics.isEmptyAndWhole)
  }

  @Test func ofATooLargeRegionTheRestIsNotUsed() {
    let heap = TestHeap(size: Heap.maximumRegionSize + (1 << 20))
    #expect(heap.statistics.regionSize == Heap.maximumRegionSize)
  }

  @Test(arguments: [false, true]) func alignments(checksOverruns: Bool) throws {
    let heap = TestHeap(size: 128 << 20, skew: 4096, checksOverruns: checksOverruns)
    var blocks: [UnsafeMutableRawPointer] = []
    for shift in 0...21 {
      for size in [0, 1, 15, 16, 17, 48, 100, 255, 256, 500, 512, 513, 768, 1000, 1024, 4096, 5000, 100_000] {
        let block = try #require(heap.allocate(size: size, alignment: 1 << shift), "\(size) at \(1 << shift)")
        #expect(UInt(bitPattern: block) % UInt(max(16, 1 << shift)) == 0)
        blocks.append(block)
      }
    }
    for block in blocks { try heap.deallocate(block) }
    #expect(heap.statistics.isEmptyAndWhole)
  }

  @Test func alignmentsThatCannotBeServed() {
    let heap = TestHeap(size: 16 << 20)
    #expect(heap.allocate(size: 1, alignment: 48) == nil)
    #expect(heap.allocate(size: 1, alignment: 4 << 20) == nil)
    #expect(heap.allocate(size: 1, alignment: .max) == nil)
    #expect(heap.allocate(size: 1, alignment: 0) != nil)
    #expect(heap.allocate(size: 1, alignment: .min) != nil)
  }

  /// In a full heap the only run that serves a request is found also behind others of about its length.
  @Test func theOnlyAlignedRunIsFound() throws {
    let heap = TestHeap(size: 64 << 10, checksOverruns: false)
    var blocks: [UnsafeMutableRawPointer] = []
    while let block = heap.allocate(size: 1024) { blocks.append(block) }
    let aligned = try #require(blocks.first { UInt(bitPattern: $0) % 4096 == 0 })
    for index in 0..<4 { try heap.deallocate(aligned + index * 1024) }
    for index in 0..<4 { try heap.deallocate(aligned + (10 + index) * 1024) }
    #expect(heap.allocate(size: 4096, alignment: 4096) == aligned)
    #expect(heap.allocate(size: 4096, alignment: 4096) == nil)
    #expect(heap.allocate(size: 4096) == aligned + 10 * 1024)
  }

  @Test func theOnlyRunThatIsLongEnoughIsFound() throws {
    let heap = TestHeap(size: 64 << 10, checksOverruns: false)
    let long = try #require(heap.allocate(size: 17 * 1024))
    #expect(heap.allocate(size: 1024) != nil)
    let short = try #require(heap.allocate(size: 16 * 1024))
    while heap.allocate(size: 1024) != nil {}
    try heap.deallocate(long)
    try heap.deallocate(short)
    #expect(heap.allocate(size: 17 * 1024) == long)
    #expect(heap.allocate(size: 17 * 1024) == nil)
    #expect(heap.allocate(size: 16 * 1024) == short)
  }

  @Test func zeroSizedBlocksAreDistinct() throws {
    let heap = TestHeap(size: 64 << 10)
    var blocks: Set<UnsafeMutableRawPointer> = []
    for _ in 0..<100 { blocks.insert(try #require(heap.allocate(size: 0))) }
    #expect(blocks.count == 100)
    for block in blocks { try heap.deallocate(block) }
    #expect(heap.statistics.isEmptyAndWhole)
  }

  @Test(arguments: [
    .max, .max - 15, .max - 16, .max - 1024, .min, -1, 1 << 34, (1 << 34) + 1, 1 << 20, (1 << 20) - 1000,
  ])
  func sizesThatNoBlockCanHave(_ size: Int) throws {
    let heap = TestHeap(size: 1 << 20)
    #expect(heap.allocate(size: size) == nil)
    #expect(heap.allocate(size: size, alignment: Heap.maximumAlignment) == nil)
    let block = try #require(heap.allocate(size: 2000))
    #expect(try heap.reallocate(block, size: size) == nil)
    #expect(try heap.usableSize(of: block) >= 2000)
    try heap.deallocate(block)
    #expect(heap.statistics.isEmptyAndWhole)
  }

  @Test(arguments: [16, 100, 500, 768, 1024, 5000], [false, true])
  func exhaustionAndRecovery(size: Int, checksOverruns: Bool) throws {
    let heap = TestHeap(size: 256 << 10, checksOverruns: checksOverruns)
    var counts: [Int] = []
    for round in 0..<3 {
      var blocks: [UnsafeMutableRawPointer] = []
      while let block = heap.allocate(size: size) { blocks.append(block) }
      counts.append(blocks.count)
      // Full means full: no unit is left that could hold such a block, its guard included.
      #expect(heap.statistics.freeBytes < (size + 16 + 1023) / 1024 * 1024 || size > 1024)
      #expect(heap.statistics.largestFreeRun < size + 16 + 1024)
      // Any freed block can be had again at once.
      let freed = blocks.remove(at: blocks.count / 2)
      try heap.deallocate(freed)
      blocks.append(try #require(heap.allocate(size: size)))
      #expect(heap.allocate(size: size) == nil)
      // Every second one first, so that freeing meets all combinations of free neighbours.
      for parity in 0..<2 {
        for index in blocks.indices where index % 2 == (parity + round) % 2 { try heap.deallocate(blocks[index]) }
      }
      #expect(heap.statistics.isEmptyAndWhole)
    }
    #expect(Set(counts).count == 1)
  }

  /// Memory that held blocks of one size serves every other size.
  @Test func emptySlabsServeOtherSizes() throws {
    let heap = TestHeap(size: 256 << 10)
    for size in [16, 4000, 48, 700, 100_000, 300] {
      var blocks: [UnsafeMutableRawPointer] = []
      while let block = heap.allocate(size: size) { blocks.append(block) }
      #expect(blocks.count > 0)
      for block in blocks { try heap.deallocate(block) }
      #expect(heap.statistics.isEmptyAndWhole)
    }
  }

  @Test func roundingWastesLittle() throws {
    let heap = TestHeap(size: 1 << 20, checksOverruns: false)
    for size in 1...SizeClass.largestBlock {
      let block = try #require(heap.allocate(size: size))
      let capacity = try heap.usableSize(of: block)
      #expect(capacity >= size)
      #expect(capacity - size < 16 || (capacity - size) * 4 < capacity)
      try heap.deallocate(block)
    }
  }

  /// Every size from 16 to 512 equally often: as bad a mix as there is.
  private static let evenMix = Array(16...512)

  /// What a Swift program makes while it starts: mostly objects of two to eight words, some buffers, few large ones.
  private static let startUpMix = [32, 32, 32, 48, 48, 48, 64, 64, 80, 80, 96, 112, 128, 160, 256, 512]

  /// Pages touched by the first `count` blocks, filled, in the worst of 50 orders; the tables are included.
  ///
  /// The blocks alone need their sum divided by 4096: about 1, 2, 4 and 7 pages of the even mix, 1, 1, 2 and 3 of the
  /// other.
  @Test(arguments: [
    (evenMix, 12, 4), (evenMix, 24, 6), (evenMix, 48, 7), (evenMix, 96, 11),
    (startUpMix, 12, 4), (startUpMix, 24, 4), (startUpMix, 48, 5), (startUpMix, 96, 6),
  ])
  func theFirstSmallBlocksTouchFewPages(sizes: [Int], count: Int, budget: Int) throws {
    var worst = 0
    for seed in 0..<50 {
      let heap = TestHeap(size: 64 << 20, checksOverruns: false)
      var random = SeededGenerator(seed: UInt64(seed))
      for _ in 0..<count {
        let size = try #require(sizes.randomElement(using: &random))
        let block = try #require(heap.allocate(size: size))
        block.initializeMemory(as: UInt8.self, repeating: 0xff, count: size)
      }
      worst = max(worst, heap.touchedPages)
    }
    #expect(worst <= budget)
  }

  /// A large block costs the page of its record and no other.
  @Test func allocatingALargeBlockDoesNotTouchIt() throws {
    let heap = TestHeap(size: 16 << 30, checksOverruns: false)
    let block = try #require(heap.allocate(size: 8 << 30, alignment: Heap.maximumAlignment))
    #expect(heap.touchedPages <= 3)
    try heap.deallocate(block)
    #expect(heap.touchedPages <= 4)
    #expect(heap.statistics.isEmptyAndWhole)
  }
}
