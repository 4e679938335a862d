import CELF
import CLinux
import KVM
import MachineABI

/// Builds a small image that is right in everything. A test changes one field, before `bytes` puts the image together.
struct ImageBuilder {
  static let base: UInt64 = 0x20_0000
  static let pageSize: UInt64 = 0x1000
  /// Where things lie: offsets in the file, which are also offsets from the base.
  enum Place {
    static let programHeaders: UInt64 = 0x40
    static let notes: UInt64 = 0x300
    static let relocations: UInt64 = 0x800
    static let text: UInt64 = 0x1000
    static let traps: UInt64 = 0x2000
    static let constants: UInt64 = 0x3000
    static let dynamic: UInt64 = 0x3800
    static let threadLocals: UInt64 = 0x3f00
    static let data: UInt64 = 0x4000
    static let end: UInt64 = 0x4040
  }
  /// Which program header is which.
  enum Index {
    static let headers = 0
    static let text = 1
    static let traps = 2
    static let constants = 3
    static let data = 4
    static let threadLocals = 5
    static let dynamic = 6
    static let note = 7
    static let stack = 8
  }

  var header = Elf64_Ehdr()
  var programHeaders: [Elf64_Phdr]
  var note = ImageNote(
    contract_version: UInt32(NEEDLETAIL_CONTRACT_VERSION), flags: 0, trap_table: Place.traps, minimum_memory: 2 << 20,
    stack_size: 64 << 10)
  /// Each already encoded; `note` goes behind them.
  var otherNotes: [[UInt8]] = []
  var hasNote = true
  /// Their notes go behind `note`.
  private(set) var devices: [DeviceDeclaration] = []
  /// Without the final DT_NULL.
  var dynamic: [(tag: Int32, value: UInt64)]
  var rela: [Elf64_Rela] = []
  /// Addresses within `Place.constants` and `Place.data`, with one bitmap.
  var relr: [UInt64] = [base + Place.constants, 0b1011, base + Place.data]
  /// Bytes to write over the finished image.
  var patches: [(offset: UInt64, bytes: [UInt8])] = []
  /// Bytes behind the last segment's.
  var tail: [UInt8] = []

  init() {
    func load(_ offset: UInt64, size: UInt64, memory: UInt64? = nil, flags: Int32) -> Elf64_Phdr {
      Elf64_Phdr(
        p_type: UInt32(PT_LOAD), p_flags: UInt32(flags), p_offset: offset, p_vaddr: Self.base + offset,
        p_paddr: Self.base + offset, p_filesz: size, p_memsz: memory ?? size, p_align: Self.pageSize)
    }
    func other(_ type: Int32, _ offset: UInt64, size: UInt64, align: UInt64, flags: Int32 = PF_R) -> Elf64_Phdr {
      Elf64_Phdr(
        p_type: UInt32(type), p_flags: UInt32(flags), p_offset: offset, p_vaddr: Self.base + offset,
        p_paddr: Self.base + offset, p_filesz: size, p_memsz: size, p_align: align)
    }
    programHeaders = [
      load(0, size: 0x1000, flags: PF_R),
      load(Place.text, size: 0x100, flags: PF_R | PF_X),
      load(Place.traps, size: UInt64(NEEDLETAIL_TRAP_STUB_SIZE * NEEDLETAIL_TRAP_STUB_COUNT), flags: PF_R | PF_X),
      load(Place.constants, size: 0x1000, flags: PF_R),
      load(Place.data, size: Place.end - Place.data, memory: 0x2100, flags: PF_R | PF_W),
      other(PT_TLS, Place.threadLocals, size: 8, align: 16),
      other(PT_DYNAMIC, Place.dynamic, size: 0, align: 8),  // the size follows `dynamic`
      other(PT_NOTE, Place.notes, size: 0, align: 4),  // the size follows the notes
      other(PT_GNU_STACK, 0, size: 0, align: 0, flags: PF_R | PF_W),
    ]
    programHeaders[Index.threadLocals].p_memsz = 0x20
    dynamic = [
      (DT_FLAGS_1, UInt64(DF_1_PIE)),
      (DT_RELR, Self.base + Place.relocations),
      (DT_RELRSZ, 24),
      (DT_RELRENT, 8),
    ]
    header.e_ident = (
      0x7f, 0x45, 0x4c, 0x46, UInt8(ELFCLASS64), UInt8(ELFDATA2LSB), UInt8(EV_CURRENT), 0, 0, 0, 0, 0, 0, 0, 0, 0
    )
    header.e_type = UInt16(ET_DYN)
    header.e_machine = UInt16(EM_X86_64)
    header.e_version = UInt32(EV_CURRENT)
    header.e_entry = Self.base + Place.text
    header.e_phoff = Place.programHeaders
    header.e_ehsize = 64
    header.e_phentsize = 56
    header.e_phnum = UInt16(programHeaders.count)
    header.e_shentsize = 64
  }

  /// Puts R_X86_64_RELATIVE relocations in place of the RELR table.
  mutating func useRela(_ entries: [Elf64_Rela]) {
    relr = []
    rela = entries
    dynamic = [
      (DT_RELA, Self.base + Place.relocations), (DT_RELASZ, UInt64(24 * entries.count)), (DT_RELAENT, 24),
    ]
  }

