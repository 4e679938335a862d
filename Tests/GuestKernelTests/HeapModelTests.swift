import SeededRandom
import Testing

@testable import GuestKernel

/// A heap and, beside it, a plain list of what must be in it. Every operation checks one against the other.
private final class CheckedHeap {
  struct Live {
    let pointer: UnsafeMutableRawPointer
    var size: Int
    var capacity: Int
    var seed: UInt8
  }

  let heap: TestHeap
  let wholeFreeBytes: Int
  var live: [Live] = []
  var bytesInUse = 0
  var peak = 0
  var allocations = 0
  var deallocations = 0

  /// Which granules of the region belong to live blocks: for finding overlaps.
  var owned: [Bool]

  init(size: Int, skew: Int, checksOverruns: Bool) {
    heap = TestHeap(size: size, skew: skew, checksOverruns: checksOverruns)
    wholeFreeBytes = heap.statistics.freeBytes
    owned = Array(repeating: false, count: size / SizeClass.granule + 1)
  }

  func allocate(size: Int, alignment: Int, seed: UInt8) -> Bool {
    guard let pointer = heap.allocate(size: size, alignment: alignment) else { return false }
    #expect(UInt(bitPattern: pointer) % UInt(max(alignment, 16)) == 0)
    allocations += 1
    adopt(Live(pointer: pointer, size: size, capacity: 0, seed: seed))
    return true
  }

  func deallocate(_ index: Int) throws {
    let block = live.remove(at: index)
    #expect(isIntact(block, count: block.size))
    try heap.deallocate(block.pointer)
    deallocations += 1
    disown(block)
  }

  func reallocate(_ index: Int, size: Int, seed: UInt8) throws {
    let old = live[index]
    let before = bytesInUse
    guard let pointer = try heap.reallocate(old.pointer, size: size) else {
      #expect(size > old.size, "shrinking never fails")
      #expect(isIntact(old, count: old.size))
      return
    }
    let moved = Live(pointer: pointer, size: old.size, capacity: 0, seed: old.seed)
    #expect(isIntact(moved, count: min(size, old.size)), "contents are kept")
    live.swapAt(index, live.count - 1)
    live.removeLast()
    disown(old)
    adopt(Live(pointer: pointer, size: size, capacity: 0, seed: seed))
    if pointer != old.pointer {
      allocations += 1
      deallocations += 1
      // Both blocks existed while the contents were copied.
      peak = max(peak, before + live[live.count - 1].capacity)
    }
  }

  func expectStatisticsMatch() {
    let statistics = heap.statistics
    #expect(statistics.bytesInUse == bytesInUse)
    #expect(statistics.peakBytesInUse == peak)
    #expect(statistics.allocations == allocations)
    #expect(statistics.deallocations == deallocations)
    #expect(statistics.allocations - statistics.deallocations == live.count)
    #expect(statistics.largestFreeRun <= statistics.freeBytes)
    #expect(statistics.freeBytes + bytesInUse <= wholeFreeBytes)
  }

  func deallocateAll() throws {
    while !live.isEmpty { try deallocate(live.count - 1) }
    expectStatisticsMatch()
    #expect(heap.statistics.isEmptyAndWhole)
    #expect(heap.statistics.freeBytes == wholeFreeBytes)
  }

  private func adopt(_ block: Live) {
    var block = block
    let usable = try? heap.usableSize(of: block.pointer)
    block.capacity = (try? heap.capacity(of: block.pointer)) ?? -1
    #expect(usable == (heap.checksOverruns ? block.size : block.capacity))
    #expect(block.size <= block.capacity)
    for granule in granules(block) {
      if owned[granule] { Issue.record("blocks overlap") }
      owned[granule] = true
    }
    forEachProbe(block.size) { offset in
      block.pointer.storeBytes(of: CheckedHeap.content(block.seed, offset), toByteOffset: offset, as: UInt8.self)
    }
    live.append(block)
    bytesInUse += block.capacity
    peak = max(peak, bytesInUse)
  }

