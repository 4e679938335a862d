import CFirstMemory
import FirstMemoryFixtures
import Glibc
import Testing

/// The memory is there once in a process and is never given back, so all is one test, in an order.
@Test func firstMemory() async {
  // Apart from each other, aligned, and as long as they should be.
  var blocks = (1...100).map { (block: __wrap_malloc($0)!, byteCount: $0) }
  for (block, byteCount) in blocks {
    #expect(UInt(bitPattern: block) % 16 == 0)
    memset(block, Int32(byteCount), byteCount)
  }
  for (block, byteCount) in blocks { expect(block, byteCount, UInt8(byteCount)) }
  #expect(real_blocks_given() == 0)

  // Freed ones do not come again, and are not libc's.
  for (block, _) in blocks { __wrap_free(block) }
  __wrap_free(nil)
  let zeros = __wrap_calloc(25, 4)!
  expect(zeros, 100, 0)
  #expect(!blocks.contains { $0.block == zeros })
  #expect(real_blocks_freed() == 0)

  // Longer and shorter.
  memset(zeros, 7, 100)
  let longer = __wrap_realloc(zeros, 200)!
  expect(longer, 100, 7)
  #expect(__wrap_realloc(longer, 10) == longer)
  #expect(__wrap_realloc(nil, 10) != nil)
  #expect(real_blocks_given() == 0)

  // What is too long, or wants more than the usual alignment, is libc's, and goes back there.
  let large = __wrap_malloc(1 << 20)!
  var aligned: UnsafeMutableRawPointer?
  #expect(__wrap_posix_memalign(&aligned, 4096, 64) == 0)
  let page = __wrap_aligned_alloc(4096, 4096)!
  #expect(UInt(bitPattern: aligned) % 4096 == 0 && UInt(bitPattern: page) % 4096 == 0)
  #expect(__wrap_calloc(.max, 2) == nil)
  let moved = __wrap_realloc(longer, 1 << 20)!
  expect(moved, 100, 7)
  #expect(real_blocks_given() == 4)
  for block in [large, aligned!, page, moved] { __wrap_free(block) }
  #expect(real_blocks_freed() == 4)

  // From many threads, until there is no more of it and beyond.
  let taken = await withTaskGroup(of: [UInt].self) { group in
    for _ in 0..<8 {
      group.addTask { (0..<100).map { _ in UInt(bitPattern: __wrap_malloc(100)) } }
    }
    return await group.reduce(into: []) { $0 += $1 }
  }
  let sorted = taken.sorted()
  #expect(zip(sorted, sorted.dropFirst()).allSatisfy { $1 - $0 >= 100 })
  #expect(real_blocks_given() > 4 && real_blocks_given() < 4 + 800)
  blocks = taken.map { (UnsafeMutableRawPointer(bitPattern: $0)!, 100) }
  for (block, _) in blocks { __wrap_free(block) }
  #expect(real_blocks_freed() == real_blocks_given())
}

private func expect(_ block: UnsafeMutableRawPointer, _ byteCount: Int, _ value: UInt8) {
  #expect(UnsafeRawBufferPointer(start: block, count: byteCount).allSatisfy { $0 == value })
}
