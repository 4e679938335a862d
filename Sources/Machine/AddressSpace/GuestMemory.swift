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

  /// - Parameters:
  ///   - isForDirectAccess: whether a disk works on this memory without the page cache between: it takes what is in one
  ///     piece as one, and small pages in 32 for each 128 KiB. docs/performance.md, "Disks".
  ///   - hasNetwork: whether the guest is going to have a network's protocols in its heap.
  init(_ layout: MachineLayout, isForDirectAccess: Bool = false, hasNetwork: Bool = false) throws(SystemCallError) {
    mapping = try MemoryMapping(anonymous: layout.slot.count, at: layout.slot.lowerBound)
    self.layout = layout
    let heap = offset(of: layout.heap)
    mapping.preferHugePages(from: min(heap + (isForDirectAccess ? 0 : Self.smallHeap), mapping.byteCount))
    // What the monitor or the guest certainly touches: the top of the stack, all up to the heap, and the heap's start.
    let top = max(Self.group(holding: layout.sharedPage - Self.page), layout.memoryBase)
    let secondPage = layout.heap + Self.page
    populate(top..<secondPage)
    let blocks = layout.heap + UInt64(HeapTables(regionSize: Int(layout.heapSize)).byteCount)
    let end = Self.group(holding: blocks + (hasNetwork ? Self.networkBlocks : Self.usualBlocks)) + Self.groupSize
    populate(max(Self.group(holding: blocks), secondPage)..<min(end, layout.memoryEnd))
  }

  private borrowing func populate(_ range: Range<UInt64>) {
    guard !range.isEmpty else { return }
    mapping.populate(offset: offset(of: range.lowerBound), byteCount: range.count)
  }

  /// How much of the heap is in small pages, in bytes: a program that starts, answers and sleeps has no more than it touches, and
  /// does not wait for 2 MiB of zeros. Who uses more uses much, and saves a fault for every page.
  private static let smallHeap = 4 << 20

  // How much of the heap's blocks is given its pages beforehand, in bytes: what a small program allocates, and one that has
  // answered a request. Measured with `make bench`; each rounded up to a group.
  private static let usualBlocks = 2 * page
  private static let networkBlocks = 20 * page

  /// With a page that a guest faults in, KVM without nested paging maps those of the same aligned group, from its first on, that
  /// the host has given already (PTE_PREFETCH_NUM of arch/x86/kvm/mmu/mmu.c).
  private static let groupSize = 8 * page
  private static let page = UInt64(pageSize)

  private static func group(holding address: UInt64) -> UInt64 { address & ~(groupSize - 1) }

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
