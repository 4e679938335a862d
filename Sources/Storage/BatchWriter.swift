/// Writes a batch to the free part of the log, front to back in large pieces, and its first sector last: that one has the
/// header, with checksums of everything else.
struct BatchWriter<Device: BlockStorage> {
  typealias Failure = StorageError<Device.Failure>

  private let medium: LogMedium<Device>
  private let position: UInt64
  private let buffer: SectorBuffer
  /// The first sector, once the buffer was needed for others.
  private var firstSector: SectorBuffer?
  /// Where the buffer's first byte belongs.
  private var bufferPosition: UInt64
  private var bufferedByteCount = BatchHeader.byteCount
  private var checksum = CRC32C()

  /// - Parameters:
  ///   - position: Where the batch starts.
  ///   - byteCount: How long it will be.
  init(medium: LogMedium<Device>, position: UInt64, byteCount: UInt64) {
    self.medium = medium
    self.position = position
    bufferPosition = position
    buffer = SectorBuffer(byteCount: Int(min(byteCount, 128 << 10)))
  }

  nonisolated(nonsending) mutating func append(_ bytes: [UInt8]) async throws(Failure) {
    var appended = 0
    while appended < bytes.count {
      if isFull { try await writeBuffer() }
      appended += bytes.withUnsafeBytes { fill(from: UnsafeRawBufferPointer(rebasing: $0[appended...])) }
    }
  }

  /// Appends bytes that stay where they are during the call.
  nonisolated(nonsending) mutating func append(_ bytes: UnsafeRawBufferPointer) async throws(Failure) {
    var appended = 0
    while appended < bytes.count {
      if isFull { try await writeBuffer() }
      appended += fill(from: UnsafeRawBufferPointer(rebasing: bytes[appended...]))
    }
  }

  private var isFull: Bool { bufferedByteCount == buffer.bytes.count }

  /// Copies as much as there is room for in the buffer, and returns how much that was.
  private mutating func fill(from bytes: UnsafeRawBufferPointer) -> Int {
    let count = min(bytes.count, buffer.bytes.count - bufferedByteCount)
    let source = UnsafeRawBufferPointer(rebasing: bytes[..<count])
    UnsafeMutableRawBufferPointer(rebasing: buffer.bytes[bufferedByteCount..<(bufferedByteCount + count)])
      .copyMemory(from: source)
    checksum.add(source)
    bufferedByteCount += count
    return count
  }

  /// The checksum of what was appended since the last call.
  mutating func takeChecksum() -> UInt32 {
    defer { checksum = CRC32C() }
    return checksum.value
  }

  /// Writes what is left, and the header, whose checksum is set.
  nonisolated(nonsending) mutating func finish(_ header: inout BatchHeader) async throws(Failure) {
    let end = Int(sectors(covering: UInt64(bufferedByteCount)))
    UnsafeMutableRawBufferPointer(rebasing: buffer.bytes[bufferedByteCount..<end])
      .initializeMemory(as: UInt8.self, repeating: 0)
    bufferedByteCount = end
    if let firstSector {
      try await writeBuffer()
      header.write(to: firstSector.bytes)
      try await medium.write(UnsafeRawBufferPointer(firstSector.bytes), at: position)
    } else {
      header.write(to: buffer.bytes)
      try await medium.write(UnsafeRawBufferPointer(rebasing: buffer.bytes[..<end]), at: position)
    }
  }

  private nonisolated(nonsending) mutating func writeBuffer() async throws(Failure) {
    var start = 0
    if firstSector == nil {
      start = Int(sectorByteCount)
      let sector = SectorBuffer(byteCount: start)
      sector.bytes.copyMemory(from: UnsafeRawBufferPointer(rebasing: buffer.bytes[..<start]))
      firstSector = sector
    }
    let end = bufferedByteCount
    bufferedByteCount = 0
    let next = bufferPosition + UInt64(end)
    if start < end {
      let bytes = UnsafeRawBufferPointer(rebasing: buffer.bytes[start..<end])
      try await medium.write(bytes, at: bufferPosition + UInt64(start))
    }
    bufferPosition = next
  }
}
