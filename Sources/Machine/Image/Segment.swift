import MachineABI

/// What a guest may do with a page beyond reading it.
public struct Protection: Equatable, Sendable {
  /// Whether the guest may write it.
  public let isWritable: Bool
  /// Whether the guest may execute it.
  public let isExecutable: Bool

  /// Rights beyond reading.
  public init(isWritable: Bool, isExecutable: Bool) {
    self.isWritable = isWritable
    self.isExecutable = isExecutable
  }
}

/// A loadable segment (`PT_LOAD`) that passed every check.
public struct Segment: Equatable, Sendable {
  /// Where its bytes lie in the file: a multiple of the page size. `fileOffset + fileSize` is within the file.
  public let fileOffset: UInt64
  /// How many bytes come from the file; at most `memorySize`. The rest is zero.
  public let fileSize: UInt64
  /// Its link-time address: a multiple of the page size.
  public let address: UInt64
  /// Its size in memory in bytes, above zero and not rounded. Equal to `fileSize` unless the segment is writable.
  public let memorySize: UInt64
  /// Never both writable and executable.
  public let protection: Protection
  /// Whether it holds the trap table, and so is for ring 0 alone.
  public internal(set) var isSupervisor = false

  /// The address behind its last byte, rounded up to a page.
  public var pageEnd: UInt64 { (address + memorySize).roundedUpToPage }

  /// Whether `count` bytes at `address` lie within the segment's memory.
  func contains(_ address: UInt64, count: UInt64) -> Bool {
    address >= self.address && address - self.address <= memorySize && memorySize - (address - self.address) >= count
  }

  /// Whether `count` bytes at `address` lie within the part that comes from the file.
  func holdsFileBytes(at address: UInt64, count: UInt64) -> Bool {
    address >= self.address && address - self.address <= fileSize && fileSize - (address - self.address) >= count
  }
}

extension UInt64 {
  var isPageAligned: Bool { self % UInt64(pageSize) == 0 }

  /// The next multiple of the page size. The caller has checked that this does not overflow.
  var roundedUpToPage: UInt64 { (self + UInt64(pageSize) - 1) & ~(UInt64(pageSize) - 1) }
}
