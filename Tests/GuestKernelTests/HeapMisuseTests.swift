import SeededRandom
import Testing

@testable import GuestKernel

@Suite struct HeapMisuseTests {
  static let sizes = [0, 1, 16, 100, 200, 512, 700, 768, 1024, 5000, 100_000]

  /// What every misuse test ends with: the heap works as before.
  private func expectWorking(_ heap: TestHeap) throws {
    let block = try #require(heap.allocate(size: 100))
    try heap.deallocate(block)
  }

  @Test(arguments: sizes, [false, true]) func doubleFree(size: Int, checksOverruns: Bool) throws {
    let heap = TestHeap(size: 1 << 20, checksOverruns: checksOverruns)
    // Once with its slab still in use and once with it gone.
    for keepsCompany in [true, false] {
      let company = keepsCompany ? heap.allocate(size: size) : nil
      let block = try #require(heap.allocate(size: size))
      try heap.deallocate(block)
      let before = heap.statistics
      #expect(heap.misuse(deallocating: block)?.kind == .doubleFree)
      #expect(heap.misuse(reallocating: block)?.kind == .doubleFree)
      #expect(heap.misuse(measuring: block)?.kind == .doubleFree)
      #expect(heap.statistics == before)
      if let company { try heap.deallocate(company) }
    }
    try expectWorking(heap)
    #expect(heap.statistics.isEmptyAndWhole)
  }

  /// A freed block is still recognised when its memory has become part of a larger one.
  @Test func doubleFreeInsideALaterBlock() throws {
    let heap = TestHeap(size: 1 << 20)
    let first = try #require(heap.allocate(size: 2000))
    let second = try #require(heap.allocate(size: 2000))
    try heap.deallocate(second)
    try heap.deallocate(first)
    let larger = try #require(heap.allocate(size: 10_000))
    #expect(larger == first)
    #expect(heap.misuse(deallocating: second)?.kind == .doubleFree)
    try heap.deallocate(larger)
  }

  @Test(arguments: sizes, [false, true]) func interiorAndMisaligned(size: Int, checksOverruns: Bool) throws {
    let heap = TestHeap(size: 1 << 20, checksOverruns: checksOverruns)
    let block = try #require(heap.allocate(size: size))
    let before = heap.statistics
    let capacity = try heap.capacity(of: block)
    let offsets = [1, 8, 15] + Array(stride(from: 16, to: capacity, by: 16))
    for offset in offsets {
      #expect(heap.misuse(deallocating: block + offset)?.kind == .notAllocated)
    }
    #expect(heap.statistics == before)
    try heap.deallocate(block)
  }

  @Test func outside() throws {
    let heap = TestHeap(size: 1 << 20)
    let block = try #require(heap.allocate(size: 5000))
    let addresses: [UInt] = [
      16, 4096, .max - 15, 1 << 63, UInt(bitPattern: heap.base) - 16, UInt(bitPattern: heap.base),
      UInt(bitPattern: heap.origin), UInt(bitPattern: block) - 16, UInt(bitPattern: block) + (64 << 10),
      UInt(bitPattern: heap.base) + UInt(heap.size) - 1024, UInt(bitPattern: heap.base) + UInt(heap.size),
    ]
    for address in addresses {
      let pointer = try #require(UnsafeMutableRawPointer(bitPattern: address))
      #expect(heap.misuse(deallocating: pointer) == HeapMisuse(.notAllocated, pointer))
    }
    try heap.deallocate(block)
    #expect(heap.statistics.isEmptyAndWhole)
  }

  /// Every address of a small region that is no live block is refused, whatever lies there.
  @Test(arguments: [false, true]) func exhaustively(checksOverruns: Bool) throws {
    let heap = TestHeap(size: 64 << 10, checksOverruns: checksOverruns)
    var random = SeededGenerator(seed: 11)
    var live: [UnsafeMutableRawPointer] = []
    for _ in 0..<2000 {
      if Bool.random(using: &random), let block = heap.allocate(size: Int.random(in: 0...3000, using: &random)) {
        live.append(block)
      } else if !live.isEmpty {
        try heap.deallocate(live.remove(at: Int.random(in: 0..<live.count, using: &random)))
      }
    }
    let before = heap.statistics
    let known = Set(live)
    for pointer in stride(from: heap.base - 64, to: heap.base + heap.size + 64, by: 8) where !known.contains(pointer) {
      #expect(heap.misuse(deallocating: pointer) != nil)
    }
    #expect(heap.statistics == before)
    for block in live { try heap.deallocate(block) }
    #expect(heap.statistics.isEmptyAndWhole)
  }

  @Test(arguments: sizes) func overrun(size: Int) throws {
    let heap = TestHeap(size: 1 << 20, checksOverruns: true)
    for distance in 0..<Heap.leastGuardSize {
      let block = try #require(heap.allocate(size: size))
      let original = block.load(fromByteOffset: size + distance, as: UInt8.self)
      block.storeBytes(of: ~original, toByteOffset: size + distance, as: UInt8.self)
      let found = heap.misuse(deallocating: block)?.kind
      guard case .overrun(let offset)? = found else {
        Issue.record("\(size) + \(distance): \(String(describing: found))")
        continue
      }
      // A slot's size word, at its end, is one whole.
      #expect(offset <= size + distance && offset >= size + distance - 3)
      #expect(heap.misuse(reallocating: block)?.kind == found)
      // The block stays allocated; with the byte repaired it is as good as before.
      block.storeBytes(of: original, toByteOffset: size + distance, as: UInt8.self)
      try heap.deallocate(block)
    }
    #expect(heap.statistics.isEmptyAndWhole)
  }

  /// The guard bytes vary, so that no constant hides an overrun by two bytes.
  @Test(arguments: [0, 0xff, 0xa5, Heap.poison] as [UInt8]) func overrunByAConstant(_ value: UInt8) throws {
    let heap = TestHeap(size: 64 << 10, checksOverruns: true)
    for size in 0..<600 {
      let block = try #require(heap.allocate(size: size))
      block.initializeMemory(as: UInt8.self, repeating: value, count: size + 2)
      let found = heap.misuse(deallocating: block)?.kind
      #expect(found == .overrun(offset: size) || found == .overrun(offset: size + 1))
      try heap.repairGuard(of: block, size: size)
      try heap.deallocate(block)
    }
  }

  @Test func freedBlocksArePoisoned() throws {
    let heap = TestHeap(size: 1 << 20, checksOverruns: true)
    for size in Self.sizes {
      let block = try #require(heap.allocate(size: size))
      block.initializeMemory(as: UInt8.self, repeating: 0x77, count: size)
      try heap.deallocate(block)
      #expect(
        (0..<min(size, Heap.poisonLimit)).allSatisfy { block.load(fromByteOffset: $0, as: UInt8.self) == Heap.poison })
    }
  }

  @Test func withoutChecksTheWholeBlockIsUsable() throws {
    let heap = TestHeap(size: 64 << 10, checksOverruns: false)
    for size in [1, 17, 200, 1025] {
      let block = try #require(heap.allocate(size: size))
      block.initializeMemory(as: UInt8.self, repeating: 0x77, count: try heap.usableSize(of: block))
      try heap.deallocate(block)
    }
  }
}
