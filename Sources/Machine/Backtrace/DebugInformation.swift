import CELF
import CLinux
import KVM

/// A place in the source of a guest image.
public struct SourceFrame: Equatable, Sendable {
  /// The function's mangled linkage name if it has one, else its name; nil where only the line is known (assembly).
  public let function: String?
  /// The path as the compiler recorded it; empty if it recorded none.
  public let file: String
  /// Counted from 1; 0 is code that belongs to no line, such as what the compiler generates.
  public let line: Int
}

/// The DWARF debugging information of a guest image: which source an instruction comes from, and why it traps.
///
/// Follows the DWARF standard, version 5, sections 2.17 (code addresses), 3.3.8 (inlined subroutines) and 6.2 (line
/// numbers), by way of elfutils' libdw, which also reads versions 2 to 4.
///
/// The image is hostile. What is bounded here: the image's size, the entries and address ranges visited, the nesting,
/// the length of every text (control characters come out as `?`). Nothing but the descriptor is opened. What cannot be
/// bounded from outside libdw: the time and memory that it takes for one line table or one entry, which for a crafted
/// image can be quadratic in the image's size; on an allocation failure libdw ends the process. So an image that is not
/// trusted is to be examined in a child process with limits on its processor time and its address space.
public struct DebugInformation: ~Copyable {
  /// libdw trusts strings inside sections to be terminated; this copy of the file ends in zeros, so that they are.
  private let image: MemoryMapping
  private let elf: OpaquePointer
  private let dwarf: OpaquePointer

  /// Reads the image's debugging information.
  ///
  /// - Parameter descriptor: a regular file, open for reading. It stays the caller's and is not used afterwards;
  ///   its offset does not move.
  /// - Returns: nil if there is nothing to be had: the image is stripped, is no 64-bit little-endian ELF file, is
  ///   unreadable or above 256 MiB, or its debugging information is compressed.
  public init?(ofFile descriptor: Int32) {
    guard let fileSize = Self.size(ofFile: descriptor),
      let image = try? MemoryMapping(anonymous: Self.mappingSize(forFileSize: fileSize))
    else { return nil }
    guard Self.fill(image, fileSize: fileSize, from: descriptor) else { return nil }
    let bytes = image.baseAddress.bindMemory(to: CChar.self, capacity: fileSize)
    guard Int32(bytes[Int(EI_CLASS)]) == ELFCLASS64, Int32(bytes[Int(EI_DATA)]) == ELFDATA2LSB,
      elf_version(UInt32(EV_CURRENT)) != 0, let elf = elf_memory(bytes, fileSize)
    else { return nil }
    guard Self.isUncompressed(elf), let dwarf = dwarf_begin_elf(elf, DWARF_C_READ, nil) else {
      elf_end(elf)
      return nil
    }
    // An image can name another file to take entries from, which libdw would open, whatever it is.
    dwarf_setalt(dwarf, dwarf)
    // libdw is content with any one section; without units there is nothing to find.
    var unit: OpaquePointer?
    guard dwarf_get_units(dwarf, nil, &unit, nil, nil, nil, nil) == 0 else {
      dwarf_end(dwarf)
      elf_end(elf)
      return nil
    }
    self.image = image
    self.elf = elf
    self.dwarf = dwarf
  }

  deinit {
    dwarf_end(dwarf)
    elf_end(elf)
  }
}

// MARK: - Questions

extension DebugInformation {
  /// The functions that an instruction belongs to, with the place reached in each: those inlined there, innermost
  /// first, then the one that the linker placed. The compiler's own "Swift runtime failure" functions are left out.
  ///
  /// - Parameter linkTimeAddress: of the instruction, as linked. For a caller's frame it lies inside the call, one byte
  ///   before the return address, which may already belong to other source.
  /// - Returns: nothing if the image does not say.
  public func frames(at linkTimeAddress: UInt64) -> [SourceFrame] {
    guard var scope = scope(at: linkTimeAddress) else { return [] }
    var place = Self.place(at: linkTimeAddress, in: &scope.unit)
    if scope.functions.isEmpty {
      return place.map { [SourceFrame(function: nil, file: $0.file, line: $0.line)] } ?? []
    }
    var frames: [SourceFrame] = []
    for var function in scope.functions {
      let name = Self.name(of: &function)
      if Self.trapReason(inName: name) == nil {
        frames.append(SourceFrame(function: name, file: place?.file ?? "", line: place?.line ?? 0))
      }
      place = Self.callSite(of: &function, in: &scope.unit)
    }
    return frames
  }

