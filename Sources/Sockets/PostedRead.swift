import Network

/// The memory of a reader that waits: bytes that come meanwhile go there, and nowhere else before.
///
/// Invariant: the memory is that of a span which the reader's task has exclusive access to from `post` to `takeBack`, in one
/// function of its own that suspends in between; and all of it happens in the stack's thread, or with its lock held.
struct PostedRead {
  private var memory = UnsafeMutableRawBufferPointer(start: nil, count: 0)
  /// How much of it is filled.
  private(set) var byteCount = 0
  /// Whether there is a reader.
  private(set) var isPosted = false

  /// - Returns: false when another reader has posted its memory: one at a time.
  mutating func post(_ span: inout MutableRawSpan) -> Bool {
    guard !isPosted else { return false }
    memory = span.withUnsafeMutableBytes { $0 }
    isPosted = true
    return true
  }

  /// Copies bytes, as many as there is room for.
  mutating func take(_ bytes: RawSpan) -> Int {
    let count = min(bytes.byteCount, memory.count - byteCount)
    guard count > 0 else { return 0 }
    bytes.withUnsafeBytes {
      UnsafeMutableRawBufferPointer(rebasing: memory[byteCount...]).copyMemory(
        from: UnsafeRawBufferPointer(rebasing: $0[..<count]))
    }
    byteCount += count
    return count
  }

  /// The memory is the reader's alone again; returns how much of it is filled.
  mutating func takeBack() -> Int {
    defer { self = PostedRead() }
    return byteCount
  }
}
