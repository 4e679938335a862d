/// What a `Storage` keeps its data on: a row of sectors that are written one by one.
///
/// What `Storage` relies on, besides what is said at each function: a sector of 512 bytes is written whole or not at
/// all, and writing one leaves the others as they were. Between two flushes, writes may reach the medium in any order.
public protocol BlockStorage: Sendable {
  /// What goes wrong with this kind of device.
  associatedtype Failure: Error

  /// How many bytes it holds. What is beyond the last whole sector is not used.
  var byteCount: UInt64 { get }

  /// Fills `buffer` with what is at `offset`.
  ///
  /// - Parameters:
  ///   - buffer: Stays valid until the call returns; a multiple of 512 bytes.
  ///   - offset: In bytes from the start of the device, a multiple of 512. The whole of the buffer is on the device.
  nonisolated(nonsending) func read(
    into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64
  ) async throws(Failure)

  /// Writes `buffer` to `offset`; durable after the next `flush`.
  ///
  /// - Parameters:
  ///   - buffer: Stays valid and unchanged until the call returns; a multiple of 512 bytes.
  ///   - offset: In bytes from the start of the device, a multiple of 512. The whole of the buffer is on the device.
  nonisolated(nonsending) func write(_ buffer: UnsafeRawBufferPointer, at offset: UInt64) async throws(Failure)

  /// Returns when all writes that had returned before the call will survive a loss of power.
  nonisolated(nonsending) func flush() async throws(Failure)
}
