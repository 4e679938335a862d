import CELF
import MachineABI
import Testing

@testable import Machine

/// What a right image gives.
@Suite struct ImageAcceptanceTests {
  typealias Place = ImageBuilder.Place
  typealias Index = ImageBuilder.Index
  static let base = ImageBuilder.base

  @Test func minimalImage() throws {
    let file = try TemporaryFile(ImageBuilder().bytes)
    let image = try Image(opening: file.path)
    #expect(image.path == file.path)
    #expect(image.isPositionIndependent == true)
    #expect(image.entry == Self.base + Place.text)
    #expect(image.base == Self.base)
    #expect(image.size == 0x7000)
    #expect(image.note.trap_table == Place.traps)
    #expect(image.note.minimum_memory == 2 << 20)
    #expect(image.note.stack_size == 64 << 10)
    #expect(
      image.threadLocals
        == ThreadLocalTemplate(address: Self.base + Place.threadLocals, fileSize: 8, memorySize: 0x20, alignment: 16))
    let text = Protection(isWritable: false, isExecutable: true)
    let constant = Protection(isWritable: false, isExecutable: false)
    let data = Protection(isWritable: true, isExecutable: false)
    func segment(
      _ offset: UInt64, _ size: UInt64, memory: UInt64? = nil, _ protection: Protection, isSupervisor: Bool = false
    ) -> Segment {
      Segment(
        fileOffset: offset, fileSize: size, address: Self.base + offset, memorySize: memory ?? size,
        protection: protection, isSupervisor: isSupervisor)
    }
    #expect(
      image.segments == [
        segment(0, 0x1000, constant), segment(Place.text, 0x100, text),
        segment(Place.traps, 768, text, isSupervisor: true), segment(Place.constants, 0x1000, constant),
        segment(Place.data, 0x40, memory: 0x2100, data),
      ])
  }

  /// A segment for other loaders is no segment of the image's, whatever is wrong with it.
  @Test func segmentsForOtherLoaders() throws {
    var builder = ImageBuilder()
    let plain = try TemporaryFile(builder.bytes)
    var other = Elf64_Phdr()
    other.p_type = UInt32(PT_LOAD)
    other.p_flags = UInt32(PF_R | PF_W | PF_X) | UInt32(NEEDLETAIL_SEGMENT_FOR_OTHER_LOADERS)
    other.p_vaddr = 0x123
    other.p_offset = .max
    other.p_filesz = 77
    other.p_memsz = .max
    builder.programHeaders.append(other)
    builder.header.e_phnum += 1
    let file = try TemporaryFile(builder.bytes)
    #expect(try Image(opening: file.path).segments == Image(opening: plain.path).segments)
    #expect(inspection(of: file.path).report.contains("rwx not loaded\n"))
  }

  @Test("variations that are right too", arguments: variations + devices)
  func variation(_ variation: ImageCase) throws {
    let file = try TemporaryFile(variation.bytes)
    do throws(ImageError) {
      _ = try Image(opening: file.path)
    } catch {
      Issue.record("refused: \(error.description)")
    }
    let (report, isAcceptable, _) = inspection(of: file.path)
    #expect(isAcceptable, "\(report)")
  }

  static let variations: [ImageCase] = [
    ImageCase("ET_EXEC") { $0.header.e_type = UInt16(ET_EXEC) },
    ImageCase("ET_EXEC aligned to 2 MiB") {
      $0.header.e_type = UInt16(ET_EXEC)
      for index in Index.headers...Index.data { $0.programHeaders[index].p_align = 0x20_0000 }
    },
    ImageCase("R_X86_64_RELATIVE and R_X86_64_NONE") {
      $0.useRela([
        ImageBuilder.relative(base + Place.data, addend: 1), Elf64_Rela(r_offset: 0, r_info: 0, r_addend: 0),
      ])
    },
    ImageCase("no dynamic section") { $0.programHeaders[Index.dynamic].p_type = UInt32(PT_NULL) },
    ImageCase("an empty dynamic section") { $0.dynamic = [] },
    ImageCase("no thread-locals") { $0.programHeaders[Index.threadLocals].p_type = UInt32(PT_NULL) },
    ImageCase("thread-locals that all start zeroed") {
      $0.programHeaders[Index.threadLocals].p_filesz = 0
      $0.programHeaders[Index.threadLocals].p_vaddr = base + 0x6100
    },
    ImageCase("thread-locals without an alignment") { $0.programHeaders[Index.threadLocals].p_align = 0 },
    ImageCase("no PT_GNU_STACK") { $0.programHeaders[Index.stack].p_type = UInt32(PT_NULL) },
    ImageCase("an empty PT_LOAD") {
      $0.programHeaders[Index.stack] = Elf64_Phdr()
      $0.programHeaders[Index.stack].p_type = UInt32(PT_LOAD)
    },
    ImageCase("a PT_LOAD of zeroes alone") {
      $0.programHeaders[Index.data].p_filesz = 0
      $0.relr = []
      $0.dynamic = []
    },
    ImageCase("notes of others beside ours") {
      $0.otherNotes = [
        ImageBuilder.encodedNote(owner: "GNU", type: 3, descriptor: [UInt8](repeating: 7, count: 20)),
        ImageBuilder.encodedNote(owner: "Xen", type: 18, descriptor: [0, 0, 0x20, 0]),
        ImageBuilder.encodedNote(owner: "Needletail", type: 3, descriptor: [1]),
        ImageBuilder.encodedNote(owner: "needletail", type: 1, descriptor: [1]),
      ]
    },
    ImageCase("notes behind the first page") { builder in
      let note = ImageBuilder.encodedNote(
        owner: "Needletail", type: 1, descriptor: ImageBuilder.encoded(builder.note))
      builder.patches = [(Place.constants + 0x100, note)]
      builder.programHeaders[Index.note].p_offset = Place.constants + 0x100
      builder.programHeaders[Index.note].p_filesz = UInt64(note.count)
    },
    ImageCase("a section table behind the first page, as every image with symbols has") {
      $0.header.e_shoff = 0x4000
      $0.header.e_shnum = 1
    },
    ImageCase("a section table outside the file, which no loader needs") {
      $0.header.e_shoff = UInt64.max
      $0.header.e_shnum = UInt16.max
      $0.header.e_shstrndx = UInt16.max
    },
    ImageCase("the smallest stack") { $0.note.stack_size = 16 << 10 },
    ImageCase("the entry at the text's last byte") { $0.header.e_entry = base + Place.text + 0xff },
    ImageCase("bytes behind the last segment") { $0.tail = [UInt8](repeating: 0xff, count: 5000) },
  ]
}

/// A change to a right image, with a name.
struct ImageCase: Sendable, CustomTestStringConvertible {
  let testDescription: String
  let bytes: [UInt8]
  /// What the message must contain, if the image is to be refused: the field and the value.
  let message: [String]

  init(_ name: String, message: [String] = [], _ change: (inout ImageBuilder) -> Void) {
    testDescription = name
    var builder = ImageBuilder()
    change(&builder)
    bytes = builder.bytes
    self.message = message
  }
}
