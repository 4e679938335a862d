import CLinux

/// Memory of the host's own that is as aligned as direct access needs, owned by one request.
final class BounceBuffer {
  /// Of each, in bytes. A device has no more of them than its queue has entries: 4 MiB.
  static let byteCount = 1 << 14

  let bytes: UnsafeMutableRawBufferPointer
  /// What names all or the front of it to the kernel.
  private let vector: UnsafeMutableBufferPointer<iovec>

  /// - Parameter alignment: a power of two, in bytes.
  init(alignment: Int) {
    bytes = .allocate(byteCount: Self.byteCount, alignment: alignment)
    vector = .allocate(capacity: 1)
    vector.initialize(repeating: iovec())
  }

  deinit {
    vector.deallocate()
    bytes.deallocate()
  }

  /// The first `count` bytes.
  func vectors(count: Int) -> UnsafeMutableBufferPointer<iovec> {
    vector[0] = iovec(iov_base: bytes.baseAddress, iov_len: count)
    return vector
  }
}
