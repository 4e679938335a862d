/// How much of the heap is used, at one moment. All sizes are in bytes.
///
/// `regionSize` = the heap's own tables + what blocks occupy + what is free for any size + the free slots in slabs.
public struct HeapStatistics: Equatable, Sendable {
  /// The size of the region that the heap manages, its own tables included.
  public let regionSize: Int

  /// What the live blocks occupy, rounding and guard bytes included.
  public let bytesInUse: Int

  /// The highest value that `bytesInUse` has had.
  public let peakBytesInUse: Int

  /// What is free for blocks of any size. Free slots in slabs that are partly in use are not counted.
  public let freeBytes: Int

  /// The longest contiguous part of `freeBytes`. Equal to `freeBytes` when nothing is fragmented.
  public let largestFreeRun: Int

  /// The number of blocks handed out so far. A resize that moves a block counts as one more, one in place does not.
  public let allocations: Int

  /// The number of blocks taken back so far; the number of live blocks is the difference.
  public let deallocations: Int
}
