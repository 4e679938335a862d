import LayoutFixtures
import MachineABI
import Testing

/// The boot contract's layouts: as docs/boot-contract.md prints them, as Swift has them, and as C has them.
///
/// Whoever changes a number here changes the contract: images that are built already keep the old one, so
/// `NEEDLETAIL_CONTRACT_VERSION` goes up with it.
@Suite struct LayoutTests {
  /// A structure of the contract, version 1.
  struct Structure: Sendable, CustomTestStringConvertible {
    let name: String
    let size: Int
    let alignment: Int
    let fields: [Field]
    /// What Swift says: size, stride, alignment.
    let measured: [Int]

    init<Value>(_ name: String, _: Value.Type, size: Int, alignment: Int, _ fields: [Field]) {
      self.name = name
      self.size = size
      self.alignment = alignment
      self.fields = fields
      measured = [MemoryLayout<Value>.size, MemoryLayout<Value>.stride, MemoryLayout<Value>.alignment]
    }

    var testDescription: String { name }
  }

  struct Field: Sendable, Equatable {
    let name: String
    let offset: Int
    let size: Int
    /// Where Swift has it, and how large it is there.
    let measuredOffset: Int?
    let measuredSize: Int

    init<Root, Value>(_ name: String, _ path: KeyPath<Root, Value>, at offset: Int, size: Int) {
      self.name = name
      self.offset = offset
      self.size = size
      measuredOffset = MemoryLayout<Root>.offset(of: path)
      measuredSize = MemoryLayout<Value>.size
    }
  }

  static let structures = [
    Structure(
      "needletail_image_note", ImageNote.self, size: 32, alignment: 8,
      [
        Field("contract_version", \ImageNote.contract_version, at: 0, size: 4),
        Field("flags", \ImageNote.flags, at: 4, size: 4),
        Field("trap_table", \ImageNote.trap_table, at: 8, size: 8),
        Field("minimum_memory", \ImageNote.minimum_memory, at: 16, size: 8),
        Field("stack_size", \ImageNote.stack_size, at: 24, size: 8),
      ]),
    Structure(
      "needletail_clock", ClockPage.self, size: 32, alignment: 8,
      [
        Field("version", \ClockPage.version, at: 0, size: 4),
        Field("pad0", \ClockPage.pad0, at: 4, size: 4),
        Field("tsc_timestamp", \ClockPage.tsc_timestamp, at: 8, size: 8),
        Field("system_time", \ClockPage.system_time, at: 16, size: 8),
        Field("tsc_to_system_mul", \ClockPage.tsc_to_system_mul, at: 24, size: 4),
        Field("tsc_shift", \ClockPage.tsc_shift, at: 28, size: 1),
        Field("flags", \ClockPage.flags, at: 29, size: 1),
        Field("pad", \ClockPage.pad, at: 30, size: 2),
      ]),
    Structure(
      "needletail_device", DeviceEntry.self, size: 56, alignment: 8,
      [
        Field("name", \DeviceEntry.name, at: 0, size: 32),
        Field("kind", \DeviceEntry.kind, at: 32, size: 4),
        Field("vector", \DeviceEntry.vector, at: 36, size: 4),
        Field("registers", \DeviceEntry.registers, at: 40, size: 8),
        Field("flags", \DeviceEntry.flags, at: 48, size: 4),
        Field("high_features", \DeviceEntry.high_features, at: 52, size: 4),
      ]),
    Structure(
      "needletail_device_declaration", DeviceDeclaration.self, size: 40, alignment: 4,
      [
        Field("kind", \DeviceDeclaration.kind, at: 0, size: 4),
        Field("flags", \DeviceDeclaration.flags, at: 4, size: 4),
        Field("name", \DeviceDeclaration.name, at: 8, size: 32),
      ]),
    Structure(
      "needletail_boot_info", BootInfo.self, size: 216, alignment: 8,
      [
        Field("magic", \BootInfo.magic, at: 0, size: 4),
        Field("version", \BootInfo.version, at: 4, size: 4),
        Field("size", \BootInfo.size, at: 8, size: 4),
        Field("device_count", \BootInfo.device_count, at: 12, size: 4),
        Field("devices", \BootInfo.devices, at: 16, size: 8),
        Field("image_base", \BootInfo.image_base, at: 24, size: 8),
        Field("image_size", \BootInfo.image_size, at: 32, size: 8),
        Field("heap_base", \BootInfo.heap_base, at: 40, size: 8),
        Field("heap_size", \BootInfo.heap_size, at: 48, size: 8),
        Field("stack_base", \BootInfo.stack_base, at: 56, size: 8),
        Field("stack_size", \BootInfo.stack_size, at: 64, size: 8),
        Field("memory_size", \BootInfo.memory_size, at: 72, size: 8),
        Field("control_page", \BootInfo.control_page, at: 80, size: 8),
        Field("shared_page", \BootInfo.shared_page, at: 88, size: 8),
        Field("clock", \BootInfo.clock, at: 96, size: 8),
        Field("tsc_khz", \BootInfo.tsc_khz, at: 104, size: 8),
        Field("wall_clock", \BootInfo.wall_clock, at: 112, size: 8),
        Field("stack_canary", \BootInfo.stack_canary, at: 120, size: 8),
        Field("seed", \BootInfo.seed, at: 128, size: 64),
        Field("arguments", \BootInfo.arguments, at: 192, size: 8),
        Field("arguments_size", \BootInfo.arguments_size, at: 200, size: 8),
        Field("argument_count", \BootInfo.argument_count, at: 208, size: 8),
      ]),
    Structure(
      "needletail_shared_page", SharedPage.self, size: 48, alignment: 8,
      [
        Field("milestones", \SharedPage.milestones, at: 0, size: 32),
        Field("console_length", \SharedPage.console_length, at: 32, size: 4),
        Field("panic_length", \SharedPage.panic_length, at: 36, size: 4),
        Field("posted_count", \SharedPage.posted_count, at: 40, size: 4),
        Field("reserved", \SharedPage.reserved, at: 44, size: 4),
      ]),
    Structure(
      "needletail_posted_write", PostedWrite.self, size: 8, alignment: 4,
      [
        Field("offset", \PostedWrite.offset, at: 0, size: 4),
        Field("value", \PostedWrite.value, at: 4, size: 4),
      ]),
  ]

