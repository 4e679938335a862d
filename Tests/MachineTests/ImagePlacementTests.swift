import CELF
import MachineABI
import Testing

@testable import Machine

/// Putting an image into memory.
@Suite struct ImagePlacementTests {
  typealias Place = ImageBuilder.Place
  typealias Index = ImageBuilder.Index

  private func layout(_ image: borrowing Image, placement: MachineLayout.Placement? = nil) throws -> MachineLayout {
    try MachineLayout(
      .init(
        linkBase: image.base, imageSize: image.size, imageWritableSize: ImagePlacement.writableSize(image),
        threadLocalsSize: image.threadLocals?.memorySize ?? 0,
        threadLocalsAlignment: image.threadLocals?.alignment ?? 1, memory: 4 << 20, placement: placement))
  }

  /// Neighbours that are alike share one extent: headers, text, traps and constants; then the data.
  @Test func extents() throws {
    let file = try TemporaryFile(ImageBuilder().bytes)
    let image = try Image(opening: file.path)
    let layout = try layout(image)
    let base = ImageBuilder.base
    let placement = ImagePlacement(image, layout)
    #expect(
      placement.extents == [
        .init(range: base..<base + Place.data, fileOffset: 0, isWritable: false),
        .init(range: base + Place.data..<base + Place.data + 0x3000, fileOffset: Place.data, isWritable: true),
      ])
    let writable = ImagePlacement.writableSize(image)
    #expect(writable == 0x3000)
  }

  /// Segments may lie in the file in any order.
  @Test func extentsThatGoBackInTheFile() throws {
    var builder = ImageBuilder()
    builder.programHeaders[Index.text].p_offset = Place.traps
    builder.programHeaders[Index.traps].p_offset = Place.text
    let file = try TemporaryFile(builder.bytes)
    let image = try Image(opening: file.path)
    let placement = ImagePlacement(image, try layout(image))
    let base = ImageBuilder.base
    #expect(
      placement.extents.map(\.range) == [
        base..<base + 0x1000, base + 0x1000..<base + 0x2000, base + 0x2000..<base + 0x3000,
        base + 0x3000..<base + Place.data, base + Place.data..<base + Place.data + 0x3000,
      ])
    #expect(placement.extents.map(\.fileOffset) == [0, Place.traps, Place.text, Place.constants, Place.data])
  }

  @Test(arguments: [nil, MachineLayout.Placement(image: 1_234_567, memory: 3)])
  func memoryHoldsTheImage(place: MachineLayout.Placement?) throws {
    var builder = ImageBuilder()
    builder.patches = [
      (Place.text, [0xc0, 0xff, 0xee]), (Place.threadLocals, [1, 2, 3, 4, 5, 6, 7, 8]),
      (Place.constants, ImageBuilder.encoded(ImageBuilder.base + 0x42)),
      (Place.data, ImageBuilder.encoded(ImageBuilder.base + 0x43)),
    ]
    let bytes = builder.bytes
    let file = try TemporaryFile(bytes)
    let image = try Image(opening: file.path)
    let layout = try layout(image, placement: place)
    let memory = try GuestMemory(layout)
    let placement = ImagePlacement(image, layout)
    try placement.load(image, into: memory)
    placement.loadThreadLocals(image, into: memory)

    func word(_ offset: UInt64) -> UInt64? { memory.load(layout.imageBase + offset) }
    let words = [word(Place.text), word(Place.constants), word(Place.data)]
    #expect(words[0].map { $0 & 0xff_ffff } == 0xee_ffc0)
    // The words that the relocations name point to the image where it is now.
    #expect(words[1] == layout.imageBase + 0x42)
    #expect(words[2] == layout.imageBase + 0x43)
    // The data's rest, which the file does not have, is zero.
    let rest = memory.host(layout.imageBase + Place.end, count: Int(layout.imageSize - Place.end))!
    let isZero = UnsafeRawBufferPointer(start: rest, count: Int(layout.imageSize - Place.end)).allSatisfy { $0 == 0 }
    #expect(isZero)
    let threadLocals = memory.load(layout.threadLocals), behind = memory.load(layout.threadLocals + 8)
    #expect(threadLocals == 0x0807_0605_0403_0201)
    #expect(behind == 0)
  }

  @Test func memoryIsReachedInsideItsBoundsOnly() throws {
    let file = try TemporaryFile(ImageBuilder().bytes)
    let image = try Image(opening: file.path)
    let layout = try layout(image)
    let memory = try GuestMemory(layout)
    for (start, end) in [
      (layout.imageBase, layout.imageBase + layout.imageSize), (layout.memoryBase, layout.memoryEnd),
    ] {
      let inside = [
        memory.host(start, count: 0), memory.host(start, count: Int(end - start)), memory.host(end - 1, count: 1),
        memory.host(end, count: 0),
      ]
      #expect(inside.allSatisfy { $0 != nil })
      let outside = [
        memory.host(start - 1, count: 1), memory.host(end, count: 1), memory.host(end - 1, count: 2),
        memory.host(start, count: Int(end - start) + 1), memory.host(start, count: .max), memory.host(start, count: -1),
        memory.host(start - 1, count: 2),
      ]
      #expect(outside.allSatisfy { $0 == nil })
    }
    let nowhere = [memory.host(0, count: 1), memory.host(.max, count: 1), memory.host(.max, count: .max)]
    #expect(nowhere.allSatisfy { $0 == nil })
    let words = [
      memory.load(layout.memoryEnd - 8), memory.load(layout.memoryEnd - 7), memory.load(.max), memory.load(0),
    ]
    #expect(words == [0, nil, nil, nil])
  }
}
