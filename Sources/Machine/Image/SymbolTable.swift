import CELF
import CLinux
import KVM

/// The functions of an image by address, for backtraces. Read only when one is to be printed.
///
/// The whole file is copied first: its bytes cannot change any more, and neither libelf nor a look-up sees beyond them.
public struct SymbolTable: ~Copyable {
  /// A file beyond this is not copied, so that a sparse one cannot take the host's memory. Images with debug
  /// information have a few megabytes.
  static let largestFile: UInt64 = 256 << 20
  /// Bounds the handles that libelf makes, one per section. Linked images have a few dozen.
  static let mostSections: UInt16 = 4096
  /// How much of a name is looked at, in bytes.
  static let longestName = 4096

  private let file: FileExcerpt
  /// Where `.symtab` lies in the copy, and its string table; both within it.
  private let symbols: Range<Int>
  private let names: Range<Int>
  /// Where functions may be.
  private let code: [Segment]

  /// Reads an image's symbol table. Nil if it has none (a stripped image), or one that cannot be read.
  public init?(of image: borrowing Image) {
    do throws(Refusal) {
      let copy = try SymbolTable.copy(image.file)
      guard let (symbols, names) = try SymbolTable.find(in: copy) else { return nil }
      self.file = copy
      self.symbols = symbols
      self.names = names
      self.code = image.segments.filter { $0.protection.isExecutable }
    } catch {
      return nil
    }
  }

  /// How many symbols a file has; 0 if it is stripped, nil if that cannot be read.
  static func symbolCount(of descriptor: borrowing FileDescriptor) -> Int? {
    do throws(Refusal) {
      let copy = try SymbolTable.copy(descriptor)
      guard let (symbols, _) = try SymbolTable.find(in: copy) else { return 0 }
      return symbols.count / MemoryLayout<Elf64_Sym>.stride
    } catch {
      return nil
    }
  }

  private static func copy(_ descriptor: borrowing FileDescriptor) throws(Refusal) -> FileExcerpt {
    let size: UInt64
    do {
      size = UInt64(try descriptor.status().st_size)
    } catch {
      throw Refusal(error.description)
    }
    guard size <= largestFile else { throw Refusal("file size", "\(size)", expected: "at most \(largestFile)") }
    return try FileExcerpt(of: descriptor, at: 0, count: Int(size))
  }

  /// Finds the symbol table and its strings by the section headers. Nil if there is none.
  private static func find(in file: borrowing FileExcerpt) throws(Refusal) -> (symbols: Range<Int>, names: Range<Int>)?
  {
    try ImageHeaders.checkIdentification(file.bytes)
    let header = file.bytes.loadUnaligned(as: Elf64_Ehdr.self)
    guard header.e_shoff != 0 else { return nil }
    // A count of 0 means one that is found elsewhere, beyond 65,279 sections.
    guard (1...mostSections).contains(header.e_shnum) else {
      throw Refusal("e_shnum", "\(header.e_shnum)", expected: "1 to \(mostSections)")
    }
    // libelf takes a table outside the file for none.
    guard file.slice(at: header.e_shoff, count: UInt64(header.e_shnum) * UInt64(MemoryLayout<Elf64_Shdr>.size)) != nil
    else { throw Refusal("e_shoff", header.e_shoff, expected: "a table within the file") }
    let elf = try ELFObject(file.mutableBytes)
    var section: OpaquePointer?
    while let next = elf_nextscn(elf.handle, section) {
      section = next
      var table = GElf_Shdr()
      guard gelf_getshdr(next, &table) != nil else { throw ELFObject.refusal("section header") }
      guard table.sh_type == UInt32(SHT_SYMTAB) else { continue }
      var strings = GElf_Shdr()
      guard let link = elf_getscn(elf.handle, Int(table.sh_link)), gelf_getshdr(link, &strings) != nil else {
        throw ELFObject.refusal("symbol table sh_link")
      }
      guard let symbols = file.range(of: table), let names = file.range(of: strings) else {
        throw Refusal("symbol table", table.sh_offset, expected: "to lie within the file")
      }
      return (symbols, names)
    }
    return nil
  }

  /// The function at a link-time address: the nearest one at or below it whose size reaches that far. A function
  /// without a size, as assembly writes them, reaches as far as the next one.
  ///
  /// - Returns: the name as the compiler mangled it, in printable ASCII, and the distance from the function's start in
  ///   bytes. Nil outside executable segments too.
  public func symbol(at linkTimeAddress: UInt64) -> (name: String, offset: UInt64)? {
    guard code.contains(where: { $0.contains(linkTimeAddress, count: 1) }) else { return nil }
    let bytes = file.bytes
    var best: Elf64_Sym?
    for index in 0..<symbols.count / MemoryLayout<Elf64_Sym>.stride {
      let offset = symbols.lowerBound + index * MemoryLayout<Elf64_Sym>.stride
      let symbol = bytes.loadUnaligned(fromByteOffset: offset, as: Elf64_Sym.self)
      // ELF64_ST_TYPE is the low half of st_info.
      guard Int32(symbol.st_info & 0xf) == STT_FUNC, symbol.st_shndx != UInt16(SHN_UNDEF),
        symbol.st_value <= linkTimeAddress,
        symbol.st_size == 0 || linkTimeAddress - symbol.st_value < symbol.st_size
      else { continue }
      if let best, best.st_value >= symbol.st_value { continue }
      best = symbol
    }
    guard let best, let name = name(at: Int(best.st_name)) else { return nil }
    return (name, linkTimeAddress - best.st_value)
  }

  /// The string at an offset of the string table; nil if there is none, or an empty one.
  private func name(at offset: Int) -> String? {
    guard offset < names.count else { return nil }
    let bytes = file.bytes[names].dropFirst(offset).prefix(SymbolTable.longestName).prefix { $0 != 0 }
    guard !bytes.isEmpty else { return nil }
    // Whoever made the image must not reach the terminal with control sequences.
    return String(decoding: bytes.map { (0x20..<0x7f).contains($0) ? $0 : UInt8(ascii: "?") }, as: UTF8.self)
  }
}

extension FileExcerpt {
  /// Where a section's bytes lie here, if they all do.
  fileprivate func range(of section: GElf_Shdr) -> Range<Int>? {
    guard section.sh_type != UInt32(SHT_NOBITS), section.sh_flags & UInt64(SHF_COMPRESSED) == 0,
      slice(at: section.sh_offset, count: section.sh_size) != nil
    else { return nil }
    return Int(section.sh_offset)..<Int(section.sh_offset + section.sh_size)
  }
}
