/// The bounds of every store. Some are lower on a small device: see `RingGeometry`.
public enum StorageLimits {
  /// Every key is in memory, and is written again whenever its value moves.
  public static let keyByteCount = 1024

  /// A value is handed over whole; what is larger is better kept in pieces.
  public static let valueByteCount = 1 << 20

  /// What one commit may take on the device, and with it what uncommitted changes may take of memory.
  public static let batchByteCount = 4 << 20

  /// The memory for keys that `Storage.open` allows unless told otherwise: a quarter of what a machine has by default.
  public static let indexByteCount = 16 << 20

  /// What a key costs in memory besides its bytes: the array's header, and its place in a table that may be half empty.
  public static let indexByteCountPerKey = 112

  /// The smallest device that a store fits on with some use.
  public static let deviceByteCount: UInt64 = 64 << 10
}