  @Test func contractVersion() {
    #expect(NEEDLETAIL_CONTRACT_VERSION == 2)
  }

  @Test(arguments: structures) func swiftHasTheLayout(_ structure: Structure) {
    #expect(structure.measured == [structure.size, structure.size, structure.alignment])
    for field in structure.fields {
      #expect(field.measuredOffset == field.offset, "\(structure.name).\(field.name)")
      #expect(field.measuredSize == field.size, "\(structure.name).\(field.name)")
    }
  }

  @Test(arguments: structures) func cHasTheLayout(_ structure: Structure) throws {
    let inC = try #require(Self.structuresInC.first { String(cString: $0.name) == structure.name })
    #expect(inC.size == structure.size)
    #expect(inC.alignment == structure.alignment)
    let fields = Self.fieldsInC.filter { String(cString: $0.structure) == structure.name }
    #expect(fields.map { String(cString: $0.name) } == structure.fields.map(\.name))
    #expect(fields.map(\.offset) == structure.fields.map(\.offset))
    #expect(fields.map(\.size) == structure.fields.map(\.size))
  }

  /// Every byte belongs to a field, so that neither side leaves padding for the other to find.
  @Test(arguments: structures) func nothingIsPadding(_ structure: Structure) {
    var end = 0
    for field in structure.fields {
      #expect(field.offset == end, "\(structure.name).\(field.name)")
      end = field.offset + field.size
    }
    #expect(end == structure.size)
  }

  @Test func everyStructureIsHere() {
    #expect(Self.structuresInC.map { String(cString: $0.name) } == Self.structures.map(\.name))
  }

  @Test func constants() {
    #expect(NEEDLETAIL_NOTE_OWNER == "Needletail")
    #expect(NEEDLETAIL_NOTE_CONTRACT == 1)
    #expect(NEEDLETAIL_TRAP_STUB_SIZE == 16)
    #expect(NEEDLETAIL_TRAP_STUB_COUNT == 48)
    #expect(NEEDLETAIL_FIRST_INTERRUPT_VECTOR == 32)
    #expect(NEEDLETAIL_TIMER_VECTOR == 32)
    #expect(NEEDLETAIL_CONTROL_PAGE_DISTANCE == 4096)
    #expect(NEEDLETAIL_CONTROL_EXIT == 0)
    #expect(NEEDLETAIL_CONTROL_TRAP == 4)
    #expect(NEEDLETAIL_CONTROL_CONSOLE == 8)
    #expect(NEEDLETAIL_SHARED_PAGE_SIZE == 4096)
    #expect(NEEDLETAIL_MILESTONE_COUNT == 4)
    #expect(NEEDLETAIL_PANIC_MESSAGE_OFFSET == 48)
    #expect(NEEDLETAIL_PANIC_MESSAGE_SIZE == 464)
    #expect(NEEDLETAIL_CONSOLE_BUFFER_OFFSET == 768)
    #expect(NEEDLETAIL_CONSOLE_BUFFER_SIZE == 3328)
    #expect(NEEDLETAIL_SEED_WORDS == 8)
    #expect(pageSize == 4096)
  }

  /// The magic number reads "NDTL" in a dump of the page.
  @Test func magic() {
    let bytes = withUnsafeBytes(of: UInt32(NEEDLETAIL_BOOT_INFO_MAGIC).littleEndian) { Array($0) }
    #expect(String(decoding: bytes, as: UTF8.self) == "NDTL")
  }

  @Test func buffersOfTheSharedPage() {
    let memory = UnsafeMutableRawPointer.allocate(byteCount: 4096, alignment: 4096)
    defer { memory.deallocate() }
    let page = memory.assumingMemoryBound(to: SharedPage.self)
    #expect(UnsafeMutableRawPointer(needletail_shared_panic_message(page)) == memory + 48)
    #expect(UnsafeMutableRawPointer(needletail_shared_console(page)) == memory + 768)
  }

  private static var fieldsInC: [layout_field] {
    Array(
      sequence(state: 0) { index in
        defer { index += 1 }
        return layout_field_at(index)?.pointee
      })
  }

  private static var structuresInC: [layout_structure] {
    Array(
      sequence(state: 0) { index in
        defer { index += 1 }
        return layout_structure_at(index)?.pointee
      })
  }
}