  /// Why the instruction traps, in the words of the Swift compiler, such as `Index out of range`.
  ///
  /// A release build of Embedded Swift has no messages: a failed check is a bare `ud2`. But with `-g` the compiler
  /// wraps each in an artificial inlined function that is named for the failure.
  ///
  /// - Parameter linkTimeAddress: of the trapping instruction, as linked.
  /// - Returns: nil if the instruction is no failed check of the compiler's.
  public func trapReason(at linkTimeAddress: UInt64) -> String? {
    guard let scope = scope(at: linkTimeAddress), var innermost = scope.functions.first else { return nil }
    return Self.trapReason(inName: Self.name(of: &innermost))
  }

  /// What the names of those functions begin with (lib/IRGen/IRGenDebugInfo.cpp of the Swift compiler).
  private static var trapPrefix: StaticString { "Swift runtime failure: " }

  private static func trapReason(inName name: String?) -> String? {
    guard let name, name.utf8.count > trapPrefix.utf8CodeUnitCount else { return nil }
    let matches = trapPrefix.withUTF8Buffer { prefix in name.utf8.starts(with: prefix) }
    return matches ? String(decoding: name.utf8.dropFirst(trapPrefix.utf8CodeUnitCount), as: UTF8.self) : nil
  }
}

// MARK: - The tree of entries

extension DebugInformation {
  /// The unit that an address belongs to and the functions around it, innermost first.
  private struct Scope {
    var unit: Dwarf_Die
    var functions: [Dwarf_Die]
  }

  /// How many more entries and address ranges a search may look at.
  private struct Budget {
    private var remaining = 1_000_000  // an Embedded Swift program of a megabyte has some thousand entries

    mutating func spend() -> Bool {
      remaining -= 1
      return remaining >= 0
    }
  }

  /// Whether the image has code at an address. What the linker threw away keeps its entries, at address 0.
  private func isCode(_ address: UInt64) -> Bool {
    var count = 0
    guard elf_getphdrnum(elf, &count) == 0 else { return false }
    var header = GElf_Phdr()
    for index in 0..<min(count, Int(ImageLimits.programHeaders)) {
      guard gelf_getphdr(elf, Int32(index), &header) != nil else { return false }
      if header.p_type == UInt32(PT_LOAD), header.p_flags & UInt32(PF_X) != 0, address >= header.p_vaddr,
        address - header.p_vaddr < header.p_memsz
      {
        return true
      }
    }
    return false
  }

  private func scope(at address: UInt64) -> Scope? {
    guard isCode(address) else { return nil }
    var budget = Budget()
    var previous: OpaquePointer?
    var unit: OpaquePointer?
    var kind: UInt8 = 0
    var entry = Dwarf_Die()
    while budget.spend(), dwarf_get_units(dwarf, previous, &unit, nil, &kind, &entry, nil) == 0 {
      // A skeleton unit would have libdw open the file that it names.
      if Int(kind) == DW_UT_compile || Int(kind) == DW_UT_partial,
        Self.ranges(of: &entry, contain: address, &budget)
      {
        return Scope(unit: entry, functions: Self.functions(at: address, in: &entry, &budget))
      }
      previous = unit
    }
    return nil
  }

  /// Walks down to the address, into what contains it and into what may contain functions (types, modules).
  private static func functions(at address: UInt64, in unit: inout Dwarf_Die, _ budget: inout Budget) -> [Dwarf_Die] {
    var functions: [Dwarf_Die] = []
    var entry = Dwarf_Die()
    guard dwarf_child(&unit, &entry) == 0 else { return functions }
    var containers: [Dwarf_Die] = []  // entered, and to be gone on from if the address is not inside
    while budget.spend(), functions.count + containers.count < maximumDepth {
      var next = Dwarf_Die()
      switch Int(dwarf_tag(&entry)) {
      case DW_TAG_subprogram, DW_TAG_inlined_subroutine, DW_TAG_lexical_block:
        if ranges(of: &entry, contain: address, &budget) {
          if dwarf_tag(&entry) != DW_TAG_lexical_block { functions.insert(entry, at: 0) }
          guard dwarf_child(&entry, &next) == 0 else { return functions }
          containers = []  // addresses nest: what follows outside does not contain this one
          entry = next
          continue
        }
      case DW_TAG_namespace, DW_TAG_module, DW_TAG_structure_type, DW_TAG_class_type, DW_TAG_enumeration_type,
        DW_TAG_union_type, DW_TAG_interface_type:
        if dwarf_child(&entry, &next) == 0 {
          containers.append(entry)
          entry = next
          continue
        }
      default:
        break
      }
      while dwarf_siblingof(&entry, &next) != 0 {
        guard let container = containers.popLast() else { return functions }
        entry = container
      }
      entry = next
    }
    return functions
  }

