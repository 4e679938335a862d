import Glibc
import Testing

@testable import GuestKernel

/// A zeroed, page-aligned region of the host's memory for a heap to live in; untouched pages cost nothing.
struct HeapRegion: ~Copyable {
  let base: UnsafeMutableRawPointer
  let size: Int

  /// Maps `size` bytes at a multiple of 2 MiB plus `skew`, so that outcomes do not depend on where the host maps.
  init(size: Int, skew: Int = 0) {
    let alignment = Heap.maximumAlignment
    let mappedSize = size + 2 * alignment
    let mapped = mmap(
      nil, mappedSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)!
    precondition(mapped != MAP_FAILED, "no memory for a test region")
    let address = UInt(bitPattern: mapped)
    let aligned = (address + UInt(alignment) - 1) & ~(UInt(alignment) - 1)
    mapping = (mapped, mappedSize)
    base = mapped + Int(aligned - address) + skew
    self.size = size
    precondition(madvise(mapped, mappedSize, MADV_NOHUGEPAGE) == 0, "pages of 4 KiB are needed to count them")
  }

  deinit { munmap(mapping.0, mapping.1) }

  /// The number of pages of 4 KiB that have been read or written so far, as the host's kernel sees it.
  var touchedPages: Int {
    var resident = [UInt8](repeating: 0, count: (size + 4095) / 4096)
    precondition(mincore(base, size, &resident) == 0, "mincore failed")
    return resident.count { $0 & 1 != 0 }
  }

  private let mapping: (UnsafeMutableRawPointer, Int)
}

/// A heap in a region of its own.
///
/// A class, because the macros of Swift Testing take no values that cannot be copied.
final class TestHeap {
  let region: HeapRegion
  private(set) var heap: Heap

  init(size: Int, skew: Int = 0, checksOverruns: Bool = Heap.checksOverrunsByDefault) {
    region = HeapRegion(size: size, skew: skew)
    heap = Heap(base: region.base, size: size, checksOverruns: checksOverruns)
  }

  var base: UnsafeMutableRawPointer { region.base }
  var size: Int { region.size }
  var touchedPages: Int { region.touchedPages }
  var statistics: HeapStatistics { heap.statistics }
  var checksOverruns: Bool { heap.checksOverruns }
  var origin: UnsafeMutableRawPointer { heap.origin }

  func allocate(size: Int, alignment: Int = Heap.leastAlignment) -> UnsafeMutableRawPointer? {
    heap.allocate(size: size, alignment: alignment)
  }

  func deallocate(_ pointer: UnsafeMutableRawPointer) throws(HeapMisuse) { try heap.deallocate(pointer) }

  func reallocate(_ pointer: UnsafeMutableRawPointer, size: Int) throws(HeapMisuse) -> UnsafeMutableRawPointer? {
    try heap.reallocate(pointer, size: size)
  }

  func usableSize(of pointer: UnsafeMutableRawPointer) throws(HeapMisuse) -> Int { try heap.usableSize(of: pointer) }

  /// What a block occupies, guard included.
  func capacity(of pointer: UnsafeMutableRawPointer) throws(HeapMisuse) -> Int {
    try heap.liveBlock(at: pointer).capacity
  }

  /// Undoes an overrun.
  func repairGuard(of pointer: UnsafeMutableRawPointer, size: Int) throws(HeapMisuse) {
    heap.writeGuard(try heap.liveBlock(at: pointer), size: size)
  }

  /// The misuse that is found when `pointer` is freed, or nil.
  func misuse(deallocating pointer: UnsafeMutableRawPointer) -> HeapMisuse? {
    do { try deallocate(pointer) } catch { return error }
    return nil
  }

  /// The misuse that is found when `pointer` is resized, or nil.
  func misuse(reallocating pointer: UnsafeMutableRawPointer) -> HeapMisuse? {
    do { _ = try reallocate(pointer, size: 1) } catch { return error }
    return nil
  }

  /// The misuse that is found when the size of `pointer` is asked for, or nil.
  func misuse(measuring pointer: UnsafeMutableRawPointer) -> HeapMisuse? {
    do { _ = try usableSize(of: pointer) } catch { return error }
    return nil
  }
}

extension HeapStatistics {
  /// Whether nothing is in use and all free memory is one run.
  var isEmptyAndWhole: Bool {
    bytesInUse == 0 && allocations == deallocations && freeBytes == largestFreeRun
  }
}
