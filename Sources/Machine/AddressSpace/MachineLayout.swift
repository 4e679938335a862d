import MachineABI

/// Where everything of a machine lies in guest-physical addresses, which are its virtual addresses too.
///
/// The writable memory, from its lowest address up: stack, thread-local storage, shared page, boot information, system
/// page, page tables, heap. Nothing is below the stack, so that overflowing it meets no memory however large the frame; the
/// page tables are not mapped at all. docs/boot-contract.md, "Memory".
struct MachineLayout: Equatable {
  /// Where the image's lowest segment goes.
  let imageBase: UInt64
  /// What to add to a link-time address.
  let imageBias: UInt64
  /// Bytes from `imageBase` to the end of the last segment.
  let imageSize: UInt64
  /// The control page, an address without memory.
  let controlPage: UInt64
  /// The start of the writable memory that is not the image's.
  let memoryBase: UInt64
  /// Its size in bytes.
  let memorySize: UInt64
  /// Stack and thread-local storage together; the stack grows down from the thread-local storage.
  let stackRegionSize: UInt64
  /// Where the application's stack ends and the thread-local storage begins.
  let stackTop: UInt64
  /// The thread control block, to which FS points (x86-64 TLS variant II: the storage lies below it).
  let threadControlBlock: UInt64
  /// The start of the initial thread-local storage.
  let threadLocals: UInt64
  let sharedPage: UInt64
  let bootInfo: UInt64
  /// Pages of boot information: the structure, then the arguments.
  let bootInfoSize: UInt64
  let systemPage: UInt64
  let pageTables: UInt64
  let pageTableCount: Int
  let heap: UInt64

  var stackBase: UInt64 { memoryBase }
  var memoryEnd: UInt64 { memoryBase + memorySize }
  var heapSize: UInt64 { memoryEnd - heap }

  /// What a layout is made from.
  struct Demands {
    var linkBase: UInt64
    var imageSize: UInt64
    /// How much of the image is writable, in whole pages: it counts against the machine's memory.
    var imageWritableSize: UInt64
    var isPositionIndependent: Bool
    var stackSize: UInt64
    var threadLocalsSize: UInt64
    var threadLocalsAlignment: UInt64
    /// The boot information with its arguments, in bytes.
    var bootInfoSize: UInt64
    /// The machine's whole writable memory, in bytes.
    var memorySize: UInt64
    /// Where to put image and memory; nil puts them at the same place every time.
    var placement: Placement?
  }

  /// Random numbers for address-space layout randomisation.
  struct Placement {
    var image: UInt64
    var memory: UInt64
  }

  /// The smallest machine, in bytes.
  static let smallestMemory: UInt64 = 2 << 20
  /// The largest machine, in bytes. Bounded by the guest-physical address space, below.
  static let largestMemory: UInt64 = 16 << 30

  // Guest-physical addresses have 36 bits, the least that a 64-bit processor implements and what KVM assumes when CPUID does
  // not say (Intel SDM volume 3, 4.1.4). The image goes into the lower half of them, from 4 GiB up so that it is clear of
  // the local APIC and of what other monitors keep below; the writable memory goes into the upper half.
  static let physicalAddressBits: UInt64 = 36
  private static let imageWindow: Range<UInt64> = 4 << 30..<32 << 30
  private static let memoryWindow: Range<UInt64> = 32 << 30..<64 << 30
  private static let largePage: UInt64 = 2 << 20
  /// At the least, what is left for the heap.
  private static let smallestHeap: UInt64 = 64 << 10
  /// Past its self-pointer, FS:0x28 holds the stack protector's canary (x86-64 psABI as GCC and glibc have it).
  private static let threadControlBlockSize: UInt64 = 64