  private static func ranges(of entry: inout Dwarf_Die, contain address: UInt64, _ budget: inout Budget) -> Bool {
    var offset = 0
    var base: Dwarf_Addr = 0
    var start: Dwarf_Addr = 0
    var end: Dwarf_Addr = 0
    while budget.spend() {
      offset = dwarf_ranges(&entry, offset, &base, &start, &end)
      guard offset > 0 else { return false }  // no more, or malformed
      if start <= address, address < end { return true }
    }
    return false
  }

  private static func name(of function: inout Dwarf_Die) -> String? {
    var attribute = Dwarf_Attribute()
    for code in [DW_AT_linkage_name, DW_AT_name] {
      // "Integrate": an inlined function's name is at its abstract origin.
      guard dwarf_attr_integrate(&function, UInt32(code), &attribute) != nil else { continue }
      if let name = dwarf_formstring(&attribute) { return text(name) }
    }
    return nil
  }

  /// Where the line table says that an instruction comes from.
  private static func place(at address: UInt64, in unit: inout Dwarf_Die) -> (file: String, line: Int)? {
    guard let row = dwarf_getsrc_die(&unit, address), let file = dwarf_linesrc(row, nil, nil) else { return nil }
    var line: Int32 = 0
    guard dwarf_lineno(row, &line) == 0 else { return nil }
    return (text(file), Int(line))
  }

  /// Where the function that an inlined one was inlined into calls it.
  private static func callSite(of function: inout Dwarf_Die, in unit: inout Dwarf_Die) -> (file: String, line: Int)? {
    var attribute = Dwarf_Attribute()
    var index: Dwarf_Word = 0
    var line: Dwarf_Word = 0
    var files: OpaquePointer?
    guard dwarf_attr(&function, UInt32(DW_AT_call_file), &attribute) != nil, dwarf_formudata(&attribute, &index) == 0,
      dwarf_attr(&function, UInt32(DW_AT_call_line), &attribute) != nil, dwarf_formudata(&attribute, &line) == 0,
      dwarf_getsrcfiles(&unit, &files, nil) == 0,
      let index = Int(exactly: index), let line = Int(exactly: line),
      let file = dwarf_filesrc(files, index, nil, nil)
    else { return nil }
    return (text(file), line)
  }
}

// MARK: - Hostile bytes

extension DebugInformation {
  private static var maximumFileSize: Int { 256 << 20 }
  private static var maximumTextLength: Int { 4096 }  // bytes: PATH_MAX, and well above mangled names
  private static var maximumDepth: Int { 256 }  // of functions inlined into each other, and of types
  /// Zeros behind the file's last byte, in bytes; also the unit that the copy's size is rounded to (a page).
  private static var padding: Int { 4096 }

  private static func size(ofFile descriptor: Int32) -> Int? {
    var status = stat()
    guard fstat(descriptor, &status) == 0, status.st_mode & UInt32(S_IFMT) == UInt32(S_IFREG),
      status.st_size >= Int(EI_NIDENT), status.st_size <= maximumFileSize
    else { return nil }
    return status.st_size
  }

  private static func mappingSize(forFileSize fileSize: Int) -> Int {
    (fileSize + padding - 1) / padding * padding + padding
  }

  /// Copies the whole file, so that nobody can change or truncate what has been checked.
  private static func fill(_ image: borrowing MemoryMapping, fileSize: Int, from descriptor: Int32) -> Bool {
    var done = 0
    while done < fileSize {
      let count = pread(descriptor, image.baseAddress + done, fileSize - done, done)
      if count < 0, linux_errno() == EINTR { continue }
      guard count > 0 else { return false }
      done += count
    }
    return true
  }

  /// Whether libdw will find nothing to decompress: a small file must not unfold into a large one.
  private static func isUncompressed(_ elf: OpaquePointer) -> Bool {
    var names = 0
    guard elf_getshdrstrndx(elf, &names) == 0 else { return false }
    var section: OpaquePointer?
    while let next = elf_nextscn(elf, section) {
      var header = GElf_Shdr()
      guard gelf_getshdr(next, &header) != nil, header.sh_flags & UInt64(SHF_COMPRESSED) == 0,
        let name = elf_strptr(elf, names, Int(header.sh_name)), strncmp(name, ".z", 2) != 0  // GNU's .zdebug_info
      else { return false }
      section = next
    }
    return true
  }

  /// Copies a terminated string of libdw's, which lies in the padded copy of the file or in libdw's own memory.
  private static func text(_ string: UnsafePointer<CChar>) -> String {
    let bytes = UnsafeRawBufferPointer(start: string, count: strnlen(string, maximumTextLength))
    var text = ""
    for scalar in String(decoding: bytes, as: UTF8.self).unicodeScalars {
      let isControl = scalar.value < 0x20 || (0x7F...0x9F).contains(scalar.value)  // Unicode category Cc
      text.unicodeScalars.append(isControl ? "?" : scalar)
    }
    return text
  }
}
