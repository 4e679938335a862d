import CPVHBoot
import Testing

/// What the loader says, and where everything goes.
@Suite struct StartTests {
  private func check(_ change: (inout pvh_start_info) -> Void) -> String? {
    var start = pvh_start_info()
    start.magic = UInt32(PVH_START_MAGIC)
    start.version = 1
    start.memory_map = 0x7000
    start.memory_map_count = 3
    start.command_line = 0x20000
    change(&start)
    let (isGood, problem) = withProblem { pvh_check_start(&start, $0) }
    return isGood ? nil : problem
  }

  @Test func startInformation() {
    #expect(check { _ in } == nil)
    #expect(check { $0.command_line = 0 } == nil)
    #expect(check { $0.version = 2 } == nil)
    #expect(check { $0.magic = 0x1234 }?.hasPrefix("start information 0x1234, ") == true)
    #expect(check { $0.version = 0 }?.contains("version 0") == true)
    #expect(check { $0.module_count = 1 }?.contains("with 1 modules") == true)
    #expect(check { $0.memory_map = 0 } != nil)
    #expect(check { $0.memory_map = .max } != nil)
    #expect(check { $0.memory_map_count = .max } != nil)
    #expect(check { $0.command_line = 0xffff_ffff } != nil)
  }

  private static let image: ClosedRange<UInt64> = 0x200000...0x220000

  private func memoryEnd(_ ranges: [(UInt64, UInt64, UInt32)], limit: UInt64 = 0xfec0_0000) -> UInt64 {
    let map = ranges.map { pvh_memory_range(start: $0.0, size: $0.1, type: $0.2, reserved: 0) }
    return pvh_memory_end(map, UInt32(map.count), Self.image.lowerBound, Self.image.upperBound, limit)
  }

  @Test func memoryBeginsWithTheImage() {
    let low: (UInt64, UInt64, UInt32) = (0, 0x9fc00, 1)
    #expect(memoryEnd([low, (0x100000, 0x7f00000, 1)]) == 0x8000000)
    #expect(memoryEnd([(0x100000, 0x7f00000, 1), low]) == 0x8000000)
    // Whole pages.
    #expect(memoryEnd([low, (0x100000, 0x7f00fff, 1)]) == 0x8000000)
    // What is reserved ends it, in whatever order it is told, and whether or not it is said to be usable too.
    #expect(memoryEnd([(0x100000, 0x7f00000, 1), (0x7000000, 0x1000, 2)]) == 0x7000000)
    #expect(memoryEnd([(0x7000000, 0x1000, 2), (0x100000, 0x7f00000, 1)]) == 0x7000000)
    // What is below the image does not matter.
    #expect(memoryEnd([(0xa0000, 0x60000, 2), (0x100000, 0x7f00000, 1)]) == 0x8000000)
    #expect(memoryEnd([(0x100000, 0x7f00000, 1), (0x5000000, 0, 2)]) == 0x8000000)
  }

  @Test func memoryThatIsNoneOrLies() {
    #expect(memoryEnd([]) == 0)
    #expect(memoryEnd([(0, 0x9fc00, 1)]) == 0)
    #expect(memoryEnd([(0x201000, 0x7f00000, 1)]) == 0)
    #expect(memoryEnd([(0x100000, 0x110000, 1)]) == 0)
    #expect(memoryEnd([(0x100000, 0x7f00000, 1), (0x210000, 0x1000, 2)]) == 0)
    #expect(memoryEnd([(0x100000, .max, 1)]) == 0xfec0_0000)
    #expect(memoryEnd([(0x100000, .max, 1), (.max, .max, 2)]) == 0xfec0_0000)
    #expect(memoryEnd([(0x100000, .max, 1), (0x300000, .max, 2)]) == 0x300000)
  }

  private func layOut(_ change: (inout pvh_demands) -> Void = { _ in }) -> (pvh_layout?, String) {
    var demands = pvh_demands(
      memory_start: 0x200000, memory_end: 0x8000000, image_end: 0x220000, stack_size: 0x40000,
      minimum_memory: 0x200000, thread_locals_size: 100, thread_locals_alignment: 32, boot_info_size: 500,
      device_count: 2)
    change(&demands)
    var layout = pvh_layout()
    let (isGood, problem) = withProblem { pvh_lay_out(&demands, &layout, $0) }
    return (isGood ? layout : nil, problem)
  }

