/// What a program did wrong with a block of the heap, found while freeing or resizing it.
///
/// The heap is left as it was before the call, except that the misused block stays allocated. A caller is expected to
/// say it in words and stop: the program's memory can no longer be trusted.
public struct HeapMisuse: Error, Equatable, Sendable {
  /// The kinds of misuse that the heap detects.
  public enum Kind: Equatable, Sendable {
    /// A block at this address has been freed already. A slot that its slab has not handed out yet counts as freed.
    case doubleFree

    /// No block begins at this address: it is outside the heap, misaligned, inside a block, or was never handed out.
    case notAllocated

    /// The bytes behind the block were changed. `offset` is the distance in bytes from the start of the block to the
    /// first changed byte found. Only a heap that checks overruns reports this.
    case overrun(offset: Int)
  }

  /// The address that was passed in.
  public let address: UInt

  /// What is wrong with it.
  public let kind: Kind

  init(_ kind: Kind, _ pointer: UnsafeRawPointer) {
    self.address = UInt(bitPattern: pointer)
    self.kind = kind
  }
}
