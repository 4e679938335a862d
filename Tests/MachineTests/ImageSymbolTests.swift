import CELF
import Testing

@testable import Machine

/// Addresses to function names.
@Suite struct ImageSymbolTests {
  typealias Place = ImageBuilder.Place
  static let base = ImageBuilder.base
  static let text = base + Place.text

  private struct Symbol {
    var name: String
    var value: UInt64
    var size: UInt64
    var info = UInt8(STT_FUNC)
    var section: UInt16 = 1
  }

  /// Appends a symbol table, its strings and three section headers to a right image.
  private func builder(
    _ symbols: [Symbol], change: (inout [Elf64_Shdr]) -> Void = { _ in }
  ) -> ImageBuilder {
    var builder = ImageBuilder()
    var strings: [UInt8] = [0]
    var entries: [UInt8] = []
    for symbol in symbols {
      entries += ImageBuilder.encoded(
        Elf64_Sym(
          st_name: UInt32(strings.count), st_info: symbol.info, st_other: 0, st_shndx: symbol.section,
          st_value: symbol.value, st_size: symbol.size))
      strings += Array(symbol.name.utf8) + [0]
    }
    var sections = [Elf64_Shdr(), Elf64_Shdr(), Elf64_Shdr()]
    sections[1].sh_type = UInt32(SHT_SYMTAB)
    sections[1].sh_offset = Place.end
    sections[1].sh_size = UInt64(entries.count)
    sections[1].sh_link = 2
    sections[1].sh_entsize = 24
    sections[2].sh_type = UInt32(SHT_STRTAB)
    sections[2].sh_offset = Place.end + UInt64(entries.count)
    sections[2].sh_size = UInt64(strings.count)
    change(&sections)
    builder.tail = entries + strings
    while builder.tail.count % 8 != 0 { builder.tail.append(0) }
    builder.header.e_shoff = Place.end + UInt64(builder.tail.count)
    builder.header.e_shnum = 3
    builder.tail += sections.flatMap { ImageBuilder.encoded($0) }
    return builder
  }

  private func names(_ builder: ImageBuilder, at offsets: [UInt64]) throws -> [String]? {
    let file = try TemporaryFile(builder.bytes)
    let image = try Image(opening: file.path)
    guard let table = SymbolTable(of: image) else { return nil }
    var names: [String] = []
    for offset in offsets {
      let symbol = table.symbol(at: Self.text &+ offset)
      names.append(symbol.map { "\($0.name)+\($0.offset)" } ?? "-")
    }
    return names
  }

  private static let three = [
    Symbol(name: "second", value: text + 0x40, size: 0x20),
    Symbol(name: "first", value: text + 0x10, size: 0x10),
    Symbol(name: "variable", value: text + 0x41, size: 8, info: UInt8(STT_OBJECT)),
    Symbol(name: "undefined", value: text + 0x42, size: 8, section: 0),
    Symbol(name: "unsized", value: text + 0x80, size: 0),
    Symbol(name: "elsewhere", value: base + Place.data, size: 8),
  ]

  @Test func nearestWithinItsSize() throws {
    let names = try names(
      builder(Self.three), at: [0, 0x10, 0x1f, 0x20, 0x3f, 0x40, 0x45, 0x5f, 0x60, 0x80, 0xff, 0x100])
    #expect(
      names == [
        "-", "first+0", "first+15", "-", "-", "second+0", "second+5", "second+31", "-", "unsized+0", "unsized+127", "-",
      ])
  }

  @Test func outsideCode() throws {
    #expect(
      try names(builder(Self.three), at: [Place.data - Place.text, 0 &- Self.text, .max &- Self.text]) == [
        "-", "-", "-",
      ])
  }

  @Test func stripped() throws {
    #expect(try names(ImageBuilder(), at: []) == nil)
    let file = try TemporaryFile(ImageBuilder().bytes)
    #expect(inspection(of: file.path).report.contains("symbols       stripped\n"))
  }

  @Test func counted() throws {
    let file = try TemporaryFile(builder(Self.three).bytes)
    #expect(inspection(of: file.path).report.contains("symbols       6\n"))
  }

  @Test func controlCharactersAreNotShown() throws {
    let symbol = Symbol(name: "\u{1b}[31m\u{9b}x\n", value: Self.text, size: 1)
    #expect(try names(builder([symbol]), at: [0]) == ["?[31m??x?+0"])
  }

  @Test func longNameIsCut() throws {
    let symbol = Symbol(name: String(repeating: "n", count: 10_000), value: Self.text, size: 1)
    let names = try names(builder([symbol]), at: [0])
    #expect(names == [String(repeating: "n", count: SymbolTable.longestName) + "+0"])
  }

  @Test func addressesThatWrap() throws {
    let symbols = [
      Symbol(name: "a", value: 0, size: .max), Symbol(name: "b", value: .max, size: .max),
      Symbol(name: "c", value: Self.text + 8, size: .max),
    ]
    #expect(try names(builder(symbols), at: [4, 8, 9]) == ["a+\(Self.text + 4)", "c+0", "c+1"])
  }

  @Test("unusable tables", arguments: 0..<8)
  func unusable(_ number: Int) throws {
    var builder = builder(Self.three) {
      switch number {
      case 0: $0[1].sh_offset = .max
      case 1: $0[1].sh_size = .max
      case 2: $0[2].sh_size = 1 << 40
      case 3: $0[1].sh_link = 77
      case 4: $0[1].sh_flags = UInt64(SHF_COMPRESSED)
      case 5: $0[2].sh_type = UInt32(SHT_NOBITS)
      default: break
      }
    }
    switch number {
    case 6: builder.header.e_shnum = 0
    case 7: builder.header.e_shoff = .max - 63
    default: break
    }
    #expect(try names(builder, at: [0]) == nil)
    let file = try TemporaryFile(builder.bytes)
    #expect(inspection(of: file.path).report.contains("symbols       not readable\n"))
  }

  /// Names that are not there, and one that the string table's end cuts off.
  @Test func unusableNames() throws {
    #expect(try names(builder(Self.three) { $0[2].sh_size = 0 }, at: [0x10]) == ["-"])
    #expect(try names(builder(Self.three) { $0[2].sh_size = 3 }, at: [0x10, 0x40]) == ["-", "se+0"])
    #expect(try names(builder([Symbol(name: "", value: Self.text, size: 8)]), at: [0]) == ["-"])
  }

  @Test func partOfASymbolIsIgnored() throws {
    #expect(try names(builder(Self.three) { $0[1].sh_size = 24 * 2 + 23 }, at: [0x10, 0x80]) == ["first+0", "-"])
  }
}
