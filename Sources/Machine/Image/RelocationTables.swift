import CELF
import KVM
import MachineABI

/// Where an image's relocations lie, as its dynamic section states it (`PT_DYNAMIC`; System V ABI, chapter 5).
///
/// Two kinds are known: `DT_RELA` with R_X86_64_RELATIVE, and `DT_RELR`. A static image needs no other.
struct RelocationTables: Equatable {
  /// Entries of 24 bytes, within the file-backed bytes of one segment.
  private(set) var rela = Table()
  /// Words, within the file-backed bytes of one segment.
  private(set) var relr = Table()

  struct Table: Equatable {
    /// A link-time address.
    var address: UInt64 = 0
    /// In bytes, a multiple of an entry's size.
    var size: UInt64 = 0
  }

  init(_ headers: borrowing ImageHeaders, of image: borrowing ImageFile, in segments: [Segment]) throws(Refusal) {
    var dynamic: GElf_Phdr?
    for header in headers.program where header.p_type == UInt32(PT_DYNAMIC) {
      guard dynamic == nil else { throw Refusal("PT_DYNAMIC count", "2 or more", expected: "at most 1") }
      dynamic = header
    }
    guard let dynamic, dynamic.p_filesz > 0 else { return }
    try image.requireRange("PT_DYNAMIC p_offset, p_filesz", at: dynamic.p_offset, count: dynamic.p_filesz)
    guard dynamic.p_filesz <= ImageLimits.dynamicSize, dynamic.p_filesz % UInt64(MemoryLayout<Elf64_Dyn>.size) == 0
    else {
      throw Refusal(
        "PT_DYNAMIC p_filesz", dynamic.p_filesz,
        expected: "a multiple of \(MemoryLayout<Elf64_Dyn>.size) of at most \(ImageLimits.dynamicSize)")
    }
    var entries = DynamicEntries()
    if let bytes = headers.firstPage.slice(at: dynamic.p_offset, count: dynamic.p_filesz) {
      try entries.read(bytes)
    } else {
      let excerpt = try FileExcerpt(of: image.descriptor, at: dynamic.p_offset, count: Int(dynamic.p_filesz))
      guard excerpt.count == Int(dynamic.p_filesz) else { throw Refusal("PT_DYNAMIC: the file became shorter") }
      try entries.read(excerpt.bytes)
    }
    rela = try entries.rela.table("DT_RELA", entrySize: UInt64(MemoryLayout<Elf64_Rela>.size), in: segments)
    relr = try entries.relr.table("DT_RELR", entrySize: UInt64(MemoryLayout<Elf64_Relr>.size), in: segments)
  }
}

/// The entries of a dynamic section that a loader of static images has to know.
private struct DynamicEntries {
  var rela = TableEntries()
  var relr = TableEntries()

  /// Takes the entries up to `DT_NULL`, and refuses those that ask for more than is done here.
  mutating func read(_ bytes: UnsafeRawBufferPointer) throws(Refusal) {
    for offset in stride(from: 0, to: bytes.count, by: MemoryLayout<Elf64_Dyn>.size) {
      let tag = bytes.loadUnaligned(fromByteOffset: offset, as: Int64.self)
      let value = bytes.loadUnaligned(fromByteOffset: offset + 8, as: UInt64.self)
      switch tag {
      case Int64(DT_NULL): return
      case Int64(DT_RELA): try DynamicEntries.set(&rela.address, "DT_RELA", value)
      case Int64(DT_RELASZ): try DynamicEntries.set(&rela.size, "DT_RELASZ", value)
      case Int64(DT_RELAENT): try DynamicEntries.set(&rela.entrySize, "DT_RELAENT", value)
      case Int64(DT_RELR): try DynamicEntries.set(&relr.address, "DT_RELR", value)
      case Int64(DT_RELRSZ): try DynamicEntries.set(&relr.size, "DT_RELRSZ", value)
      case Int64(DT_RELRENT): try DynamicEntries.set(&relr.entrySize, "DT_RELRENT", value)
      case Int64(DT_NEEDED):
        throw Refusal("DT_NEEDED", value, expected: "none, as nothing is loaded beside the image")
      case Int64(DT_TEXTREL):
        throw Refusal("DT_TEXTREL", value, expected: "none, as text is never written")
      case Int64(DT_FLAGS) where value & UInt64(DF_TEXTREL) != 0:
        throw Refusal("DT_FLAGS", value, expected: "no DF_TEXTREL, as text is never written")
      case Int64(DT_REL):
        throw Refusal("DT_REL", value, expected: "none: \(DynamicEntries.known)")
      case Int64(DT_RELSZ) where value != 0:
        throw Refusal("DT_RELSZ", value, expected: "0: \(DynamicEntries.known)")
      case Int64(DT_PLTRELSZ) where value != 0:
        throw Refusal("DT_PLTRELSZ", value, expected: "0 (DT_JMPREL must be empty): \(DynamicEntries.known)")
      case DynamicEntries.androidRel, DynamicEntries.androidRela, DynamicEntries.androidRelr:
        throw Refusal(
          "dynamic tag", UInt64(bitPattern: tag), expected: "no Android relocations: \(DynamicEntries.known)")
      default: break
      }
    }
    throw Refusal("PT_DYNAMIC", "without an end", expected: "a DT_NULL entry")
  }

  private static let known = "relocations are DT_RELA and DT_RELR"
  // Android's packed relocations, which lld writes on request (LLVM, BinaryFormat/DynamicTags.def).
  private static let androidRel: Int64 = 0x6000_000f
  private static let androidRela: Int64 = 0x6000_0011
  private static let androidRelr: Int64 = 0x6fff_e000

  private static func set(_ field: inout UInt64?, _ tag: String, _ value: UInt64) throws(Refusal) {
    guard field == nil else { throw Refusal("\(tag) count", "2 or more", expected: "at most 1") }
    field = value
  }
}

/// The three entries that describe a relocation table.
private struct TableEntries {
  var address: UInt64?
  var size: UInt64?
  var entrySize: UInt64?

  func table(_ tag: String, entrySize expected: UInt64, in segments: [Segment]) throws(Refusal)
    -> RelocationTables.Table
  {
    guard let size, size > 0 else {
      // An address without a size names no relocations, but it is not what a linker writes.
      if size == nil, let address { throw Refusal(tag, address, expected: "\(tag)SZ beside it") }
      return RelocationTables.Table()
    }
    guard let address else { throw Refusal("\(tag)SZ", size, expected: "\(tag) beside it") }
    guard let entrySize, entrySize == expected else {
      throw Refusal("\(tag)ENT", entrySize.map { "\($0)" } ?? "missing", expected: "\(expected)")
    }
    guard size % expected == 0 else { throw Refusal("\(tag)SZ", size, expected: "a multiple of \(expected)") }
    guard segments.contains(where: { $0.holdsFileBytes(at: address, count: size) }) else {
      throw Refusal(
        tag, "\(address.hexadecimal) with \(tag)SZ \(size.hexadecimal)",
        expected: "to lie within the file bytes of one segment")
    }
    return RelocationTables.Table(address: address, size: size)
  }
}