  init(_ demands: Demands) throws(MachineError) {
    let page = UInt64(pageSize)
    guard demands.memorySize % page == 0, demands.memorySize >= Self.smallestMemory,
      demands.memorySize <= Self.largestMemory
    else { throw .memorySize(demands.memorySize) }

    imageSize = demands.imageSize
    imageBase = Self.placeImage(demands)
    imageBias = imageBase &- demands.linkBase
    controlPage = imageBase - UInt64(NEEDLETAIL_CONTROL_PAGE_DISTANCE)

    let threadLocals = (demands.threadLocalsSize + demands.threadLocalsAlignment - 1) & ~(demands.threadLocalsAlignment - 1)
    stackRegionSize = (demands.stackSize + threadLocals + Self.threadControlBlockSize).roundedUpToPage
    bootInfoSize = demands.bootInfoSize.roundedUpToPage
    let (size, overflow) = demands.memorySize.subtractingReportingOverflow(demands.imageWritableSize)
    memorySize = overflow ? 0 : size
    memoryBase = Self.placeMemory(size: memorySize, demands)

    threadControlBlock = memoryBase + stackRegionSize - Self.threadControlBlockSize
    self.threadLocals = threadControlBlock - threadLocals
    stackTop = self.threadLocals & ~15
    sharedPage = memoryBase + stackRegionSize
    bootInfo = sharedPage + UInt64(NEEDLETAIL_SHARED_PAGE_SIZE)
    systemPage = bootInfo + bootInfoSize
    pageTables = systemPage + page

    // The tables' number depends on where the heap starts, and that on their number: it settles in a step or two.
    var count = 0
    while true {
      let needed = Self.pageTableCount(
        image: controlPage..<imageBase + imageSize, memory: memoryBase..<memoryBase + memorySize,
        heap: pageTables + UInt64(count) * page)
      if needed <= count { break }
      count = needed
    }
    pageTableCount = count
    heap = pageTables + UInt64(count) * page
    guard heap - memoryBase + Self.smallestHeap <= memorySize else {
      throw .memoryTooSmall(
        asked: demands.memorySize, needed: demands.imageWritableSize + heap - memoryBase + Self.smallestHeap)
    }
  }

  private static func placeImage(_ demands: Demands) -> UInt64 {
    guard let placement = demands.placement, demands.isPositionIndependent else { return demands.linkBase }
    // Whole pages; one below stays free for the control page.
    let choices = (imageWindow.upperBound - imageWindow.lowerBound - demands.imageSize) / UInt64(pageSize) - 1
    return imageWindow.lowerBound + UInt64(pageSize) * (1 + placement.image % choices)
  }

  private static func placeMemory(size: UInt64, _ demands: Demands) -> UInt64 {
    guard let placement = demands.placement else { return memoryWindow.lowerBound }
    // Large pages, so that the heap's are aligned.
    let choices = (memoryWindow.upperBound - memoryWindow.lowerBound - size) / largePage
    return memoryWindow.lowerBound + largePage * (placement.memory % choices)
  }

  /// How many page tables map the image and the memory: `image` and the memory below `heap` by small pages, the rest by
  /// large ones where they fit.
  private static func pageTableCount(image: Range<UInt64>, memory: Range<UInt64>, heap: UInt64) -> Int {
    let firstLarge = (heap + largePage - 1) & ~(largePage - 1)
    let endOfLarge = memory.upperBound & ~(largePage - 1)
    var tables = PageTableCensus()
    tables.add(image, span: largePage)
    tables.add(memory.lowerBound..<min(firstLarge, memory.upperBound), span: largePage)
    if endOfLarge >= firstLarge { tables.add(endOfLarge..<memory.upperBound, span: largePage) }
    // Image and memory are in different halves, so their directories differ; both are under the same 512 GiB.
    tables.add(image, span: 1 << 30)
    tables.add(memory, span: 1 << 30)
    return tables.count + 2
  }
}

/// Counts the page tables of one level that ranges need.
private struct PageTableCensus {
  var count = 0

  /// Each table covers `span` bytes. Ranges of one level must not share a table.
  mutating func add(_ range: Range<UInt64>, span: UInt64) {
    guard !range.isEmpty else { return }
    count += Int((range.upperBound - 1) / span - range.lowerBound / span + 1)
  }
}
