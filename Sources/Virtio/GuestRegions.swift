import MachineABI

/// A range of guest-physical memory that devices may reach, and the host memory behind it.
public struct GuestRegion: Sendable {
  /// Guest-physical addresses.
  public var range: Range<UInt64>
  /// The first byte's host address. Invariant: `range.count` bytes, mapped as long as the machine exists.
  nonisolated(unsafe) public var host: UnsafeMutableRawPointer
  /// Whether devices may write it: no more than the guest itself may.
  public var isWritable: Bool

  /// A region of these properties; see them.
  public init(range: Range<UInt64>, host: UnsafeMutableRawPointer, isWritable: Bool) {
    self.range = range
    self.host = host
    self.isWritable = isWritable
  }
}

/// The guest memory that devices may reach: what the guest's own application may read or write, and nothing else. A device
/// that wrote page tables or trap stubs for its driver would undo what the page tables protect.
public struct GuestRegions: Sendable {
  /// Disjoint, the greatest first, where most of what descriptors name lies; neighbours that continue each other on both sides
  /// are one.
  private let regions: [GuestRegion]

  /// - Parameter regions: disjoint, in any order.
  public init(_ regions: [GuestRegion]) {
    var merged: [GuestRegion] = []
    for region in regions.sorted(by: { $0.range.lowerBound < $1.range.lowerBound }) where !region.range.isEmpty {
      if let last = merged.last {
        precondition(last.range.upperBound <= region.range.lowerBound, "regions are disjoint")
        if last.range.upperBound == region.range.lowerBound, last.isWritable == region.isWritable,
          last.host + last.range.count == region.host
        {
          merged[merged.count - 1].range = last.range.lowerBound..<region.range.upperBound
          continue
        }
      }
      merged.append(region)
    }
    self.regions = merged.sorted { $0.range.count > $1.range.count }
  }

  /// The host memory behind `count` bytes that a device may read; nil unless all of them lie in one region.
  public func readable(_ address: UInt64, count: Int) -> UnsafeRawBufferPointer? {
    find(address, count, toWrite: false).map { UnsafeRawBufferPointer(start: $0, count: count) }
  }

  /// The host memory behind `count` bytes that a device may write; nil unless all of them lie in one writable region.
  public func writable(_ address: UInt64, count: Int) -> UnsafeMutableRawBufferPointer? {
    find(address, count, toWrite: true).map { UnsafeMutableRawBufferPointer(start: $0, count: count) }
  }

  private func find(_ address: UInt64, _ count: Int, toWrite: Bool) -> UnsafeMutableRawPointer? {
    guard count >= 0 else { return nil }
    for index in regions.indices where regions[index].range.contains(address) {
      let region = regions[index]
      let offset = address - region.range.lowerBound
      guard UInt64(count) <= region.range.upperBound - address, region.isWritable || !toWrite else { return nil }
      return region.host + Int(offset)
    }
    return nil
  }
}
