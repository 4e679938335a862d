import CLinux
import KVM
import MachineABI

/// The host memory behind a machine: the image's span, then the writable memory, in one mapping.
///
/// Everything that reads or writes guest memory from the host goes through this type, which checks every address.
struct GuestMemory: ~Copyable {
  private let mapping: MemoryMapping
  private let layout: MachineLayout

  init(_ layout: MachineLayout) throws(SystemCallError) {
    mapping = try MemoryMapping(anonymous: Int(layout.imageSize + layout.memorySize))
    self.layout = layout
  }

  /// Replaces part of the image's span by a private mapping of the file, so that nothing is copied.
  ///
  /// - Parameters:
  ///   - file: the image.
  ///   - fileOffset: page aligned.
  ///   - range: guest addresses, page aligned, inside the image's span.
  borrowing func mapImage(
    _ file: borrowing FileDescriptor, at fileOffset: UInt64, to range: Range<UInt64>
  ) throws(SystemCallError) {
    try mapping.overlay(
      file, at: Int(fileOffset), on: Int(range.lowerBound - layout.imageBase), byteCount: range.count)
  }

  /// The host memory behind the whole image.
  borrowing func imageSpan() -> UnsafeMutableRawBufferPointer {
    UnsafeMutableRawBufferPointer(start: mapping.baseAddress, count: Int(layout.imageSize))
  }

  /// The host address behind a range of guest addresses; nil unless all of it is the image's or all of it is memory.
  borrowing func host(_ address: UInt64, count: Int) -> UnsafeMutableRawPointer? {
    guard count >= 0 else { return nil }
    if let offset = Self.offset(of: address, count, in: layout.imageBase, layout.imageSize) {
      return mapping.baseAddress + offset
    }
    if let offset = Self.offset(of: address, count, in: layout.memoryBase, layout.memorySize) {
      return mapping.baseAddress + Int(layout.imageSize) + offset
    }
    return nil
  }

  private static func offset(of address: UInt64, _ count: Int, in base: UInt64, _ size: UInt64) -> Int? {
    guard address >= base, address - base <= size, size - (address - base) >= UInt64(count) else { return nil }
    return Int(address - base)
  }

  /// Reads eight bytes; nil where there is no memory. The guest may change them at any time: read once, then check.
  borrowing func load(_ address: UInt64) -> UInt64? {
    guard let host = host(address, count: 8) else { return nil }
    return host.loadUnaligned(as: UInt64.self)
  }
}
