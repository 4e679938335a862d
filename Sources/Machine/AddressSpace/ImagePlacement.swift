import KVM
import MachineABI
import Virtio

/// Puts an image into a machine: its read-only part straight from the file, its data as a copy, both relocated.
struct ImagePlacement {
  /// A run of the image's pages that are backed the same way.
  struct Extent: Equatable {
    /// Guest addresses, whole pages.
    var range: Range<UInt64>
    var fileOffset: UInt64
    var isWritable: Bool
  }

  let layout: MachineLayout
  /// Ascending.
  let extents: [Extent]

  init(_ image: borrowing Image, _ layout: MachineLayout) {
    self.layout = layout
    var extents: [Extent] = []
    for segment in image.segments where segment.memorySize > 0 {
      let start = segment.address &+ layout.imageBias
      let range = start..<segment.pageEnd &+ layout.imageBias
      let isWritable = segment.protection.isWritable
      // Neighbours in memory and in the file share one mapping.
      if let last = extents.last, last.range.upperBound == start, last.isWritable == isWritable,
        isWritable || segment.fileOffset &- last.fileOffset == UInt64(last.range.count)
      {
        extents[extents.count - 1].range = last.range.lowerBound..<range.upperBound
      } else {
        extents.append(Extent(range: range, fileOffset: segment.fileOffset, isWritable: isWritable))
      }
    }
    self.extents = extents
  }

  /// How much of an image is writable, in whole pages.
  static func writableSize(_ image: borrowing Image) -> UInt64 {
    var size: UInt64 = 0
    for segment in image.segments where segment.protection.isWritable { size += segment.pageEnd - segment.address }
    return size
  }

  /// Fills the image's span of `memory`.
  func load(_ image: borrowing Image, into memory: borrowing GuestMemory) throws(MachineError) {
    do throws(SystemCallError) {
      for extent in extents where !extent.isWritable {
        try memory.mapImage(image.file, at: extent.fileOffset, to: extent.range)
      }
      for segment in image.segments where segment.protection.isWritable && segment.fileSize > 0 {
        let count = Int(segment.fileSize)
        let host = memory.host(segment.address &+ layout.imageBias, count: count)!
        // A file that has shrunk since it was checked leaves zeros.
        _ = try image.file.read(
          into: UnsafeMutableRawBufferPointer(start: host, count: count), at: Int(segment.fileOffset))
      }
    } catch {
      throw .system(error)
    }
    do throws(ImageError) {
      // Even where the image was linked: RELA entries may have left their addends to the loader.
      try image.relocate(memory.imageSpan(), bias: layout.imageBias)
    } catch {
      throw .image(error)
    }
    do throws(SystemCallError) {
      for extent in extents where !extent.isWritable { try memory.protectImage(extent.range) }
    } catch {
      throw .system(error)
    }
  }

  /// Copies the initial thread-local storage in front of the thread control block.
  func loadThreadLocals(_ image: borrowing Image, into memory: borrowing GuestMemory) {
    guard let template = image.threadLocals, template.fileSize > 0 else { return }
    let count = Int(template.fileSize)
    let source = memory.host(template.address &+ layout.imageBias, count: count)!
    memory.host(layout.threadLocals, count: count)!.copyMemory(from: source, byteCount: count)
  }

  /// What devices may reach: the memory that the application itself may read or write, nothing of ring 0's.
  func deviceRegions(_ image: borrowing Image, in memory: borrowing GuestMemory) -> GuestRegions {
    var regions: [GuestRegion] = []
    func add(_ range: Range<UInt64>, isWritable: Bool, _ memory: borrowing GuestMemory) {
      regions.append(
        GuestRegion(range: range, host: memory.host(range.lowerBound, count: range.count)!, isWritable: isWritable))
    }
    for segment in image.segments where segment.memorySize > 0 && !segment.isSupervisor {
      add(
        segment.address &+ layout.imageBias..<segment.pageEnd &+ layout.imageBias,
        isWritable: segment.protection.isWritable, memory)
    }
    add(layout.stackBase..<layout.bootInfo, isWritable: true, memory)
    add(layout.bootInfo..<layout.systemPage, isWritable: false, memory)
    add(layout.heap..<layout.memoryEnd, isWritable: true, memory)
    return GuestRegions(regions)
  }

  /// Maps every segment with what it allows.
  func map(_ image: borrowing Image, in tables: inout PageTableBuilder) {
    for segment in image.segments where segment.memorySize > 0 {
      tables.map(
        segment.address &+ layout.imageBias..<segment.pageEnd &+ layout.imageBias,
        PageTableBuilder.Access(
          isWritable: segment.protection.isWritable, isExecutable: segment.protection.isExecutable,
          isSupervisor: segment.isSupervisor))
    }
  }
}
