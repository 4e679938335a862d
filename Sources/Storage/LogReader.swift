/// Reads the log from front to back, in large pieces.
///
/// What it gave out points into its buffer, and is valid until it is asked for more.
struct LogReader<Device: BlockStorage> {
  typealias Failure = StorageError<Device.Failure>

  let medium: LogMedium<Device>
  /// Far larger than a batch's header, or a record with the longest key.
  private let buffer: SectorBuffer
  /// The positions that are in the buffer.
  private var buffered: Range<UInt64> = 0..<0

  init(medium: LogMedium<Device>) {
    self.medium = medium
    buffer = SectorBuffer(byteCount: Int(min(64 << 10, medium.ring.byteCount)))
  }

  /// The bytes from `position` on: as many as asked for, which is not more than half of the buffer.
  nonisolated(nonsending) mutating func bytes(
    at position: UInt64, count: Int
  ) async throws(Failure) -> UnsafeRawBufferPointer {
    if position < buffered.lowerBound || position + UInt64(count) > buffered.upperBound { try await fill(at: position) }
    let offset = Int(position - buffered.lowerBound)
    return UnsafeRawBufferPointer(rebasing: buffer.bytes[offset..<(offset + count)])
  }

  /// The bytes from `position` on, at most as many as asked for and at least one.
  nonisolated(nonsending) mutating func someBytes(
    at position: UInt64, upTo count: UInt64
  ) async throws(Failure) -> UnsafeRawBufferPointer {
    if !buffered.contains(position) { try await fill(at: position) }
    let count = Int(min(count, buffered.upperBound - position))
    return try await bytes(at: position, count: count)
  }

  /// The checksum of a range.
  nonisolated(nonsending) mutating func checksum(at position: UInt64, count: UInt64) async throws(Failure) -> UInt32 {
    var checksum = CRC32C()
    var next = position
    while next < position + count {
      let bytes = try await someBytes(at: next, upTo: position + count - next)
      checksum.add(bytes)
      next += UInt64(bytes.count)
    }
    return checksum.value
  }

  private nonisolated(nonsending) mutating func fill(at position: UInt64) async throws(Failure) {
    let start = sectors(within: position)
    buffered = 0..<0
    try await medium.read(into: buffer.bytes, at: start)
    buffered = start..<(start + UInt64(buffer.bytes.count))
  }
}

// MARK: Batches

extension LogReader {
  /// The header at `position` if it is the one of batch `sequence` of this store.
  nonisolated(nonsending) mutating func header(
    at position: UInt64, identity: UInt64, sequence: UInt64
  ) async throws(Failure) -> BatchHeader? {
    let bytes = try await bytes(at: position, count: BatchHeader.byteCount)
    return BatchHeader(bytes, identity: identity, sequence: sequence, position: position, ring: medium.ring)
  }

  /// Whether all of a batch is on the device.
  nonisolated(nonsending) mutating func isWhole(_ header: BatchHeader) async throws(Failure) -> Bool {
    let records = try await checksum(at: header.recordsPosition, count: UInt64(header.recordsByteCount))
    guard records == header.recordsChecksum else { return false }
    let values = try await checksum(at: header.valuesPosition, count: UInt64(header.valuesByteCount))
    return values == header.valuesChecksum
  }

  /// A batch that was committed is not as it was written.
  func damaged(at position: UInt64) -> Failure {
    .damaged(at: medium.ring.deviceOffset(of: position))
  }
}
