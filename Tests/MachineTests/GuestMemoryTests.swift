import Glibc
import MachineABI
import Testing

@testable import Machine

@Suite struct GuestMemoryTests {
  /// Flags of the mapping that an address is in, by /proc/self/smaps (proc(5)).
  private func flags(at address: UnsafeMutableRawPointer) throws -> [Substring] {
    let file = try #require(fopen("/proc/self/smaps", "r"))
    defer { fclose(file) }
    var isInside = false
    var line = [CChar](repeating: 0, count: 4096)
    while fgets(&line, Int32(line.count), file) != nil {
      let text = String(decoding: line.prefix { $0 != 0 && $0 != 0x0a }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
      let words = text.split(separator: " ")
      if let range = words.first?.split(separator: "-"), range.count == 2, let start = UInt(range[0], radix: 16),
        let end = UInt(range[1], radix: 16)
      {
        isInside = (start..<end).contains(UInt(bitPattern: address))
      }
      if isInside, words.first == "VmFlags:" { return Array(words.dropFirst()) }
    }
    return []
  }

  private static let hasHugePages = access("/sys/kernel/mm/transparent_hugepage", F_OK) == 0

  /// What a small program uses is in small pages, unless a disk works on it directly; the rest is in huge ones.
  @Test(.enabled(if: hasHugePages, "this kernel has no transparent huge pages"), arguments: [false, true])
  func hugePages(isForDirectAccess: Bool) throws {
    let layout = try MachineLayout(.init(memory: 64 << 20))
    let memory = try GuestMemory(layout, isForDirectAccess: isForDirectAccess)
    let start = try flags(at: memory.host(layout.heap + (128 << 10), count: 1)!)
    let far = try flags(at: memory.host(layout.heap + (8 << 20), count: 1)!)
    #expect(start.contains("hg") == isForDirectAccess)
    #expect(far.contains("hg"))
  }

  /// What a start touches of the heap is there before the guest asks for it: the first page of its tables, and its first blocks
  /// with the rest of the group of eight pages in which they begin and end.
  @Test(arguments: [0, 1, 2, 3], [2 << 20, 64 << 20] as [UInt64])
  func pagesGivenBeforehand(_ seed: UInt64, _ size: UInt64) throws {
    let layout = try MachineLayout(
      .init(memory: size, placement: .init(image: seed * 1234, memory: seed * 567)))
    let blocks = layout.heap + UInt64(HeapTables(regionSize: Int(layout.heapSize)).byteCount)
    for hasNetwork in [false, true] {
      let memory = try GuestMemory(layout, hasNetwork: hasNetwork)
      func isThere(_ address: UInt64) -> Bool {
        var state: UInt8 = 0
        let page = memory.host(address & ~4095, count: 4096)!
        return mincore(page, 4096, &state) == 0 && state & 1 != 0
      }
      let wanted: UInt64 = hasNetwork ? 20 : 2
      let first = max(blocks & ~0x7fff, layout.heap + 4096)
      let end = ((blocks + wanted << 12) & ~0x7fff) + 0x8000
      for page in stride(from: layout.sharedPage - 4096, through: layout.heap, by: 4096) { #expect(isThere(page)) }
      for page in stride(from: first, to: end, by: 4096) { #expect(isThere(page)) }
      for page in stride(from: layout.heap + 4096, to: first, by: 4096) { #expect(!isThere(page)) }
      #expect(!isThere(end) && !isThere(layout.memoryEnd - 1))
    }
  }

  @Test func smallMachinesHaveSmallPages() throws {
    let layout = try MachineLayout(.init(memory: 2 << 20))
    let memory = try GuestMemory(layout)
    let end = try flags(at: memory.host(layout.memoryEnd - 1, count: 1)!)
    #expect(!end.isEmpty && !end.contains("hg"))
    let last = memory.load(layout.memoryEnd - 8)
    #expect(last == 0)
  }

  /// A huge page of the guest's can be one of the host's.
  @Test(arguments: 0..<8 as Range<UInt64>) func liesAsInTheGuest(_ seed: UInt64) throws {
    let layout = try MachineLayout(.init(memory: 16 << 20, placement: .init(image: seed * 1234, memory: seed * 567)))
    let memory = try GuestMemory(layout)
    let hugePage: UInt64 = 2 << 20
    let host = UInt64(UInt(bitPattern: memory.slotMemory()))
    #expect(host % hugePage == layout.slot.lowerBound % hugePage)
  }
}
