import CLinux

@testable import Virtio

/// The memory of a guest that fuzz targets fill: regions between guard pages, so that any byte touched outside is a
/// SIGSEGV. One for the process; an input finds it as every other did.
struct GuestMemory: @unchecked Sendable {
  struct Area {
    let address: UInt64
    let count: Int
    let isWritable: Bool
    /// Invariant: `count` bytes, mapped for ever, readable, and writable if the area is.
    let host: UnsafeMutableRawPointer

    init(_ address: UInt64, _ count: Int, isWritable: Bool = true) {
      self.address = address
      self.count = count
      self.isWritable = isWritable
      host = GuestMemory.map(count)
      if !isWritable { require(mprotect(host, count, PROT_READ) == 0, "mprotect") }
    }
  }

  static let shared = GuestMemory()

  /// Where rings are unless an input says otherwise.
  let main = Area(0x1_0000, 0x1_0000)
  /// Continues `main` in the guest, not in the host.
  let readOnly = Area(0x2_0000, 0x1000, isWritable: false)
  /// Two that touch in the guest, not in the host.
  let lower = Area(0x4000_0000, 0x1000)
  let upper = Area(0x4000_1000, 0x1000)
  /// As high as memory can be.
  let highest = Area(0xffff_ffff_ffff_e000, 0x1000)
  /// A device's registers.
  let registers = Area(0, 0x1000)

  let areas: [Area]
  let regions: GuestRegions

  private init() {
    areas = [main, readOnly, lower, upper, highest]
    regions = GuestRegions(
      areas.map {
        GuestRegion(range: $0.address..<$0.address + UInt64($0.count), host: $0.host, isWritable: $0.isWritable)
      })
  }

  /// Pages between guards.
  static func map(_ count: Int) -> UnsafeMutableRawPointer {
    let guardBytes = 0x1_0000
    let base = mmap(nil, count + 2 * guardBytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
    guard let base, base != linux_map_failed(), mprotect(base + guardBytes, count, PROT_READ | PROT_WRITE) == 0 else {
      fatalError("no memory")
    }
    return base + guardBytes
  }

  func clear() {
    for area in areas where area.isWritable { memset(area.host, 0, area.count) }
    memset(registers.host, 0, registers.count)
  }

  /// Whether host memory is the guest's, for reading or also for writing.
  func holds(_ start: UnsafeRawPointer, count: Int, toWrite: Bool) -> Bool {
    areas.contains {
      let offset = start - UnsafeRawPointer($0.host)
      return offset >= 0 && count <= $0.count && offset <= $0.count - count && ($0.isWritable || !toWrite)
    }
  }

  /// The guest's own write, as much of it as falls on its memory.
  func store(_ bytes: UnsafeRawBufferPointer, at address: UInt64) {
    guard let source = bytes.baseAddress else { return }
    for area in areas where area.isWritable && address >= area.address {
      let offset = address - area.address
      guard offset < UInt64(area.count) else { continue }
      memcpy(area.host + Int(offset), source, min(bytes.count, area.count - Int(offset)))
      return
    }
  }

  func store<Value: FixedWidthInteger>(_ value: Value, at address: UInt64) {
    withUnsafeBytes(of: value.littleEndian) { store($0, at: address) }
  }
}

extension FuzzInput {
  /// A guest-physical address: mostly of memory or close to its ends.
  mutating func address() -> UInt64 {
    let memory = GuestMemory.shared
    switch next(UInt8.self) & 15 {
    case 0...6: return memory.main.address + UInt64(next(UInt16.self))
    case 7, 8:
      // Close to an end, behind which there is nothing.
      let area = memory.areas[next(below: memory.areas.count)]
      return area.address + UInt64(area.count) - UInt64(next(UInt8.self))
    case 9, 10: return memory.readOnly.address + UInt64(next(UInt16.self) & 0x1fff)
    case 11, 12: return memory.lower.address + UInt64(next(UInt16.self) & 0x3fff)
    case 13, 14: return memory.highest.address + UInt64(next(UInt16.self) & 0x1fff)
    default: return next()
    }
  }
}