  @Test func layoutHasEverythingInOrder() throws {
    let layout = try #require(layOut().0)
    #expect(layout.page_tables == 0x220000)
    #expect(layout.stack_base >= layout.page_tables + layout.page_table_count * 4096 + 0x10000)
    #expect(layout.stack_top - layout.stack_base >= 0x40000 && layout.stack_top % 16 == 0)
    #expect(layout.thread_locals >= layout.stack_top && layout.thread_locals % 32 == 0)
    #expect(layout.thread_control_block == layout.thread_locals + 128 && layout.thread_control_block % 64 == 0)
    #expect(layout.shared_page >= layout.thread_control_block + 64)
    #expect(layout.boot_info == layout.shared_page + 4096)
    #expect(layout.heap == layout.boot_info + 4096 && layout.end == 0x8000000)
    for address in [layout.page_tables, layout.stack_base, layout.shared_page, layout.heap] {
      #expect(address % 4096 == 0)
    }
  }

  @Test func tooLittleMemory() throws {
    let (_, problem) = layOut { $0.memory_end = 0x240000 }
    #expect(problem.hasPrefix("memory size is 2304K; expected at least "))
    // As much as it asks for is enough.
    let needed = try #require(problem.split(separator: " ")[7].dropLast().wholeNumber)
    #expect(layOut { $0.memory_end = needed << 10 }.0 != nil)
    #expect(layOut { $0.memory_end = (needed << 10) - 4096 }.0 == nil)
    #expect(layOut { $0.minimum_memory = 1 << 40 }.1.hasSuffix("expected at least 1073743872K for this image"))
    #expect(layOut { $0.memory_end = 0 }.0 == nil)
  }
}

extension Substring {
  fileprivate var wholeNumber: UInt64? { UInt64(self) }
}

/// The tables that the processor walks.
@Suite struct PageTableTests {
  private final class Tables {
    let memory = UnsafeMutablePointer<UInt64>.allocate(capacity: 16 * 512)
    var tables: pvh_page_tables

    init(capacity: UInt64 = 16) {
      memory.initialize(repeating: 0, count: 16 * 512)
      tables = pvh_page_tables(tables: memory, address: 0x40_0000, capacity: capacity, count: 1)
    }
    deinit { memory.deallocate() }

    /// What the processor finds: the entry that maps an address, and whether it is a large page's.
    func entry(_ address: UInt64) -> (UInt64, isLarge: Bool)? {
      var table: UInt64 = 0x40_0000
      for level in (0..<4).reversed() {
        let entry = memory[Int((table - 0x40_0000) / 8 + address >> (12 + 9 * UInt64(level)) & 511)]
        guard entry & 1 != 0 else { return nil }
        if level == 0 || entry & 0x80 != 0 { return (entry, level == 1) }
        table = entry & 0xf_ffff_ffff_f000
      }
      return nil
    }
  }

  private static let writable = UInt64(PVH_PAGE_WRITABLE) | UInt64(PVH_PAGE_USER) | PVH_PAGE_NO_EXECUTE

  @Test func pagesMapToThemselves() throws {
    let tables = Tables()
    pvh_map(&tables.tables, 0x200000, 0x203000, UInt64(PVH_PAGE_USER))
    pvh_map(&tables.tables, 0x3f_f000, 0x80_1000, Self.writable)
    pvh_map(&tables.tables, 0xfee0_0000, 0xfee0_1000, PVH_PAGE_NO_EXECUTE | UInt64(PVH_PAGE_WRITABLE))
    #expect(tables.tables.count <= tables.tables.capacity)
    #expect(tables.entry(0x20_2000)?.0 == 0x20_2065)
    #expect(tables.entry(0x20_3000) == nil && tables.entry(0x1f_f000) == nil && tables.entry(0) == nil)
    let large = try #require(tables.entry(0x40_0000))
    #expect(large.isLarge && large.0 == 0x8000_0000_0040_00e7)
    #expect(tables.entry(0x3f_f000)?.isLarge == false && tables.entry(0x80_0000)?.isLarge == false)
    #expect(tables.entry(0x80_1000) == nil)
    // For ring 0 alone.
    #expect(tables.entry(0xfee0_0000)?.0 == 0x8000_0000_fee0_0063)
  }

  @Test func whatIsMappedStays() {
    let tables = Tables()
    pvh_map(&tables.tables, 0x20_0000, 0x20_1000, UInt64(PVH_PAGE_USER))
    pvh_map(&tables.tables, 0x20_0000, 0x20_2000, Self.writable)
    #expect(tables.entry(0x20_0000)?.0 == 0x20_0065)
  }

  @Test func tooFewTables() {
    let tables = Tables(capacity: 3)
    pvh_map(&tables.tables, 0x20_0000, 0x20_1000, Self.writable)
    #expect(tables.tables.count > tables.tables.capacity)
    #expect(tables.entry(0x20_0000) == nil)
  }
}
