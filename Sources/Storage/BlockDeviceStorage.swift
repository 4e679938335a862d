import GuestKernel

extension BlockDevice: BlockStorage {
  // Whoever calls these keeps the buffer alive and to itself until they return, as a span wants it.

  /// See `BlockDevice.read(at:into:)`.
  public nonisolated(nonsending) func read(
    into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64
  ) async throws(BlockError) {
    var span = buffer.mutableBytes
    try await read(at: offset, into: &span)
  }

  /// See `BlockDevice.write(at:_:)`.
  public nonisolated(nonsending) func write(
    _ buffer: UnsafeRawBufferPointer, at offset: UInt64
  ) async throws(BlockError) {
    try await write(at: offset, buffer.bytes)
  }
}
