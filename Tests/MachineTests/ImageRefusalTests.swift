import CELF
import MachineABI
import Testing

@testable import Machine

/// One case for every reason to refuse an image: a single field is wrong, and the message names it and its value.
@Suite struct ImageRefusalTests {
  typealias Place = ImageBuilder.Place
  typealias Index = ImageBuilder.Index
  static let base = ImageBuilder.base

  @Test("refused", arguments: fileHeader + programHeaders + segments + notes + devices + threadLocals + dynamic)
  func refused(_ refusal: ImageCase) throws {
    let file = try TemporaryFile(refusal.bytes)
    do throws(ImageError) {
      _ = try Image(opening: file.path)
      Issue.record("accepted")
    } catch {
      #expect(error.kind == .notAcceptable)
      #expect(error.path == file.path)
      #expect(error.description == "\(file.path): \(error.reason)")
      #expect(!error.description.contains("\n"))
      for part in refusal.message { #expect(error.reason.contains(part), "\(error.reason)") }
      let (report, isAcceptable, _) = inspection(of: file.path)
      #expect(!isAcceptable)
      #expect(report.hasSuffix("not acceptable: \(error.reason)\n"), "\(report)")
    }
  }

  /// Relocations are looked at where they are applied.
  @Test("relocation refused", arguments: relocations)
  func relocationRefused(_ refusal: ImageCase) throws {
    let file = try TemporaryFile(refusal.bytes)
    let image = try Image(opening: file.path)
    let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: Int(image.size), alignment: 4096)
    defer { memory.deallocate() }
    memory.initializeMemory(as: UInt8.self, repeating: 0)
    memory.copyBytes(from: refusal.bytes)
    do throws(ImageError) {
      try image.relocate(memory, bias: 0x1000)
      Issue.record("accepted")
    } catch {
      #expect(error.kind == .notAcceptable)
      for part in refusal.message { #expect(error.reason.contains(part), "\(error.reason)") }
      let (report, isAcceptable, _) = inspection(of: file.path)
      #expect(!isAcceptable)
      #expect(report.hasSuffix("not acceptable: \(error.reason)\n"), "\(report)")
    }
  }

  static let fileHeader: [ImageCase] = [
    ImageCase("not ELF", message: ["EI_MAG", "0x2321"]) { $0.patches = [(0, [0x23, 0x21])] },
    ImageCase("a wrong last magic byte", message: ["EI_MAG", "0x7f454c00"]) { $0.header.e_ident.3 = 0 },
    ImageCase("32-bit", message: ["EI_CLASS", "1 (32-bit)"]) { $0.header.e_ident.4 = UInt8(ELFCLASS32) },
    ImageCase("no class", message: ["EI_CLASS", "0"]) { $0.header.e_ident.4 = 0 },
    ImageCase("big-endian", message: ["EI_DATA", "2 (big-endian)"]) { $0.header.e_ident.5 = UInt8(ELFDATA2MSB) },
    ImageCase("no encoding", message: ["EI_DATA", "77"]) { $0.header.e_ident.5 = 77 },
    ImageCase("EI_VERSION", message: ["EI_VERSION", "9"]) { $0.header.e_ident.6 = 9 },
    ImageCase("e_version", message: ["e_version", "9"]) { $0.header.e_version = 9 },
    ImageCase("an object file", message: ["e_type", "ET_REL"]) { $0.header.e_type = UInt16(ET_REL) },
    ImageCase("a core dump", message: ["e_type", "ET_CORE"]) { $0.header.e_type = UInt16(ET_CORE) },
    ImageCase("an unknown type", message: ["e_type", "0xfe01"]) { $0.header.e_type = 0xfe01 },
    ImageCase("wrong machine", message: ["e_machine", "183"]) { $0.header.e_machine = UInt16(EM_AARCH64) },
    ImageCase("the entry in no segment", message: ["e_entry", "0x123"]) { $0.header.e_entry = 0x123 },
    ImageCase("the entry in data", message: ["e_entry", "0x204000"]) { $0.header.e_entry = base + Place.data },
    ImageCase("the entry behind the text", message: ["e_entry", "0x201100"]) {
      $0.header.e_entry = base + Place.text + 0x100
    },
    ImageCase("the entry at the end of everything", message: ["e_entry", "0xffffffffffffffff"]) {
      $0.header.e_entry = .max
    },
  ]

  static let programHeaders: [ImageCase] = [
    ImageCase("e_phentsize", message: ["e_phentsize", "32"]) { $0.header.e_phentsize = 32 },
    ImageCase("no program headers", message: ["e_phnum", "0"]) { $0.header.e_phnum = 0 },
    ImageCase("too many program headers", message: ["e_phnum", "65", "1 to 64"]) { $0.header.e_phnum = 65 },
    ImageCase("a program header count kept elsewhere", message: ["e_phnum", "65535"]) { $0.header.e_phnum = 0xffff },
    ImageCase("program headers behind the file", message: ["e_phoff", "0x1000000"]) { $0.header.e_phoff = 0x100_0000 },
    ImageCase("program headers that wrap", message: ["e_phoff", "0xffffffffffffffc0"]) {
      $0.header.e_phoff = UInt64.max - 0x3f
    },
    ImageCase("program headers over the header", message: ["e_phoff", "0x0"]) { $0.header.e_phoff = 0 },
    ImageCase("program headers behind the first page", message: ["e_phoff", "0x1000"]) { $0.header.e_phoff = 0x1000 },
    ImageCase("program headers unaligned", message: ["e_phoff", "0x41"]) { $0.header.e_phoff = 0x41 },
    ImageCase("an interpreter", message: ["PT_INTERP", "/lib64/ld-linux-x86-64.so.2"]) {
      let interpreter = Array("/lib64/ld-linux-x86-64.so.2".utf8) + [0]
      $0.programHeaders[Index.stack].p_type = UInt32(PT_INTERP)
      $0.programHeaders[Index.stack].p_offset = 0x700
      $0.programHeaders[Index.stack].p_filesz = UInt64(interpreter.count)
      $0.patches = [(0x700, interpreter)]
    },
    ImageCase("an interpreter that is nowhere", message: ["PT_INTERP", "present"]) {
      $0.programHeaders[Index.stack].p_type = UInt32(PT_INTERP)
      $0.programHeaders[Index.stack].p_offset = .max
      $0.programHeaders[Index.stack].p_filesz = 16
    },
    ImageCase("an interpreter of control characters", message: ["PT_INTERP", "present"]) {
      $0.programHeaders[Index.stack].p_type = UInt32(PT_INTERP)
      $0.programHeaders[Index.stack].p_offset = 0x700
      $0.programHeaders[Index.stack].p_filesz = 4
      $0.patches = [(0x700, [0x1b, 0x5b, 0x0a, 0])]
    },
    ImageCase("an executable stack", message: ["PT_GNU_STACK p_flags", "rwx"]) {
      $0.programHeaders[Index.stack].p_flags = UInt32(PF_R | PF_W | PF_X)
    },
    ImageCase("no PT_LOAD", message: ["PT_LOAD count", "0"]) {
      for index in Index.headers...Index.data { $0.programHeaders[index].p_type = UInt32(PT_NULL) }
    },
    ImageCase("only empty PT_LOADs", message: ["PT_LOAD count", "0"]) {
      for index in Index.headers...Index.data {
        $0.programHeaders[index].p_filesz = 0
        $0.programHeaders[index].p_memsz = 0
      }
    },
  ]

  static let segments: [ImageCase] = [
    ImageCase("p_filesz above p_memsz", message: ["header 4 p_filesz", "0x40", "0x3f"]) {
      $0.programHeaders[Index.data].p_memsz = 0x3f
    },
    ImageCase("p_filesz without p_memsz", message: ["header 4 p_filesz", "0x40", "0x0"]) {
      $0.programHeaders[Index.data].p_memsz = 0
    },
    ImageCase("bytes behind the file", message: ["header 4 p_offset, p_filesz", "0x41 bytes at 0x4000", "16448"]) {
      $0.programHeaders[Index.data].p_filesz = 0x41
    },
    ImageCase("an offset behind the file", message: ["header 4 p_offset", "0x1000000"]) {
      $0.programHeaders[Index.data].p_offset = 0x100_0000
    },
    ImageCase("an offset that wraps", message: ["header 4 p_offset", "0xfffffffffffff000"]) {
      $0.programHeaders[Index.data].p_offset = 0xffff_ffff_ffff_f000
    },
    ImageCase("p_offset unaligned", message: ["header 4 p_offset", "0x3ff0"]) {
      $0.programHeaders[Index.data].p_offset = 0x3ff0
    },
    ImageCase("p_vaddr unaligned", message: ["header 4 p_vaddr", "0x204008"]) {
      $0.programHeaders[Index.data].p_vaddr += 8
    },
    ImageCase("p_align below a page", message: ["header 4 p_align", "0x10"]) {
      $0.programHeaders[Index.data].p_align = 0x10
    },
    ImageCase("p_align of zero", message: ["header 4 p_align", "0x0"]) { $0.programHeaders[Index.data].p_align = 0 },
    ImageCase("p_align above a page in a movable image", message: ["header 4 p_align", "0x200000"]) {
      $0.programHeaders[Index.data].p_align = 0x20_0000
    },
    ImageCase("p_align that is no power of two", message: ["header 4 p_align", "0x3000"]) {
      $0.header.e_type = UInt16(ET_EXEC)
      $0.programHeaders[Index.data].p_align = 0x3000
    },
    ImageCase("overlapping", message: ["header 2 p_vaddr", "0x201000", "0x202000"]) {
      $0.programHeaders[Index.traps].p_vaddr = base + Place.text
    },
    ImageCase("overlapping in a page only", message: ["header 2 p_vaddr", "0x202000", "0x203000"]) {
      $0.programHeaders[Index.text].p_filesz = 0x1001
      $0.programHeaders[Index.text].p_memsz = 0x1001
    },
    ImageCase("descending", message: ["header 1 p_vaddr", "0x1ff000"]) {
      $0.programHeaders[Index.text].p_vaddr = base - 0x1000
    },
    ImageCase("an address that overflows", message: ["header 4 p_memsz", "0xfffffffffffff000"]) {
      $0.programHeaders[Index.data].p_vaddr = 0xffff_ffff_ffff_f000
    },
    ImageCase("a size that overflows", message: ["header 4 p_memsz", "0xffffffffffffffff"]) {
      $0.programHeaders[Index.data].p_memsz = .max
    },
    ImageCase("an end above all addresses", message: ["header 4 p_memsz", "0x7fffff000", "0x800000000"]) {
      $0.programHeaders[Index.data].p_vaddr = 0x7_ffff_f000
    },
    ImageCase("no file bytes and a huge p_memsz", message: ["header 4 p_memsz", "0x7f0000000", "0x40000000"]) {
      $0.programHeaders[Index.data].p_filesz = 0
      $0.programHeaders[Index.data].p_memsz = 0x7_f000_0000
    },
    ImageCase("a span of a page too much", message: ["header 4 p_memsz", "0x3fffc001", "0x40000000"]) {
      $0.programHeaders[Index.data].p_memsz = 0x3fff_c001
    },
    ImageCase("write and execute", message: ["header 4 p_flags", "rwx"]) {
      $0.programHeaders[Index.data].p_flags = UInt32(PF_R | PF_W | PF_X)
    },
    ImageCase("execute without read", message: ["header 1 p_flags", "--x"]) {
      $0.programHeaders[Index.text].p_flags = UInt32(PF_X)
    },
    ImageCase("no permissions", message: ["header 4 p_flags", "---"]) { $0.programHeaders[Index.data].p_flags = 0 },
    ImageCase("zeroes in a segment that is not writable", message: ["header 1 p_memsz", "0x101", "0x100"]) {
      $0.programHeaders[Index.text].p_memsz = 0x101
    },
    ImageCase("a fixed image that is too low", message: ["header 0 p_vaddr", "0xf000", "0x10000"]) {
      $0.header.e_type = UInt16(ET_EXEC)
      $0.programHeaders[Index.headers].p_vaddr = 0xf000
    },
  ]

  static let notes: [ImageCase] = [
    ImageCase("no PT_NOTE", message: ["Needletail note", "missing"]) {
      $0.programHeaders[Index.note].p_type = UInt32(PT_NULL)
    },
    ImageCase("no note of ours", message: ["Needletail note", "missing"]) {
      $0.hasNote = false
      $0.otherNotes = [ImageBuilder.encodedNote(owner: "GNU", type: 3, descriptor: [1, 2, 3])]
    },
    ImageCase("another type", message: ["Needletail note", "missing"]) {
      $0.patches = [(Place.notes + 8, [3])]
    },
    ImageCase("an owner without its terminator", message: ["Needletail note", "missing"]) {
      $0.patches = [(Place.notes + 12 + 10, [0x78])]
    },
    ImageCase("two notes", message: ["Needletail note count", "2"]) {
      $0.otherNotes = [
        ImageBuilder.encodedNote(owner: "Needletail", type: 1, descriptor: ImageBuilder.encoded($0.note))
      ]
    },
    ImageCase("a short descriptor", message: ["n_descsz", "28", "32"]) { $0.patches = [(Place.notes + 4, [28])] },
    ImageCase("an empty descriptor", message: ["n_descsz", "0", "32"]) {
      $0.hasNote = false
      $0.otherNotes = [ImageBuilder.encodedNote(owner: "Needletail", type: 1, descriptor: [])]
    },
    ImageCase("a long descriptor", message: ["n_descsz", "36", "32"]) {
      $0.hasNote = false
      $0.otherNotes = [
        ImageBuilder.encodedNote(owner: "Needletail", type: 1, descriptor: [UInt8](repeating: 0, count: 36))
      ]
    },
    ImageCase("a descriptor that runs over the end", message: ["PT_NOTE entry", "malformed at 0x0"]) {
      $0.patches = [(Place.notes + 4, [0xff, 0xff, 0xff, 0xff])]
    },
    ImageCase("a name that runs over the end", message: ["PT_NOTE entry", "malformed at 0x0"]) {
      $0.patches = [(Place.notes, [0xff, 0xff, 0xff, 0xff])]
    },
    ImageCase("a name that nearly wraps", message: ["PT_NOTE entry", "malformed at 0x0"]) {
      $0.patches = [(Place.notes, [0xfd, 0xff, 0xff, 0xff])]
    },
    ImageCase("half a note header", message: ["PT_NOTE entry", "malformed at 0x38"]) {
      $0.programHeaders[Index.note].p_filesz = 56 + 8
    },
    ImageCase("notes behind the file", message: ["PT_NOTE p_offset, p_filesz", "0x1000000"]) {
      $0.programHeaders[Index.note].p_offset = 0x100_0000
    },
    ImageCase("too large notes", message: ["PT_NOTE p_filesz", "0x4001", "0x4000"]) {
      $0.programHeaders[Index.note].p_offset = 0
      $0.programHeaders[Index.note].p_filesz = 0x4001
    },
    ImageCase("a newer contract", message: ["contract_version", "3", "2"]) { $0.note.contract_version = 3 },
    ImageCase("no contract", message: ["contract_version", "0", "2"]) { $0.note.contract_version = 0 },
    ImageCase("flags", message: ["flags", "0x80000000"]) { $0.note.flags = 0x8000_0000 },
    ImageCase("an unaligned trap table", message: ["trap_table", "0x2008", "16"]) { $0.note.trap_table = 0x2008 },
    ImageCase("a trap table in data", message: ["trap_table", "0x4000"]) { $0.note.trap_table = Place.data },
    ImageCase("a trap table that runs over its segment", message: ["trap_table", "0x2010", "768"]) {
      $0.note.trap_table = Place.traps + 16
    },
    ImageCase("a trap table outside the image", message: ["trap_table", "0x1000000"]) {
      $0.note.trap_table = 0x100_0000
    },
    ImageCase("a trap table that wraps", message: ["trap_table", "0xfffffffffffffff0"]) {
      $0.note.trap_table = UInt64.max - 15
    },
    ImageCase("the entry beside the trap table", message: ["trap_table", "0x2000", "entry"]) {
      $0.header.e_entry = base + Place.traps + 700
    },
    ImageCase("an unaligned stack", message: ["stack_size", "20481"]) { $0.note.stack_size = 20481 },
    ImageCase("a small stack", message: ["stack_size", "12288", "16384"]) { $0.note.stack_size = 12288 },
    ImageCase("no stack", message: ["stack_size", "0", "16384"]) { $0.note.stack_size = 0 },
    ImageCase("a huge stack", message: ["stack_size", "18446744073709547520"]) { $0.note.stack_size = .max - 4095 },
  ]

  static let threadLocals: [ImageCase] = [
    ImageCase("two PT_TLS", message: ["PT_TLS count", "2"]) {
      $0.programHeaders[Index.stack] = $0.programHeaders[Index.threadLocals]
    },
    ImageCase("PT_TLS p_filesz above p_memsz", message: ["PT_TLS p_filesz", "0x8", "0x7"]) {
      $0.programHeaders[Index.threadLocals].p_memsz = 7
    },
    ImageCase("a huge PT_TLS", message: ["PT_TLS p_memsz", "0x10001", "0x10000"]) {
      $0.programHeaders[Index.threadLocals].p_memsz = 0x10001
    },
    ImageCase("a PT_TLS alignment that is no power of two", message: ["PT_TLS p_align", "0x18"]) {
      $0.programHeaders[Index.threadLocals].p_align = 24
    },
    ImageCase("a huge PT_TLS alignment", message: ["PT_TLS p_align", "0x2000"]) {
      $0.programHeaders[Index.threadLocals].p_align = 0x2000
    },
    ImageCase("a PT_TLS outside the image", message: ["PT_TLS p_vaddr", "0x1000000"]) {
      $0.programHeaders[Index.threadLocals].p_vaddr = 0x100_0000
    },
    ImageCase("a PT_TLS that runs over its segment", message: ["PT_TLS p_vaddr", "0x203ff9", "0x8"]) {
      $0.programHeaders[Index.threadLocals].p_vaddr = base + 0x3ff9
    },
    ImageCase("a PT_TLS at an address that its alignment does not allow", message: ["PT_TLS p_vaddr", "p_align", "16"])
    {
      $0.programHeaders[Index.threadLocals].p_vaddr += 8
      $0.programHeaders[Index.threadLocals].p_filesz = 0
    },
    ImageCase("a PT_TLS in zeroes", message: ["PT_TLS p_vaddr", "0x204040"]) {
      $0.programHeaders[Index.threadLocals].p_vaddr = base + Place.end
    },
    ImageCase("a PT_TLS that wraps", message: ["PT_TLS p_vaddr", "0xfffffffffffffffc"]) {
      $0.programHeaders[Index.threadLocals].p_vaddr = UInt64.max - 3
    },
    ImageCase("an empty PT_TLS outside the image", message: ["PT_TLS p_vaddr", "0x0"]) {
      $0.programHeaders[Index.threadLocals].p_filesz = 0
      $0.programHeaders[Index.threadLocals].p_vaddr = 0
    },
  ]

  static let dynamic: [ImageCase] = [
    ImageCase("two PT_DYNAMIC", message: ["PT_DYNAMIC count", "2"]) {
      $0.programHeaders[Index.stack] = $0.programHeaders[Index.dynamic]
    },
    ImageCase("PT_DYNAMIC behind the file", message: ["PT_DYNAMIC p_offset, p_filesz", "0x1000000"]) {
      $0.programHeaders[Index.dynamic].p_offset = 0x100_0000
    },
    ImageCase("a broken PT_DYNAMIC size", message: ["PT_DYNAMIC p_filesz", "0x18"]) {
      $0.programHeaders[Index.dynamic].p_filesz = 24
    },
    ImageCase("a huge PT_DYNAMIC", message: ["PT_DYNAMIC p_filesz", "0x1010", "4096"]) {
      $0.programHeaders[Index.dynamic].p_filesz = 0x1010
      $0.programHeaders[Index.dynamic].p_offset = 0
    },
    ImageCase("no DT_NULL", message: ["PT_DYNAMIC", "DT_NULL"]) {
      $0.programHeaders[Index.dynamic].p_filesz = UInt64(16 * $0.dynamic.count)
    },
    ImageCase("DT_NEEDED", message: ["DT_NEEDED", "0x11"]) { $0.dynamic.append((DT_NEEDED, 0x11)) },
    ImageCase("DT_TEXTREL", message: ["DT_TEXTREL", "0x0"]) { $0.dynamic.append((DT_TEXTREL, 0)) },
    ImageCase("DF_TEXTREL", message: ["DT_FLAGS", "0x4"]) { $0.dynamic.append((DT_FLAGS, UInt64(DF_TEXTREL))) },
    ImageCase("DT_REL", message: ["DT_REL ", "0x200800"]) { $0.dynamic.append((DT_REL, base + Place.relocations)) },
    ImageCase("DT_RELSZ", message: ["DT_RELSZ", "0x10"]) { $0.dynamic.append((DT_RELSZ, 16)) },
    ImageCase("DT_JMPREL", message: ["DT_PLTRELSZ", "0x18", "DT_JMPREL"]) { $0.dynamic.append((DT_PLTRELSZ, 24)) },
    ImageCase("Android's relocations", message: ["dynamic tag", "0x60000011"]) { $0.dynamic.append((0x6000_0011, 1)) },
    ImageCase("DT_RELR twice", message: ["DT_RELR count", "2"]) { $0.dynamic.append((DT_RELR, base)) },
    ImageCase("DT_RELR without a size", message: ["DT_RELR ", "0x200800", "DT_RELRSZ"]) { $0.dynamic.remove(at: 2) },
    ImageCase("DT_RELRSZ alone", message: ["DT_RELRSZ", "0x18", "DT_RELR "]) { $0.dynamic.remove(at: 1) },
    ImageCase("DT_RELRENT missing", message: ["DT_RELRENT", "missing", "8"]) { $0.dynamic.remove(at: 3) },
    ImageCase("DT_RELRENT", message: ["DT_RELRENT", "4", "8"]) { $0.setDynamic(DT_RELRENT, 4) },
    ImageCase("DT_RELRSZ", message: ["DT_RELRSZ", "0x17", "8"]) { $0.setDynamic(DT_RELRSZ, 23) },
    ImageCase("DT_RELAENT", message: ["DT_RELAENT", "16", "24"]) {
      $0.useRela([ImageBuilder.relative(base + Place.data, addend: 0)])
      $0.setDynamic(DT_RELAENT, 16)
    },
    ImageCase("DT_RELASZ", message: ["DT_RELASZ", "0x19", "24"]) {
      $0.useRela([ImageBuilder.relative(base + Place.data, addend: 0)])
      $0.setDynamic(DT_RELASZ, 25)
    },
    ImageCase("a table outside the image", message: ["DT_RELR ", "0x8", "0x18"]) { $0.setDynamic(DT_RELR, 8) },
    ImageCase("a table that wraps", message: ["DT_RELR ", "0xfffffffffffffff8"]) { $0.setDynamic(DT_RELR, .max - 7) },
    ImageCase("a table that runs over its segment", message: ["DT_RELR ", "0x203ff0"]) {
      $0.setDynamic(DT_RELR, base + 0x3ff0)
    },
    ImageCase("a table in zeroes", message: ["DT_RELR ", "0x204040"]) { $0.setDynamic(DT_RELR, base + Place.end) },
    ImageCase("a huge table", message: ["DT_RELR ", "0xfffffffffffffff8"]) { $0.setDynamic(DT_RELRSZ, .max - 7) },
  ]

  static let relocations: [ImageCase] = [
    ImageCase("an unknown type", message: ["DT_RELA entry 1 type", "6"]) {
      $0.useRela([
        ImageBuilder.relative(base + Place.data, addend: 0),
        Elf64_Rela(r_offset: base + Place.data, r_info: UInt64(R_X86_64_GLOB_DAT), r_addend: 0),
      ])
    },
    ImageCase("a type beyond a byte", message: ["DT_RELA entry 0 type", "264"]) {
      $0.useRela([Elf64_Rela(r_offset: base + Place.data, r_info: 0x108, r_addend: 0)])
    },
    ImageCase("a symbol", message: ["DT_RELA entry 0 symbol", "3"]) {
      $0.useRela([Elf64_Rela(r_offset: base + Place.data, r_info: 3 << 32 | 8, r_addend: 0)])
    },
    ImageCase("RELA into text", message: ["DT_RELA entry 0 r_offset", "0x201000"]) {
      $0.useRela([ImageBuilder.relative(base + Place.text, addend: 0)])
    },
    ImageCase("RELA into the trap table", message: ["DT_RELA entry 0 r_offset", "0x202000"]) {
      $0.useRela([ImageBuilder.relative(base + Place.traps, addend: 0)])
    },
    ImageCase("RELA between segments", message: ["DT_RELA entry 0 r_offset", "0x201800"]) {
      $0.useRela([ImageBuilder.relative(base + 0x1800, addend: 0)])
    },
    ImageCase("RELA over a segment's end", message: ["DT_RELA entry 0 r_offset", "0x2060f9"]) {
      $0.useRela([ImageBuilder.relative(base + 0x60f9, addend: 0)])
    },
    ImageCase("RELA below the image", message: ["DT_RELA entry 0 r_offset", "0x1ffff8"]) {
      $0.useRela([ImageBuilder.relative(base - 8, addend: 0)])
    },
    ImageCase("RELA at the end of everything", message: ["DT_RELA entry 0 r_offset", "0xfffffffffffffffc"]) {
      $0.useRela([ImageBuilder.relative(.max - 3, addend: 0)])
    },
    ImageCase("RELR that begins with a bitmap", message: ["DT_RELR entry 0", "0x3", "even"]) { $0.useRelr([3]) },
    ImageCase("RELR into text", message: ["DT_RELR entry 0 target", "0x201000"]) { $0.useRelr([base + Place.text]) },
    ImageCase("RELR of zero", message: ["DT_RELR entry 0 target", "0x0"]) { $0.useRelr([0]) },
    ImageCase("RELR at the end of everything", message: ["DT_RELR entry 0 target", "0xfffffffffffffffe"]) {
      $0.useRelr([UInt64.max - 1])
    },
    ImageCase("a RELR bitmap over a segment's end", message: ["DT_RELR entry 1 target", "0x206100"]) {
      $0.useRelr([base + 0x60f0, 0b111])
    },
    ImageCase("a RELR bitmap over text", message: ["DT_RELR entry 1 target", "0x201000"]) {
      $0.useRelr([base + 0xff8, 0b11])
    },
  ]
}
