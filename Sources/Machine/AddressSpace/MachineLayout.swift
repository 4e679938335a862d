import KVM
import MachineABI

/// Where everything of a machine lies in guest-physical addresses, which are its virtual addresses too.
///
/// From the lowest address up: device registers, control page, image, a gap, and the writable memory: stack, thread-local storage, shared page,
/// boot information, system page, page tables, heap. The page tables are not mapped at all. docs/boot-contract.md, "Memory".
///
/// All of it but device registers and control page is one memory slot: KVM makes the creation of every slot wait for the end of a grace
/// period, 50 µs on an idle host and milliseconds on a busy one (docs/performance.md, "One memory slot").
struct MachineLayout: Equatable {
  /// Where the image's lowest segment goes.
  let imageBase: UInt64
  /// What to add to a link-time address.
  let imageBias: UInt64
  /// Bytes from `imageBase` to the end of the last segment.
  let imageSize: UInt64
  /// The control page, an address without memory.
  let controlPage: UInt64
  /// The first device's register page; one page for each device, up to the control page.
  let deviceRegisters: UInt64
  /// The machine's writable memory in bytes, the image's data included.
  let machineMemory: UInt64
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
  /// Pages of boot information: the structure, the clock, the device table, the arguments.
  let bootInfoSize: UInt64
  let systemPage: UInt64
  let pageTables: UInt64
  let pageTableCount: Int
  let heap: UInt64

  /// What the memory slot covers.
  var slot: Range<UInt64> { imageBase..<memoryEnd }
  var stackBase: UInt64 { memoryBase }
  var memoryEnd: UInt64 { memoryBase + memorySize }
  var heapSize: UInt64 { memoryEnd - heap }
  /// The slot of the register pages; empty without devices.
  var deviceSlot: Range<UInt64> { deviceRegisters..<controlPage }

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
    var deviceCount = 0
    /// The boot information with devices and arguments, in bytes.
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
  // not say (Intel SDM volume 3, 4.1.4). A machine goes from 4 GiB up, clear of the local APIC and of what other monitors
  // keep below.
  static let physicalAddressBits: UInt64 = 36
  private static let window: Range<UInt64> = 4 << 30..<1 << physicalAddressBits
  /// KVM keeps a page of its own here on some processors, and a slot must not overlap it (Intel SDM volume 3, 11.4.1).
  private static let localAPIC: UInt64 = 0xfee0_0000
  /// Between image and stack nothing is mapped, so that a stack that overflows meets a fault, with frames of up to a
  /// megabyte at the least; and nothing is touched, so that it takes no memory. Randomised, so that an address in one says
  /// little about the other.
  private static let gap: Range<UInt64> = 1 << 20..<17 << 20
  static let largePage = UInt64(MemoryMapping.hugePageSize)
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
    deviceRegisters = controlPage - UInt64(demands.deviceCount) * page

    let alignment = max(demands.threadLocalsAlignment, Self.threadControlBlockSize)
    // Variant II: the storage ends where FS points, its size rounded up to its own alignment.
    let threadLocals =
      (demands.threadLocalsSize + demands.threadLocalsAlignment - 1) & ~(demands.threadLocalsAlignment - 1)
    stackRegionSize = (demands.stackSize + threadLocals + alignment).roundedUpToPage
    bootInfoSize = demands.bootInfoSize.roundedUpToPage
    machineMemory = demands.memorySize
    let (size, overflow) = demands.memorySize.subtractingReportingOverflow(demands.imageWritableSize)
    memorySize = overflow ? 0 : size
    memoryBase = imageBase + imageSize + Self.gap(demands)

    threadControlBlock = (memoryBase + stackRegionSize - Self.threadControlBlockSize) & ~(alignment - 1)
    self.threadLocals = threadControlBlock - threadLocals
    stackTop = self.threadLocals & ~15
    sharedPage = memoryBase + stackRegionSize
    bootInfo = sharedPage + UInt64(NEEDLETAIL_SHARED_PAGE_SIZE)
    systemPage = bootInfo + bootInfoSize
    pageTables = systemPage + page