  private func disown(_ block: Live) {
    for granule in granules(block) { owned[granule] = false }
    bytesInUse -= block.capacity
  }

  private func granules(_ block: Live) -> Range<Int> {
    let first = (block.pointer - heap.base) / SizeClass.granule
    return first..<first + block.capacity / SizeClass.granule
  }

  private func isIntact(_ block: Live, count: Int) -> Bool {
    var intact = true
    forEachProbe(block.size) { offset in
      if offset < count,
        block.pointer.load(fromByteOffset: offset, as: UInt8.self) != CheckedHeap.content(block.seed, offset)
      {
        intact = false
      }
    }
    return intact
  }

  private static func content(_ seed: UInt8, _ offset: Int) -> UInt8 { seed &+ UInt8(truncatingIfNeeded: offset) }

  /// All of a small block; of a large one both ends and samples at fixed offsets, which survive a change of size.
  private func forEachProbe(_ size: Int, _ body: (Int) -> Void) {
    for offset in 0..<min(size, 128) { body(offset) }
    for offset in stride(from: 128, to: size, by: 509) { body(offset) }
    if size > 0 { body(size - 1) }
  }
}

@Suite struct HeapModelTests {
  struct Setting: CustomTestStringConvertible {
    let size: Int
    var skew = 0
    let checksOverruns: Bool
    let seed: UInt64
    var testDescription: String { "\(size) bytes, skew \(skew), \(checksOverruns ? "checked" : "unchecked")" }
  }

  static let settings = [
    Setting(size: 64 << 10, checksOverruns: false, seed: 1),
    Setting(size: 64 << 10, skew: 4096, checksOverruns: true, seed: 2),
    Setting(size: 60 << 10, checksOverruns: false, seed: 3),
    Setting(size: (1 << 20) - 4096, skew: 12288, checksOverruns: false, seed: 4),
    Setting(size: 3_000_000, checksOverruns: true, seed: 5),
    Setting(size: (8 << 20) + 12288, skew: 8192, checksOverruns: false, seed: 6),
  ]

  /// 50,000 random operations in each of six regions. The heap runs full and is emptied several times.
  @Test(arguments: settings) func randomOperations(_ setting: Setting) throws {
    var random = SeededGenerator(seed: setting.seed)
    let checked = CheckedHeap(
      size: setting.size, skew: setting.skew, checksOverruns: setting.checksOverruns)
    var refusals = 0
    for step in 0..<50_000 {
      let seed = UInt8.random(in: 0...255, using: &random)
      // Phases of growing and of shrinking, so that the whole range between full and empty is visited.
      let growing = step / 2500 % 2 == 0
      switch Int.random(in: 0..<10, using: &random) {
      case 0..<(growing ? 6 : 3):
        let size = randomSize(setting.size, using: &random)
        let alignment =
          Int.random(in: 0..<8, using: &random) == 0 ? 1 << Int.random(in: 0...14, using: &random) : 16
        if !checked.allocate(size: size, alignment: alignment, seed: seed) { refusals += 1 }
      case 6..<8 where !checked.live.isEmpty:
        let index = Int.random(in: 0..<checked.live.count, using: &random)
        try checked.reallocate(index, size: randomSize(setting.size, using: &random), seed: seed)
      case _ where !checked.live.isEmpty:
        try checked.deallocate(Int.random(in: 0..<checked.live.count, using: &random))
      default:
        break
      }
      if step % 64 == 0 { checked.expectStatisticsMatch() }
      if step % 12_500 == 12_499 { try checked.deallocateAll() }
    }
    try checked.deallocateAll()
    #expect(refusals > 0, "the region was never full")
  }

  /// Mostly small, sometimes up to a sixteenth of the region.
  private func randomSize(_ regionSize: Int, using random: inout SeededGenerator) -> Int {
    switch Int.random(in: 0..<16, using: &random) {
    case 0..<10: Int.random(in: 0...300, using: &random)
    case 10..<13: Int.random(in: 300...2000, using: &random)
    default: Int.random(in: 2000...max(2000, regionSize / 16), using: &random)
    }
  }
}
