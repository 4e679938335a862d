import CLinux
import KVM
import MachineABI

/// The host memory behind a machine: image, gap and writable memory, at the same distances as in the guest.
///
/// The monitor itself reads and writes guest memory through this type alone, which checks every address. Devices have
/// their own view of the same memory, `GuestRegions`, that leaves out what is not the guest's own application's.
struct GuestMemory: ~Copyable {
  private let mapping: MemoryMapping
  private let layout: MachineLayout

  /// - Parameter isForDirectAccess: whether a disk works on this memory without the page cache between: it takes what is in one
  ///   piece as one, and small pages in 32 for each 128 KiB. docs/performance.md, "Disks".
  init(_ layout: MachineLayout, isForDirectAccess: Bool = false) throws(SystemCallError) {
    mapping = try MemoryMapping(anonymous: layout.slot.count, at: layout.slot.lowerBound)
    self.layout = layout
    let heap = offset(of: layout.heap)
    mapping.preferHugePages(from: min(heap + (isForDirectAccess ? 0 : Self.smallHeap), mapping.byteCount))
    // What the monitor or the guest certainly touches: the top of the stack, all up to the heap, and the heap's start.
    let start = offset(of: layout.sharedPage) - pageSize
    mapping.populate(offset: start, byteCount: heap + Self.populatedHeap - start)
  }

  /// How much of the heap is in small pages, in bytes: a program that starts, answers and sleeps has no more than it touches, and
  /// does not wait for 2 MiB of zeros. Who uses more uses much, and saves a fault for every page.
  private static let smallHeap = 4 << 20

  /// How much of the heap is given its pages beforehand, in bytes: what a small program allocates. Measured with
  /// `make bench`; no heap is smaller.
  private static let populatedHeap = 8 * pageSize

  /// Replaces part of the image by a private mapping of the file, so that nothing is copied.
  ///
  /// - Parameters:
  ///   - file: the image.
  ///   - fileOffset: page aligned.
  ///   - range: guest addresses, page aligned, inside the image's span.
  borrowing func mapImage(
    _ file: borrowing FileDescriptor, at fileOffset: UInt64, to range: Range<UInt64>
  ) throws(SystemCallError) {
    try mapping.overlay(file, at: Int(fileOffset), on: offset(of: range.lowerBound), byteCount: range.count)
  }

  /// Takes away everybody's right to write to part of the image: the guest's, ring 0 included, and the monitor's.
  borrowing func protectImage(_ range: Range<UInt64>) throws(SystemCallError) {
    try mapping.makeReadOnly(offset: offset(of: range.lowerBound), byteCount: range.count)
  }

  /// The host memory behind the whole image.
  borrowing func imageSpan() -> UnsafeMutableRawBufferPointer {
    UnsafeMutableRawBufferPointer(start: mapping.baseAddress, count: Int(layout.imageSize))
  }

  /// The host memory behind the machine's slot. It stays mapped as long as this value lives.
  borrowing func slotMemory() -> UnsafeMutableRawPointer {
    mapping.baseAddress
  }

  /// The host address behind a range of guest addresses; nil unless all of it is the image's or all of it is memory.
  borrowing func host(_ address: UInt64, count: Int) -> UnsafeMutableRawPointer? {
    guard count >= 0 else { return nil }
    guard
      Self.holds(layout.imageBase, layout.imageSize, address, UInt64(count))
        || Self.holds(layout.memoryBase, layout.memorySize, address, UInt64(count))
    else { return nil }
    return mapping.baseAddress + offset(of: address)
  }

  private static func holds(_ base: UInt64, _ size: UInt64, _ address: UInt64, _ count: UInt64) -> Bool {
    address >= base && address - base <= size && size - (address - base) >= count
  }

  private borrowing func offset(of address: UInt64) -> Int {
    Int(address - layout.imageBase)
  }

  /// Reads eight bytes; nil where there is no memory. The guest may change them at any time: read once, then check.
  borrowing func load(_ address: UInt64) -> UInt64? {
    guard let host = host(address, count: 8) else { return nil }
    return host.loadUnaligned(as: UInt64.self)
  }
}
