import CELF
import SeededRandom

@testable import Machine

/// Damages images in reproducible ways.
struct ImageMutator {
  private var generator: SeededGenerator
  private let original: [UInt8]
  /// The parts that a loader reads, where damage tells; ranges of the original.
  private let structures: [Range<Int>]

  init(_ original: [UInt8], structures: [Range<Int>], seed: UInt64) {
    self.original = original
    self.structures = structures.filter { !$0.isEmpty && $0.upperBound <= original.count }
    generator = SeededGenerator(seed: seed)
  }

  /// The next damaged image: one to four changes.
  mutating func next() -> [UInt8] {
    var bytes = original
    for _ in 0..<Int.random(in: 1...4, using: &generator) { change(&bytes) }
    return bytes
  }

  private mutating func change(_ bytes: inout [UInt8]) {
    guard !bytes.isEmpty else { return }
    let place = place(in: bytes)
    switch Int.random(in: 0..<16, using: &generator) {
    case 0: bytes.removeSubrange(place...)
    case 1: bytes.insert(contentsOf: noise(Int.random(in: 1...64, using: &generator)), at: place)
    case 2: bytes.removeSubrange(place..<min(place + Int.random(in: 1...64, using: &generator), bytes.count))
    case 3..<6: bytes[place] = UInt8.random(in: 0...255, using: &generator)
    case 6..<10: bytes[place] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
    default: splat(&bytes, at: place)
    }
  }

  /// Mostly somewhere in what the loader reads, else anywhere.
  private mutating func place(in bytes: [UInt8]) -> Int {
    let anywhere = Int.random(in: 0..<bytes.count, using: &generator)
    guard Int.random(in: 0..<8, using: &generator) > 0, let range = structures.randomElement(using: &generator) else {
      return anywhere
    }
    let place = Int.random(in: range, using: &generator)
    return place < bytes.count ? place : anywhere
  }

  /// Overwrites a field of 2, 4 or 8 bytes, mostly aligned, with a value on the edge of something.
  private mutating func splat(_ bytes: inout [UInt8], at place: Int) {
    let size = [2, 4, 8, 8].randomElement(using: &generator)!
    let start = Int.random(in: 0..<8, using: &generator) > 0 ? place / size * size : place
    let edges: [UInt64] = [
      0, 1, 2, 3, 7, 8, 16, 0xfff, 0x1000, 0x10000, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, 1 << 32, 1 << 35, 1 << 62,
      1 << 63, .max, .max - 7, .max - 4095, UInt64(bytes.count), UInt64(bytes.count) + 1, 0x20_0000, 0x20_1000,
    ]
    var value = edges.randomElement(using: &generator)!
    if Int.random(in: 0..<4, using: &generator) == 0 { value &+= UInt64.random(in: 0...16, using: &generator) }
    for index in 0..<size where start + index < bytes.count {
      bytes[start + index] = UInt8(truncatingIfNeeded: value >> UInt64(8 * index))
    }
  }

  private mutating func noise(_ count: Int) -> [UInt8] {
    (0..<count).map { _ in UInt8.random(in: 0...255, using: &generator) }
  }
}

extension ImageMutator {
  /// Where headers, notes, dynamic section, relocations and section headers of an image lie.
  static func structures(of path: String, _ bytes: [UInt8]) throws -> [Range<Int>] {
    let file = try ImageFile(opening: path)
    let headers = try ImageHeaders(of: file)
    let contents = try ImageContents(of: file)
    func range(_ start: UInt64, _ size: UInt64) -> Range<Int> { Int(start)..<Int(start + size) }
    var ranges = [0..<64, range(headers.file.e_phoff, UInt64(56 * headers.program.count))]
    for header in headers.program where header.p_type == UInt32(PT_NOTE) || header.p_type == UInt32(PT_DYNAMIC) {
      ranges.append(range(header.p_offset, header.p_filesz))
    }
    for table in [contents.relocations.rela, contents.relocations.relr] where table.size > 0 {
      let segment = contents.segments.first { $0.holdsFileBytes(at: table.address, count: table.size) }!
      ranges.append(range(segment.fileOffset + (table.address - segment.address), table.size))
    }
    let header = bytes.withUnsafeBytes { $0.loadUnaligned(as: Elf64_Ehdr.self) }
    ranges.append(range(header.e_shoff, UInt64(header.e_shnum) * 64))
    return ranges
  }
}
