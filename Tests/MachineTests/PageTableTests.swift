import CELF
import KVM
import MachineABI
import SeededRandom
import Testing

@testable import Machine

/// What the guest's page tables map, as the processor would see it.
@Suite struct PageTableTests {
  /// Addresses with the same rights.
  private struct Run: Equatable, CustomStringConvertible {
    var range: Range<UInt64>
    var rights: PageTableWalker.Rights

    var description: String {
      "0x\(String(range.lowerBound, radix: 16))..<0x\(String(range.upperBound, radix: 16)) "
        + (rights.isUser ? "u" : "s") + (rights.isWritable ? "w" : "-") + (rights.isExecutable ? "x" : "-")
    }
  }

  /// What must be mapped and nothing else, by docs/boot-contract.md, "Memory".
  private func expectedRuns(_ layout: MachineLayout, _ image: borrowing Image) -> [Run] {
    func run(_ start: UInt64, _ end: UInt64, user: Bool = true, write: Bool = false, execute: Bool = false) -> Run {
      Run(range: start..<end, rights: .init(isUser: user, isWritable: write, isExecutable: execute))
    }
    var runs = [run(layout.deviceRegisters, layout.controlPage + 4096, write: true)]
    for segment in image.segments {
      runs.append(
        run(
          segment.address &+ layout.imageBias, segment.pageEnd &+ layout.imageBias, user: !segment.isSupervisor,
          write: segment.protection.isWritable, execute: segment.protection.isExecutable))
    }
    runs += [
      run(layout.stackBase, layout.bootInfo, write: true),
      run(layout.bootInfo, layout.systemPage),
      run(layout.systemPage, layout.pageTables, user: false, write: true),
      run(layout.heap, layout.memoryEnd, write: true),
    ]
    return coalesced(runs)
  }

  private func coalesced(_ runs: [Run]) -> [Run] {
    var result: [Run] = []
    for run in runs {
      if let last = result.last, last.range.upperBound == run.range.lowerBound, last.rights == run.rights {
        result[result.count - 1].range = last.range.lowerBound..<run.range.upperBound
      } else {
        result.append(run)
      }
    }
    return result
  }

  /// Builds a machine's tables and reads them.
  private func walk(_ image: borrowing Image, _ layout: MachineLayout) throws -> PageTableWalker {
    let memory = try GuestMemory(layout)
    Machine.writeTables(image, to: memory, layout, ImagePlacement(image, layout))
    let tables = UnsafeRawPointer(memory.host(layout.pageTables, count: layout.pageTableCount * pageSize)!)
    let range = layout.pageTables..<layout.heap
    return PageTableWalker(root: layout.pageTables) { address in
      range.contains(address) ? tables + Int(address - range.lowerBound) : nil
    }
  }

