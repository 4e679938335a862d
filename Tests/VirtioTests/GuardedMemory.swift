import CLinux
import Testing

@testable import Virtio

/// Guest memory in several regions, each between guard pages in the host, so that any byte touched outside is a
/// SIGSEGV. The host mapping of the read-only region is PROT_READ.
final class GuardedMemory {
  /// Where a region is in guest-physical addresses.
  struct Area {
    var address: UInt64
    var count: Int
    var isWritable = true
  }

  /// Ordinary memory: where `allocate` takes from.
  static let main = Area(address: 0x10_0000, count: 0x8_0000)
  /// Memory that devices may only read.
  static let readOnly = Area(address: 0x20_0000, count: 0x1_0000, isWritable: false)
  /// Two regions that touch in the guest, but not in the host.
  static let lower = Area(address: 0x4000_0000, count: 0x4000)
  static let upper = Area(address: 0x4000_4000, count: 0x4000)
  /// As high as a region can be.
  static let highest = Area(address: 0xffff_ffff_ffff_e000, count: 0x1000)
  static let usualAreas = [main, readOnly, lower, upper, highest]

  let areas: [Area]
  let regions: GuestRegions
  private let hosts: [UnsafeMutableRawPointer]
  private let mappings: [(base: UnsafeMutableRawPointer, count: Int)]
  private var allocated: UInt64

  private static let guardBytes = 0x1_0000

  init(_ areas: [Area] = usualAreas) {
    self.areas = areas
    var hosts: [UnsafeMutableRawPointer] = []
    var mappings: [(UnsafeMutableRawPointer, Int)] = []
    for area in areas {
      let (base, host) = Self.map(area.count)
      if !area.isWritable {
        for index in 0..<area.count {
          host.storeBytes(of: UInt8(truncatingIfNeeded: index &* 7), toByteOffset: index, as: UInt8.self)
        }
        precondition(mprotect(host, area.count, PROT_READ) == 0)
      }
      hosts.append(host)
      mappings.append((base, area.count + 2 * Self.guardBytes))
    }
    self.hosts = hosts
    self.mappings = mappings
    regions = GuestRegions(
      zip(areas, hosts).map { area, host in
        GuestRegion(
          range: area.address..<area.address + UInt64(area.count), host: host, isWritable: area.isWritable)
      })
    allocated = areas[0].address
  }

  deinit {
    for mapping in mappings { munmap(mapping.base, mapping.count) }
  }

  /// Zeroed pages with guards on both sides: the whole mapping, and the first usable byte.
  static func map(_ count: Int) -> (base: UnsafeMutableRawPointer, host: UnsafeMutableRawPointer) {
    precondition(count % 4096 == 0)
    let base = mmap(nil, count + 2 * guardBytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)!
    precondition(base != linux_map_failed())
    precondition(mprotect(base + guardBytes, count, PROT_READ | PROT_WRITE) == 0)
    return (base, base + guardBytes)
  }
  static func unmap(base: UnsafeMutableRawPointer, count: Int) { munmap(base, count + 2 * guardBytes) }

  /// The host address of guest memory, as the guest itself uses it.
  func host(_ address: UInt64, count: Int) -> UnsafeMutableRawPointer {
    var index = 0
    while index < areas.count {
      let start = areas[index].address
      if address >= start, address - start + UInt64(count) <= UInt64(areas[index].count) {
        return hosts[index] + Int(address - start)
      }
      index += 1
    }
    preconditionFailure("the test names memory that the guest does not have")
  }

  /// Memory from the first region that nothing else uses.
  func allocate(_ count: Int, alignment: UInt64 = 16) -> UInt64 {
    let address = (allocated + alignment - 1) / alignment * alignment
    allocated = address + UInt64(count)
    precondition(allocated <= areas[0].address + UInt64(areas[0].count), "the test's memory is used up")
    return address
  }
  /// Everything that was allocated is free again.
  func freeAll() { allocated = areas[0].address }

  func load<Value: FixedWidthInteger>(_ address: UInt64, as type: Value.Type = Value.self) -> Value {
    Value(littleEndian: host(address, count: MemoryLayout<Value>.size).loadUnaligned(as: Value.self))
  }
  func store<Value: FixedWidthInteger>(_ value: Value, at address: UInt64) {
    host(address, count: MemoryLayout<Value>.size).storeBytes(of: value.littleEndian, as: Value.self)
  }
  func store(_ bytes: some Collection<UInt8>, at address: UInt64) {
    UnsafeMutableRawBufferPointer(start: host(address, count: bytes.count), count: bytes.count).copyBytes(from: bytes)
  }
  func bytes(_ address: UInt64, count: Int) -> [UInt8] {
    [UInt8](UnsafeRawBufferPointer(start: host(address, count: count), count: count))
  }
}
