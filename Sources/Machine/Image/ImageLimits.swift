import MachineABI

/// How large the parts of an image may be. Every limit stops a file of a few bytes from asking for unbounded work or
/// memory.
public enum ImageLimits {
  /// From the lowest to the highest address: stops a segment without file bytes that claims the whole address space.
  public static let span: UInt64 = 1 << 30
  /// All link-time addresses lie below this one (32 GiB), so that no sum of addresses and sizes can overflow.
  public static let addressEnd: UInt64 = 1 << 35
  /// The lowest address of an image that cannot be moved and declares no device: page 0 stays unmapped, and the pages
  /// that catch null pointers with an offset do too.
  public static let lowestFixedAddress: UInt64 = 0x10000
  /// The lowest address of an image that cannot be moved: each device's register page, below the control page, takes one
  /// page more.
  ///
  /// - Parameter deviceCount: at most `NEEDLETAIL_DEVICE_LIMIT`.
  public static func lowestFixedAddress(deviceCount: Int) -> UInt64 {
    lowestFixedAddress + UInt64(deviceCount * pageSize)
  }
  /// Program headers; their table must fit into the page that the loader reads.
  public static let programHeaders: UInt64 = 64
  /// Bytes of one `PT_NOTE`: stops a walk over notes as long as the file.
  public static let noteSize: UInt64 = 16 << 10
  /// Bytes of `PT_DYNAMIC`: 256 entries.
  public static let dynamicSize: UInt64 = 4096
  /// The monitor fills one block before the guest runs.
  public static let threadLocalSize: UInt64 = 64 << 10
  /// Of the stack that an image asks for, in bytes: less would not hold a start.
  public static let leastStackSize: UInt64 = 16 << 10
  /// As above, the most: stops a stack that is larger than any memory it should be in.
  public static let stackSize: UInt64 = 1 << 30
}