  private func check(_ image: borrowing Image, _ demands: MachineLayout.Demands, usesEveryTable: Bool = true) throws {
    let layout = try MachineLayout(demands)
    let walker = try walk(image, layout)
    #expect(walker.faults.isEmpty, "\(walker.faults.first!)")
    #expect(!walker.pages.contains { $0.linear != $0.physical })
    #expect(!walker.pages.contains { $0.rights.isWritable && $0.rights.isExecutable })

    let runs = coalesced(walker.pages.map { Run(range: $0.linear..<$0.linear + $0.size, rights: $0.rights) })
    let expected = expectedRuns(layout, image)
    #expect(runs == expected)

    // What follows from the above, said once more in the contract's own words.
    #expect(walker.page(at: 0) == nil)
    #expect(walker.page(at: layout.stackBase - 1) == nil)
    #expect(walker.page(at: layout.stackBase - (1 << 20)) == nil)
    #expect(walker.page(at: layout.memoryEnd) == nil)
    #expect(walker.page(at: layout.stackBase)?.rights.isWritable == true)
    #expect(walker.page(at: layout.bootInfo)?.rights == .init(isUser: true, isWritable: false, isExecutable: false))
    #expect(walker.page(at: layout.systemPage)?.rights.isUser == false)
    for table in walker.tables { #expect(walker.page(at: table) == nil) }

    if usesEveryTable {
      #expect(walker.tables.count == layout.pageTableCount)
    } else {
      #expect(walker.tables.count <= layout.pageTableCount)
    }
    // Every whole large page of the heap is one, and nothing else is.
    let large = UInt64(2 << 20)
    let firstLarge = (layout.heap + large - 1) / large, endOfLarge = layout.memoryEnd / large
    let largePages = walker.pages.filter { $0.size == large }
    #expect(largePages.count == (endOfLarge > firstLarge ? Int(endOfLarge - firstLarge) : 0))
    #expect(largePages.allSatisfy { $0.linear >= layout.heap })
  }

  private func demands(for image: borrowing Image, memory: UInt64) -> MachineLayout.Demands {
    MachineLayout.Demands(
      linkBase: image.base, imageSize: image.size, imageWritableSize: ImagePlacement.writableSize(image), memory: memory
    )
  }

  @Test(
    arguments: [
      2 << 20, 2 << 20 | 4096, 4 << 20, 4 << 20 | 4096, 64 << 20, (64 << 20) - 4096, 1 << 30, 1 << 30 | 12288, 3 << 30,
      (16 << 30) - 4096, 16 << 30,
    ] as [UInt64])
  func sizesAtTheirFixedPlace(memory: UInt64) throws {
    let file = try TemporaryFile(ImageBuilder().bytes)
    let image = try Image(opening: file.path)
    try check(image, demands(for: image, memory: memory))
  }

  @Test(arguments: [0, 1, .max] as [UInt64], [0, 1, .max] as [UInt64])
  func extremesOfEntropy(imageEntropy: UInt64, memoryEntropy: UInt64) throws {
    let file = try TemporaryFile(ImageBuilder().bytes)
    let image = try Image(opening: file.path)
    var demands = demands(for: image, memory: 16 << 30)
    demands.placement = .init(image: imageEntropy, memory: memoryEntropy)
    try check(image, demands)
  }

  @Test func threeThousandRandomMachines() throws {
    let file = try TemporaryFile(ImageBuilder().bytes)
    let image = try Image(opening: file.path)
    var generator = SeededGenerator(seed: 0x7461_626c_6573)
    for _ in 0..<3000 {
      let demands = MachineLayout.Demands.random(
        linkBase: image.base, imageSize: image.size, imageWritableSize: ImagePlacement.writableSize(image),
        memory: 3 << 20...40 << 20, using: &generator)
      try check(image, demands)
    }
  }

  /// Data that reaches over many page tables, at addresses that are aligned to nothing but a page.
  @Test func imagesOfManyTables() throws {
    var builder = ImageBuilder()
    builder.programHeaders[ImageBuilder.Index.data].p_memsz = 37 << 20
    let file = try TemporaryFile(builder.bytes)
    let image = try Image(opening: file.path)
    var generator = SeededGenerator(seed: 0x696d_6167_65)
    for _ in 0..<30 {
      let demands = MachineLayout.Demands.random(
        linkBase: image.base, imageSize: image.size, imageWritableSize: ImagePlacement.writableSize(image),
        memory: 48 << 20...64 << 20, using: &generator)
      try check(image, demands)
    }
  }

  /// The largest span there can be, nearly all of it a hole: tables are counted for the hole too.
  @Test func imageOfAGibibyte() throws {
    var builder = ImageBuilder()
    let address = ImageBuilder.base + ImageLimits.span - 0x3000
    builder.programHeaders[ImageBuilder.Index.data].p_vaddr = address
    builder.programHeaders[ImageBuilder.Index.data].p_paddr = address
    builder.useRelr([])
    let file = try TemporaryFile(builder.bytes)
    let image = try Image(opening: file.path)
    try #require(image.size == ImageLimits.span)
    var demands = demands(for: image, memory: 64 << 20)
    try check(image, demands, usesEveryTable: false)
    demands.placement = .init(image: .max, memory: .max)
    try check(image, demands, usesEveryTable: false)
  }
}

/// The builder by itself.
@Suite struct PageTableBuilderTests {
  @Test(arguments: [
    // Unaligned, twice the same page, writable and executable, more tables than there is room for.
    0, 1, 2, 3,
  ])
  func misuseEndsTheProcess(_ kind: Int) async {
    await #expect(processExitsWith: .failure) { [kind] in
      let tables = UnsafeMutableRawPointer.allocate(byteCount: 4 * 4096, alignment: 4096)
      clear(tables, 4 * 4096)
      var builder = PageTableBuilder(tables: tables, guestAddress: 1 << 30, capacity: kind == 3 ? 3 : 4)
      switch kind {
      case 0: builder.map(0x1000..<0x1800, .init())
      case 1:
        builder.map(0x1000..<0x3000, .init())
        builder.map(0x2000..<0x3000, .init())
      case 2: builder.map(0x1000..<0x2000, .init(isWritable: true, isExecutable: true))
      default: builder.map(0x1000..<0x2000, .init())
      }
    }
  }

  @Test func smallestTree() {
    let tables = UnsafeMutableRawPointer.allocate(byteCount: 4 * 4096, alignment: 4096)
    defer { tables.deallocate() }
    clear(tables, 4 * 4096)
    var builder = PageTableBuilder(tables: tables, guestAddress: 1 << 30, capacity: 4)
    #expect(builder.count == 1)
    builder.map(0x1000..<0x2000, .init(isExecutable: true, isSupervisor: true))
    #expect(builder.count == 4)
    #expect(builder.root == 1 << 30)
    let words = tables.assumingMemoryBound(to: UInt64.self)
    // Intel SDM volume 3, tables 4-15, 4-17, 4-19, 4-20, by hand: present, writable, user, accessed; and for the page:
    // present, accessed, dirty.
    #expect(words[0] == 0x4000_1027)
    #expect(words[512] == 0x4000_2027)
    #expect(words[1024] == 0x4000_3027)
    #expect(words[1536 + 1] == 0x1061)
  }
}

private func clear(_ memory: UnsafeMutableRawPointer, _ count: Int) {
  memory.initializeMemory(as: UInt8.self, repeating: 0, count: count)
}
