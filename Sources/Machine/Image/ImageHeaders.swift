import CELF
import KVM
import MachineABI

/// The ELF header and the program headers, as the file states them; nothing but their places and encoding is checked.
struct ImageHeaders: ~Copyable {
  let file: GElf_Ehdr
  let program: [GElf_Phdr]
  /// The file's first page, or all of it if it is shorter.
  let firstPage: FileExcerpt

  /// Reads the headers of a 64-bit little-endian ELF file with libelf.
  ///
  /// The source of every rule is the System V ABI, chapters 4 and 5.
  init(of image: borrowing ImageFile) throws(Refusal) {
    let page = try FileExcerpt(of: image.descriptor, at: 0, count: pageSize)
    try ImageHeaders.checkIdentification(page.bytes)

    // libelf sees the first page alone: it would refuse a section table that lies beyond it, and no loader needs one.
    let header = page.mutableBytes.baseAddress!.assumingMemoryBound(to: Elf64_Ehdr.self)
    header.pointee.e_shoff = 0
    header.pointee.e_shnum = 0
    header.pointee.e_shstrndx = 0

    let elf = try ELFObject(page.mutableBytes)
    var fileHeader = GElf_Ehdr()
    guard gelf_getehdr(elf.handle, &fileHeader) != nil else { throw ELFObject.refusal("ELF header") }

    guard fileHeader.e_phentsize == MemoryLayout<Elf64_Phdr>.size else {
      throw Refusal("e_phentsize", "\(fileHeader.e_phentsize)", expected: "\(MemoryLayout<Elf64_Phdr>.size)")
    }
    let count = UInt64(fileHeader.e_phnum)
    guard count > 0, count <= ImageLimits.programHeaders else {
      throw Refusal("e_phnum", "\(count)", expected: "1 to \(ImageLimits.programHeaders)")
    }
    let tableSize = count * UInt64(MemoryLayout<Elf64_Phdr>.size)
    try image.requireRange("program header table (e_phoff, e_phnum)", at: fileHeader.e_phoff, count: tableSize)
    guard fileHeader.e_phoff >= MemoryLayout<Elf64_Ehdr>.size, fileHeader.e_phoff % 8 == 0,
      page.slice(at: fileHeader.e_phoff, count: tableSize) != nil
    else {
      throw Refusal(
        "e_phoff", fileHeader.e_phoff,
        expected: "a multiple of 8 that puts the table behind the header in the first page")
    }
    var headers: [GElf_Phdr] = []
    headers.reserveCapacity(Int(count))
    for index in 0..<Int32(count) {
      var header = GElf_Phdr()
      guard gelf_getphdr(elf.handle, index, &header) != nil else {
        throw ELFObject.refusal("program header \(index)")
      }
      headers.append(header)
    }
    file = fileHeader
    program = headers
    firstPage = page
  }

  /// Checks what must be known before libelf may be asked.
  static func checkIdentification(_ bytes: UnsafeRawBufferPointer) throws(Refusal) {
    let magic: [UInt8] = [0x7f, 0x45, 0x4c, 0x46]
    for index in 0..<min(magic.count, bytes.count) where bytes[index] != magic[index] {
      var value: UInt64 = 0
      for byte in bytes.prefix(magic.count) { value = value << 8 | UInt64(byte) }
      throw Refusal("EI_MAG", value, expected: "0x7f454c46 (an ELF file)")
    }
    guard bytes.count >= MemoryLayout<Elf64_Ehdr>.size else {
      throw Refusal(
        "file size", "\(bytes.count)", expected: "at least \(MemoryLayout<Elf64_Ehdr>.size), the ELF header's")
    }
    let fileClass = bytes[Int(EI_CLASS)]
    guard fileClass == ELFCLASS64 else {
      let name = fileClass == ELFCLASS32 ? " (32-bit)" : ""
      throw Refusal("EI_CLASS", "\(fileClass)\(name)", expected: "\(ELFCLASS64) (64-bit)")
    }
    let encoding = bytes[Int(EI_DATA)]
    guard encoding == ELFDATA2LSB else {
      let name = encoding == ELFDATA2MSB ? " (big-endian)" : ""
      throw Refusal("EI_DATA", "\(encoding)\(name)", expected: "\(ELFDATA2LSB) (little-endian)")
    }
    let version = bytes[Int(EI_VERSION)]
    guard version == EV_CURRENT else { throw Refusal("EI_VERSION", "\(version)", expected: "\(EV_CURRENT)") }
  }

  /// Throws unless the ELF header is an x86-64 executable's.
  func checkFileHeader() throws(Refusal) {
    guard file.e_machine == EM_X86_64 else {
      throw Refusal("e_machine", "\(file.e_machine)", expected: "\(EM_X86_64) (EM_X86_64)")
    }
    guard file.e_version == EV_CURRENT else {
      throw Refusal("e_version", "\(file.e_version)", expected: "\(EV_CURRENT)")
    }
    guard file.e_type == ET_EXEC || file.e_type == ET_DYN else {
      throw Refusal("e_type", file.typeName, expected: "ET_EXEC or ET_DYN (a linked executable)")
    }
  }
}

extension GElf_Ehdr {
  var typeName: String {
    switch Int32(e_type) {
    case ET_NONE: "ET_NONE"
    case ET_REL: "ET_REL"
    case ET_EXEC: "ET_EXEC"
    case ET_DYN: "ET_DYN"
    case ET_CORE: "ET_CORE"
    default: UInt64(e_type).hexadecimal
    }
  }
}
