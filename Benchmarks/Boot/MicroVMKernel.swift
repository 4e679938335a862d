/// The least that `qemu-system-x86_64 -M microvm` boots: a PVH kernel (Xen's "x86/HVM direct boot ABI", start-of-day in
/// 32-bit protected mode without paging) whose two instructions end QEMU through its isa-debug-exit device.
enum MicroVMKernel {
  /// The port that `qemuDevice` listens at.
  private static let exitPort: UInt8 = 0xf4
  private static let exitValue: UInt8 = 0x10
  static let qemuDevice = "isa-debug-exit,iobase=0xf4,iosize=0x04"
  /// QEMU exits with the value written, doubled, and one (hw/misc/debugexit.c).
  static let qemuStatus = Int32(exitValue) << 1 | 1

  /// Where the kernel is loaded and entered.
  private static let address: UInt32 = 0x10_0000
  private static let headerSize: UInt32 = 52
  private static let programHeaderSize: UInt32 = 32

  private static let code: [UInt8] = [
    0xb0, exitValue,  // mov $exitValue, %al
    0xe6, exitPort,  // out %al, $exitPort
    0xfa, 0xf4,  // cli; hlt
    0xeb, 0xfc,  // jmp to the cli
  ]

  /// XEN_ELFNOTE_PHYS32_ENTRY (xen/include/public/elfnote.h), named "Xen": the entry's physical address.
  private static let note: [UInt8] = words(4, 4, 18) + [0x58, 0x65, 0x6e, 0] + words(address)

  /// An ELF file of 32 bits: header, a PT_LOAD, a PT_NOTE, the code, the note.
  static func image() -> [UInt8] {
    let codeOffset = headerSize + 2 * programHeaderSize
    let noteOffset = codeOffset + UInt32(code.count)
    // ELFCLASS32, ELFDATA2LSB, EV_CURRENT; ET_EXEC and EM_386 as one word; no sections.
    var image: [UInt8] = [0x7f, 0x45, 0x4c, 0x46, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]
    image += words(3 << 16 | 2, 1, address, headerSize, 0, 0)
    image += words(programHeaderSize << 16 | headerSize, 2, 0)
    // p_type, p_offset, p_vaddr, p_paddr, p_filesz, p_memsz, p_flags (PF_R | PF_X; PF_R), p_align
    image += words(1, codeOffset, address, address, UInt32(code.count), UInt32(code.count), 5, 4)
    image += words(4, noteOffset, 0, 0, UInt32(note.count), UInt32(note.count), 4, 4)
    return image + code + note
  }

  /// Little-endian words.
  private static func words(_ words: UInt32...) -> [UInt8] {
    words.flatMap { word in (0..<4).map { UInt8(truncatingIfNeeded: word >> (8 * $0)) } }
  }
}
