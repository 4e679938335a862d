import Testing

@testable import GuestKernel

@Suite struct HeapReallocationTests {
  @Test(arguments: [false, true]) func withinTheRoundingOfASlot(checksOverruns: Bool) throws {
    let heap = TestHeap(size: 64 << 10, checksOverruns: checksOverruns)
    let block = try #require(heap.allocate(size: 200))
    for size in [208, 16, 0, 100, 201] {
      #expect(try heap.reallocate(block, size: size) == block)
      #expect(try heap.usableSize(of: block) == (checksOverruns ? size : 224))
    }
    try heap.deallocate(block)
    #expect(heap.statistics.allocations == 1)
  }

  @Test(arguments: [false, true]) func intoTheUntouchedMemory(checksOverruns: Bool) throws {
    let heap = TestHeap(size: 1 << 20, checksOverruns: checksOverruns)
    let block = try #require(heap.allocate(size: 2000))
    block.initializeMemory(as: UInt8.self, repeating: 0x77, count: 2000)
    for size in [3000, 100_000, 900_000, 2000, 500_000] {
      #expect(try heap.reallocate(block, size: size) == block)
    }
    #expect((0..<2000).allSatisfy { block.load(fromByteOffset: $0, as: UInt8.self) == 0x77 })
    try heap.deallocate(block)
    #expect(heap.statistics.isEmptyAndWhole)
    #expect(heap.statistics.allocations == 1)
  }

  @Test func intoTheFreeRunBehind() throws {
    let heap = TestHeap(size: 1 << 20, checksOverruns: false)
    let block = try #require(heap.allocate(size: 4096))
    let following = try #require(heap.allocate(size: 8192))
    let last = try #require(heap.allocate(size: 4096))
    #expect(following == block + 4096 && last == following + 8192)
    try heap.deallocate(following)
    let free = heap.statistics.freeBytes

    #expect(try heap.reallocate(block, size: 5000) == block)
    #expect(heap.statistics.freeBytes == free - 1024)
    #expect(try heap.reallocate(block, size: 4096 + 8192) == block)
    #expect(heap.statistics.freeBytes == free - 8192)
    let moved = try #require(try heap.reallocate(block, size: 4096 + 8192 + 1))
    #expect(moved > last)
    #expect(heap.statistics.allocations == 4)
    for pointer in [moved, last] { try heap.deallocate(pointer) }
    #expect(heap.statistics.isEmptyAndWhole)
  }

  @Test func shrinkingGivesMemoryBack() throws {
    let heap = TestHeap(size: 1 << 20, checksOverruns: false)
    let block = try #require(heap.allocate(size: 500_000))
    let last = try #require(heap.allocate(size: 1024))
    let free = heap.statistics.freeBytes
    #expect(try heap.reallocate(block, size: 1000) == block)
    #expect(heap.statistics.freeBytes == free + 500_736 - 1024)
    #expect(heap.allocate(size: 499_000) == block + 1024)
    try heap.deallocate(last)
  }

  @Test(arguments: [false, true]) func movingKeepsTheContents(checksOverruns: Bool) throws {
    let heap = TestHeap(size: 1 << 20, checksOverruns: checksOverruns)
    var block = try #require(heap.allocate(size: 1))
    block.storeBytes(of: 0, as: UInt8.self)
    var size = 1
    while size < 200_000 {
      let larger = size * 3 / 2 + 1
      // A block behind it, so that it has to move.
      _ = heap.allocate(size: larger)
      block = try #require(try heap.reallocate(block, size: larger))
      for offset in size..<larger {
        block.storeBytes(of: UInt8(truncatingIfNeeded: offset), toByteOffset: offset, as: UInt8.self)
      }
      size = larger
      if heap.statistics.freeBytes < 500_000 { break }
    }
    #expect((0..<size).allSatisfy { block.load(fromByteOffset: $0, as: UInt8.self) == UInt8(truncatingIfNeeded: $0) })
  }

  @Test func failingLeavesTheBlock() throws {
    let heap = TestHeap(size: 64 << 10)
    let block = try #require(heap.allocate(size: 100))
    block.initializeMemory(as: UInt8.self, repeating: 0x77, count: 100)
    let before = heap.statistics
    #expect(try heap.reallocate(block, size: 64 << 10) == nil)
    #expect(heap.statistics == before)
    #expect((0..<100).allSatisfy { block.load(fromByteOffset: $0, as: UInt8.self) == 0x77 })
    try heap.deallocate(block)
  }
}