    // The tables' number depends on where the heap starts, and that on their number: it settles in a step or two. Memory that
    // is too small is counted as if it were enough, for the error to say how much that is.
    var count = 0
    while true {
      let heap = pageTables + UInt64(count) * page
      let needed = Self.pageTableCount(
        image: deviceRegisters..<imageBase + imageSize,
        memory: memoryBase..<max(memoryBase + memorySize, heap + Self.smallestHeap), heap: heap)
      if needed <= count { break }
      count = needed
    }
    pageTableCount = count
    guard deviceRegisters > Self.localAPIC || memoryBase + memorySize <= Self.localAPIC else {
      // An image that reaches over the local APIC leaves no room at all.
      throw .fixedPlacement(memory: demands.memorySize, limit: Self.localAPIC - min(memoryBase, Self.localAPIC))
    }
    heap = pageTables + UInt64(count) * page
    guard heap - memoryBase + Self.smallestHeap <= memorySize else {
      // Elsewhere, image and memory can each reach into one more table of each size.
      let otherPlaces = demands.placement == nil ? 0 : 4 * page
      throw .memoryTooSmall(
        asked: demands.memorySize,
        needed: demands.imageWritableSize + heap - memoryBase + Self.smallestHeap + otherPlaces)
    }
  }

  private static func placeImage(_ demands: Demands) -> UInt64 {
    guard demands.isPositionIndependent else { return demands.linkBase }
    guard let placement = demands.placement else {
      // A movable image may be linked so low that page 0 would be its control page, or be mapped; and there may be too much
      // memory to fit between it and the local APIC.
      let end = demands.linkBase + demands.imageSize + gap.lowerBound + demands.memorySize
      let devices = UInt64(demands.deviceCount) * UInt64(pageSize)
      return demands.linkBase >= ImageLimits.lowestFixedAddress + devices && end <= localAPIC
        ? demands.linkBase : window.lowerBound + devices
    }
    // Whole pages; those below stay free for the control page and the devices.
    let below = 1 + UInt64(demands.deviceCount)
    let span = demands.imageSize + gap.upperBound + demands.memorySize
    let choices = (window.upperBound - window.lowerBound - span) / UInt64(pageSize) - below
    return window.lowerBound + UInt64(pageSize) * (below + placement.image % choices)
  }

  private static func gap(_ demands: Demands) -> UInt64 {
    guard let placement = demands.placement else { return gap.lowerBound }
    let choices = (gap.upperBound - gap.lowerBound) / UInt64(pageSize)
    return gap.lowerBound + UInt64(pageSize) * (placement.memory % choices)
  }

  /// How many page tables map the image and the memory: `image` and the memory below `heap` by small pages, the rest by
  /// large ones where they fit.
  private static func pageTableCount(image: Range<UInt64>, memory: Range<UInt64>, heap: UInt64) -> Int {
    let firstLarge = (heap + largePage - 1) & ~(largePage - 1)
    let endOfLarge = memory.upperBound & ~(largePage - 1)
    var leaves = PageTableCensus(span: largePage)
    leaves.add(image)
    if firstLarge < endOfLarge {
      leaves.add(memory.lowerBound..<firstLarge)
      leaves.add(endOfLarge..<memory.upperBound)
    } else {
      leaves.add(memory)
    }
    var directories = PageTableCensus(span: 1 << 30)
    directories.add(image)
    directories.add(memory)
    // One root, and one table below it: all is within the same 512 GiB.
    return leaves.count + directories.count + 2
  }
}

/// Counts the page tables of one level that ranges need.
private struct PageTableCensus {
  /// How much one table covers, in bytes.
  let span: UInt64
  private(set) var count = 0
  /// The first table that has not been counted.
  private var next: UInt64 = 0

  init(span: UInt64) {
    self.span = span
  }

  /// Ranges must come in ascending order.
  mutating func add(_ range: Range<UInt64>) {
    guard !range.isEmpty else { return }
    let first = max(range.lowerBound / span, next), last = (range.upperBound - 1) / span
    guard first <= last else { return }
    count += Int(last - first + 1)
    next = last + 1
  }
}
