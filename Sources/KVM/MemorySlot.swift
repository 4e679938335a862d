/// A range of guest-physical addresses backed by host memory (KVM API, 4.35 KVM_SET_USER_MEMORY_REGION).
public struct MemorySlot {
  /// Its number, unique within the machine.
  public let number: UInt32
  /// Where the guest sees it; page aligned.
  public let guestAddress: UInt64
  /// The host memory behind it; page aligned.
  public let hostAddress: UnsafeMutableRawPointer
  /// Its size in bytes; a multiple of the page size, above zero.
  public let byteCount: Int
  /// Whether the guest, ring 0 included, cannot write it: a write then reaches the monitor as an MMIO exit.
  public let isReadOnly: Bool

  /// A slot of these properties; see them.
  public init(
    number: UInt32, guestAddress: UInt64, hostAddress: UnsafeMutableRawPointer, byteCount: Int, isReadOnly: Bool
  ) {
    self.number = number
    self.guestAddress = guestAddress
    self.hostAddress = hostAddress
    self.byteCount = byteCount
    self.isReadOnly = isReadOnly
  }
}
