/// Goes through the records of one batch.
struct RecordCursor<Device: BlockStorage> {
  typealias Failure = StorageError<Device.Failure>

  private let header: BatchHeader
  private var position: UInt64
  private var valuePosition: UInt64
  private var checksum = CRC32C()

  init(_ header: BatchHeader) {
    self.header = header
    position = header.recordsPosition
    valuePosition = header.valuesPosition
  }

  /// The next record; nil after the last.
  ///
  /// - Throws: `damaged` for records that are none, and at the end if the checksum is not the header's. So what was
  ///   returned is to be believed only when nil has come.
  nonisolated(nonsending) mutating func next(_ reader: inout LogReader<Device>) async throws(Failure) -> Record? {
    let end = header.valuesPosition
    guard position < end else {
      guard checksum.value == header.recordsChecksum, valuePosition == end + UInt64(header.valuesByteCount) else {
        throw reader.damaged(at: header.position)
      }
      return nil
    }
    guard end - position > Record.headerByteCount else { throw reader.damaged(at: position) }
    var bytes = try await reader.bytes(at: position, count: Record.headerByteCount)
    let kind = Record.Kind(rawValue: bytes[0])
    let keyByteCount = Int(bytes.number(at: 1, as: UInt16.self))
    let byteCount = Record.headerByteCount + keyByteCount
    guard let kind, 1...StorageLimits.keyByteCount ~= keyByteCount, UInt64(byteCount) <= end - position else {
      throw reader.damaged(at: position)
    }
    bytes = try await reader.bytes(at: position, count: byteCount)
    checksum.add(bytes)
    let key = StorageKey(Array(bytes[Record.headerByteCount...]))
    let value = ValueLocation(
      position: valuePosition, byteCount: bytes.number(at: 3), checksum: bytes.number(at: 7))
    let valuesEnd = end + UInt64(header.valuesByteCount)
    guard value.byteCount <= StorageLimits.valueByteCount, UInt64(value.byteCount) <= valuesEnd - valuePosition,
      kind == .set || value.byteCount == 0
    else { throw reader.damaged(at: position) }
    position += UInt64(byteCount)
    valuePosition += UInt64(value.byteCount)
    return Record(key: key, value: kind == .set ? value : nil)
  }
}
