import CELF
import Testing

@testable import Machine

/// The words that relocations change, and those that they do not.
@Suite struct ImageRelocationTests {
  typealias Place = ImageBuilder.Place
  static let base = ImageBuilder.base
  static let bias: UInt64 = 0x1234_5000

  /// Loads an image into memory where each word holds its own link-time address, relocates it and returns the
  /// addresses of the words that changed, each by the bias.
  private func relocated(_ builder: ImageBuilder, bias: UInt64 = bias) throws -> [UInt64] {
    let bytes = builder.bytes
    let file = try TemporaryFile(bytes)
    let image = try Image(opening: file.path)
    let count = Int(image.size) / 8
    let words = UnsafeMutableBufferPointer<UInt64>.allocate(capacity: count)
    defer { words.deallocate() }
    for index in 0..<count { words[index] = image.base + UInt64(index * 8) }
    // The table itself has to be there.
    let tables = Int(Place.relocations)..<Int(Place.text)
    UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(words)[tables])
      .copyBytes(from: bytes[tables])
    let before = Array(words)
    try image.relocate(UnsafeMutableRawBufferPointer(words), bias: bias)
    var changed: [UInt64] = []
    for index in 0..<count where words[index] != before[index] {
      #expect(words[index] == before[index] &+ bias)
      changed.append(image.base + UInt64(index * 8))
    }
    return changed
  }

  private func relocated(relr: [UInt64], bias: UInt64 = bias) throws -> [UInt64] {
    var builder = ImageBuilder()
    builder.useRelr(relr)
    return try relocated(builder, bias: bias)
  }

  @Test func relrAddress() throws {
    #expect(try relocated(relr: [Self.base + Place.data]) == [Self.base + Place.data])
  }

  @Test func relrBitmap() throws {
    let start = Self.base + Place.constants
    // Bit 0 marks a bitmap; bit 1 is the word behind the address.
    #expect(try relocated(relr: [start, 0b1011]) == [start, start + 8, start + 24])
  }

  @Test func relrFullBitmap() throws {
    let start = Self.base + Place.constants
    #expect(try relocated(relr: [start, .max]) == (0...63).map { start + 8 * $0 })
  }

  @Test func relrSecondBitmapGoesOnBehind63Words() throws {
    let start = Self.base + Place.constants
    #expect(try relocated(relr: [start, 1 << 63 | 1, 0b11]) == [start, start + 8 * 63, start + 8 * 64])
  }

  @Test func relrEmptyBitmapSkips63Words() throws {
    let start = Self.base + Place.constants
    #expect(try relocated(relr: [start, 1, 1, 0b11]) == [start, start + 8 * 127])
  }

  /// Bitmaps without bits may lead anywhere; only words that are relocated have to exist.
  @Test func relrEmptyBitmapsBehindTheEnd() throws {
    let start = Self.base + 0x60f8
    #expect(try relocated(relr: [start] + [UInt64](repeating: 1, count: 200)) == [start])
  }

  @Test func relrAddressAfterBitmap() throws {
    let data = Self.base + Place.data
    let constants = Self.base + Place.constants
    #expect(try relocated(relr: [data, 0b11, constants, 0b101]) == [constants, constants + 16, data, data + 8])
  }

  /// Zeroes behind a segment's file bytes are memory like any other.
  @Test func lastWord() throws {
    #expect(try relocated(relr: [Self.base + 0x60f8]) == [Self.base + 0x60f8])
  }

  @Test func biasBelowZero() throws {
    let bias = 0 &- UInt64(0x10_0000)
    #expect(try relocated(relr: [Self.base + Place.data], bias: bias) == [Self.base + Place.data])
  }

  @Test func noBias() throws {
    #expect(try relocated(relr: [Self.base + Place.data, .max], bias: 0) == [])
  }

  @Test func rela() throws {
    var builder = ImageBuilder()
    let (first, second) = (Self.base + Place.data, Self.base + Place.constants + 16)
    builder.useRela([
      ImageBuilder.relative(first, addend: Int64(first)),
      Elf64_Rela(r_offset: 1, r_info: UInt64(R_X86_64_NONE), r_addend: 1),
      ImageBuilder.relative(second, addend: Int64(second)),
    ])
    #expect(try relocated(builder) == [second, first])
  }

  /// The addend is the entry's, not the word's; it counts without a bias too.
  @Test func relaAddend() throws {
    let segment = Segment(
      fileOffset: 0, fileSize: 32, address: 0x1000, memorySize: 32,
      protection: Protection(isWritable: true, isExecutable: false))
    var words: [UInt64] = [0x1018, UInt64(R_X86_64_RELATIVE), UInt64(bitPattern: -16), 77]
    let count = try words.withUnsafeMutableBytes {
      var relocator = Relocator([segment], memory: $0, bias: 0x30)
      try relocator.applyRela(RelocationTables.Table(address: 0x1000, size: 24))
      return relocator.count
    }
    #expect(count == 1)
    #expect(words[3] == 0x20)
  }

  @Test func tableLongerThanTheImageHasWords() throws {
    let segment = Segment(
      fileOffset: 0, fileSize: 0x100, address: 0x1000, memorySize: 0x100,
      protection: Protection(isWritable: true, isExecutable: false))
    var bytes = [UInt8](repeating: 0, count: 8)
    bytes.withUnsafeMutableBytes {
      var relocator = Relocator([segment], memory: $0, bias: 0)
      let error = #expect(throws: Refusal.self) {
        try relocator.applyRelr(RelocationTables.Table(address: 0x1000, size: 16))
      }
      #expect(error?.reason.contains("DT_RELRSZ is 2 entries") == true)
    }
  }

  /// A table may overwrite itself: every entry is read once, and what it has become is checked like anything else.
  @Test func tableThatRelocatesItself() throws {
    let segment = Segment(
      fileOffset: 0, fileSize: 0x40, address: 0x1000, memorySize: 0x40,
      protection: Protection(isWritable: true, isExecutable: false))
    var words: [UInt64] = [0x1008, 0x1010, 0, 0, 0, 0, 0, 0]
    words.withUnsafeMutableBytes {
      var relocator = Relocator([segment], memory: $0, bias: 0x10_0000)
      let error = #expect(throws: Refusal.self) {
        try relocator.applyRelr(RelocationTables.Table(address: 0x1000, size: 16))
      }
      #expect(error?.reason.contains("DT_RELR entry 1 target is 0x101010") == true)
    }
  }
}
