import CELF

/// Applies an image's relocations to the memory that it has been loaded into.
///
/// The memory may be a private mapping of a file that somebody changes meanwhile, and a table may lie in bytes that are
/// themselves relocated: each entry is read once, and checked before it is used.
struct Relocator {
  private let segments: [Segment]
  private let base: UInt64
  private let memory: UnsafeMutableRawBufferPointer
  private let bias: UInt64
  /// The segment of the last target; the next one is nearly always in the same.
  private var current: Segment
  /// How many words were relocated.
  private(set) var count: UInt64 = 0

  /// - Parameters:
  ///   - segments: of an image that was accepted; at least one.
  ///   - memory: the image's whole span.
  ///   - bias: what to add to link-time addresses, modulo 2^64.
  init(_ segments: [Segment], memory: UnsafeMutableRawBufferPointer, bias: UInt64) {
    self.segments = segments
    self.base = segments[0].address
    self.memory = memory
    self.bias = bias
    self.current = segments[0]
  }

  /// R_X86_64_RELATIVE: the word becomes `bias` plus the addend (x86-64 psABI, 4.4.1, "B + A").
  mutating func applyRela(_ table: RelocationTables.Table) throws(Refusal) {
    let entrySize = UInt64(MemoryLayout<Elf64_Rela>.size)
    try requireAtMostOnePerWord("DT_RELASZ", table.size / entrySize)
    var address = table.address
    for index in 0..<table.size / entrySize {
      let entry = memory.loadUnaligned(fromByteOffset: Int(address - base), as: Elf64_Rela.self)
      address += entrySize
      // ELF64_R_TYPE is the low half.
      switch entry.r_info & 0xffff_ffff {
      case UInt64(R_X86_64_NONE): continue
      case UInt64(R_X86_64_RELATIVE): break
      case let type:
        throw Refusal("DT_RELA entry \(index) type", "\(type)", expected: "\(R_X86_64_RELATIVE) (R_X86_64_RELATIVE)")
      }
      // ELF64_R_SYM is the high half; a relative relocation has no symbol.
      guard entry.r_info >> 32 == 0 else {
        throw Refusal("DT_RELA entry \(index) symbol", "\(entry.r_info >> 32)", expected: "0")
      }
      guard isTarget(entry.r_offset) else { throw Relocator.outside("DT_RELA entry \(index) r_offset", entry.r_offset) }
      memory.storeBytes(
        of: bias &+ UInt64(bitPattern: entry.r_addend), toByteOffset: Int(entry.r_offset - base), as: UInt64.self)
      count += 1
    }
  }

  /// An even word names an address; an odd one is a bitmap of the 63 words behind the last address or bitmap
  /// (generic ABI, "Relative Relocation Table").
  mutating func applyRelr(_ table: RelocationTables.Table) throws(Refusal) {
    let entrySize = UInt64(MemoryLayout<Elf64_Relr>.size)
    try requireAtMostOnePerWord("DT_RELRSZ", table.size / entrySize)
    var address = table.address
    var next: UInt64?
    for index in 0..<table.size / entrySize {
      let entry = memory.loadUnaligned(fromByteOffset: Int(address - base), as: UInt64.self)
      address += entrySize
      if entry & 1 == 0 {
        try add(to: entry, index)
        next = entry + 8
        continue
      }
      guard let start = next else {
        throw Refusal("DT_RELR entry \(index)", entry, expected: "an even word (an address) before the first bitmap")
      }
      var target = start
      var bits = entry >> 1
      while bits != 0 {
        if bits & 1 != 0 { try add(to: target, index) }
        bits >>= 1
        target += 8
      }
      // Cannot overflow: from a target below ImageLimits.addressEnd, at most ImageLimits.span / 8 bitmaps go on.
      next = start + 63 * 8
    }
  }

  private mutating func add(to target: UInt64, _ index: UInt64) throws(Refusal) {
    guard isTarget(target) else { throw Relocator.outside("DT_RELR entry \(index) target", target) }
    count += 1
    // An image at its link address is right as it stands; writing it would only copy its pages.
    guard bias != 0 else { return }
    let offset = Int(target - base)
    let value = memory.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
    memory.storeBytes(of: value &+ bias, toByteOffset: offset, as: UInt64.self)
  }

  /// Whether a relocation may write a word there: whole and in one segment that is never executed.
  private mutating func isTarget(_ address: UInt64) -> Bool {
    if !current.contains(address, count: 8) {
      guard let segment = segments.first(where: { $0.contains(address, count: 8) }) else { return false }
      current = segment
    }
    return !current.protection.isExecutable
  }

  /// Stops tables that write the same words again and again: no linker relocates a word twice.
  private func requireAtMostOnePerWord(_ field: String, _ entries: UInt64) throws(Refusal) {
    guard entries <= UInt64(memory.count) / 8 else {
      throw Refusal(field, "\(entries) entries", expected: "at most one per word of the image's \(memory.count) bytes")
    }
  }

  private static func outside(_ field: String, _ address: UInt64) -> Refusal {
    Refusal(field, address, expected: "8 bytes within a segment that is not executable")
  }
}