  /// Puts other words in place of the RELR table's.
  mutating func useRelr(_ words: [UInt64]) {
    relr = words
    setDynamic(DT_RELRSZ, UInt64(8 * words.count))
  }

  mutating func setDynamic(_ tag: Int32, _ value: UInt64) {
    dynamic[dynamic.firstIndex { $0.tag == tag }!].value = value
  }

  static func relative(_ offset: UInt64, addend: Int64) -> Elf64_Rela {
    Elf64_Rela(r_offset: offset, r_info: UInt64(R_X86_64_RELATIVE), r_addend: addend)
  }

  /// Declares a device.
  mutating func declare(_ kind: Int32, _ name: String, _ change: (inout DeviceDeclaration) -> Void = { _ in }) {
    var declaration = DeviceDeclaration(kind: UInt32(kind), name: Array(name.utf8))!
    change(&declaration)
    devices.append(declaration)
  }

  /// Links the image somewhere else than at `base`; it has no relocations then.
  mutating func link(at address: UInt64) {
    for index in programHeaders.indices { programHeaders[index].p_vaddr -= Self.base - address }
    header.e_entry -= Self.base - address
    relr = []
    dynamic = []
  }

  /// Puts the notes where there is room for many: behind everything.
  mutating func moveNotesToTail() {
    tail = notes
    programHeaders[Index.note].p_offset = Place.end
    programHeaders[Index.note].p_filesz = UInt64(tail.count)
  }

  /// A note of the usual layout, padded to four bytes.
  static func encodedNote(owner: String, type: UInt32, descriptor: [UInt8]) -> [UInt8] {
    var bytes = encoded(UInt32(owner.utf8.count + 1)) + encoded(UInt32(descriptor.count)) + encoded(type)
    bytes += Array(owner.utf8) + [0]
    while bytes.count % 4 != 0 { bytes.append(0) }
    bytes += descriptor
    while bytes.count % 4 != 0 { bytes.append(0) }
    return bytes
  }

  static func encoded<Value: BitwiseCopyable>(_ value: Value) -> [UInt8] {
    withUnsafeBytes(of: value) { Array($0) }
  }

  private var notes: [UInt8] {
    var notes = otherNotes.flatMap { $0 }
    if hasNote {
      notes += Self.encodedNote(
        owner: NEEDLETAIL_NOTE_OWNER, type: UInt32(NEEDLETAIL_NOTE_CONTRACT), descriptor: Self.encoded(note))
    }
    for device in devices {
      notes += Self.encodedNote(
        owner: NEEDLETAIL_NOTE_OWNER, type: UInt32(NEEDLETAIL_NOTE_DEVICE), descriptor: Self.encoded(device))
    }
    return notes
  }

  var bytes: [UInt8] {
    let entries = dynamic + [(DT_NULL, 0)]
    var headers = programHeaders
    if headers.indices.contains(Index.note) {
      for (index, size) in [(Index.note, notes.count), (Index.dynamic, 16 * entries.count)] {
        if headers[index].p_filesz == 0 { headers[index].p_filesz = UInt64(size) }
        if headers[index].p_memsz == 0 { headers[index].p_memsz = UInt64(size) }
      }
    }
    var image = [UInt8](repeating: 0, count: Int(Place.end))
    func put(_ bytes: [UInt8], at offset: UInt64) {
      image.replaceSubrange(Int(offset)..<Int(offset) + bytes.count, with: bytes)
    }
    put(Self.encoded(header), at: 0)
    put(headers.flatMap { Self.encoded($0) }, at: Place.programHeaders)
    put(notes, at: Place.notes)
    put(rela.flatMap { Self.encoded($0) } + relr.flatMap { Self.encoded($0) }, at: Place.relocations)
    put(entries.flatMap { Self.encoded(Int64($0.tag)) + Self.encoded($0.value) }, at: Place.dynamic)
    image += tail
    for patch in patches { put(patch.bytes, at: patch.offset) }
    return image
  }
}

// Per thread, and takes the right to read every file from root with it: setfsuid(2).
@_extern(c, "setfsuid") func setfsuid(_ user: UInt32) -> Int32

/// A file that is gone when its owner is.
struct TemporaryFile: ~Copyable {
  let path: String
  private let file: FileDescriptor

  init(_ bytes: [UInt8] = []) throws {
    var template = Array("/tmp/needletail-image-XXXXXX".utf8CString)
    let descriptor = mkstemp(&template)
    guard descriptor >= 0 else { throw SystemCallError("mkstemp") }
    let file = FileDescriptor(owning: descriptor)
    try bytes.withUnsafeBytes { try FileDescriptor.writeAll($0, to: descriptor) }
    self.file = file
    path = template.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
  }

  deinit {
    unlink(path)
  }

  func replace(with bytes: [UInt8]) throws {
    guard lseek(file.rawValue, 0, SEEK_SET) == 0 else { throw SystemCallError("lseek") }
    try bytes.withUnsafeBytes { try FileDescriptor.writeAll($0, to: file.rawValue) }
    try truncate(to: bytes.count)
  }

  func truncate(to size: Int) throws {
    guard ftruncate(file.rawValue, size) == 0 else { throw SystemCallError("ftruncate") }
  }

  func setMode(_ mode: mode_t) throws {
    guard fchmod(file.rawValue, mode) == 0 else { throw SystemCallError("fchmod") }
  }
}
