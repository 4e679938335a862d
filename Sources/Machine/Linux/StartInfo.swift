/// What a PVH guest finds at the address in its EBX (Xen, xen/include/public/arch-x86/hvm/start_info.h, version 1), with
/// the lists that it names behind it. All of it fits a page.
struct StartInfo {
  /// What a range of physical addresses is.
  enum MemoryKind: UInt32 {
    // XEN_HVM_MEMMAP_TYPE_RAM, XEN_HVM_MEMMAP_TYPE_RESERVED: the numbers of E820.
    case memory = 1
    case reserved = 2
  }

  struct MemoryRange: Equatable {
    let range: Range<UInt64>
    let kind: MemoryKind

    init(_ range: Range<UInt64>, _ kind: MemoryKind) {
      self.range = range
      self.kind = kind
    }
  }

  /// A string's address.
  let commandLine: UInt64
  /// The address of ACPI's root pointer.
  let rootPointer: UInt64
  /// Empty if there is none.
  let initrd: Range<UInt64>
  let memory: [MemoryRange]

  static let magic: UInt32 = 0x336e_c578
  /// The first with a memory map.
  static let version: UInt32 = 1
  // Sizes of struct hvm_start_info, hvm_modlist_entry, hvm_memmap_table_entry.
  static let size = 56
  static let moduleSize = 32
  static let memoryRangeSize = 24

  /// The bytes, as they are to be at an address.
  func bytes(at address: UInt64) -> [UInt8] {
    let modules = address + UInt64(Self.size)
    let moduleCount = initrd.isEmpty ? 0 : 1
    let ranges = modules + UInt64(moduleCount * Self.moduleSize)
    var bytes: [UInt8] = []
    func append(_ value: some FixedWidthInteger) {
      withUnsafeBytes(of: value.littleEndian) { bytes += $0 }
    }
    append(Self.magic)
    append(Self.version)
    append(UInt32(0))  // flags
    append(UInt32(moduleCount))
    append(moduleCount > 0 ? modules : 0)
    append(commandLine)
    append(rootPointer)
    append(ranges)
    append(UInt32(memory.count))
    append(UInt32(0))  // reserved
    if moduleCount > 0 {
      append(initrd.lowerBound)
      append(UInt64(initrd.count))
      append(UInt64(0))  // no command line of its own
      append(UInt64(0))  // reserved
    }
    for entry in memory {
      append(entry.range.lowerBound)
      append(UInt64(entry.range.count))
      append(entry.kind.rawValue)
      append(UInt32(0))  // reserved
    }
    return bytes
  }
}
