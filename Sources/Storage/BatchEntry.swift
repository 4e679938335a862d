/// What is to become a record of a batch.
struct BatchEntry {
  enum Content {
    case deletion
    case value([UInt8])
    /// A value that is in the log already.
    case moved(ValueLocation)
  }

  let key: StorageKey
  let content: Content

  var valueByteCount: Int {
    switch content {
    case .deletion: 0
    case .value(let bytes): bytes.count
    case .moved(let location): Int(location.byteCount)
    }
  }

  /// The record if the value starts at `valuePosition`.
  func record(valuePosition: UInt64) -> Record {
    let checksum: UInt32
    switch content {
    case .deletion: return Record(key: key, value: nil)
    case .value(let bytes): checksum = CRC32C.of(bytes)
    case .moved(let location): checksum = location.checksum
    }
    let location = ValueLocation(position: valuePosition, byteCount: UInt32(valueByteCount), checksum: checksum)
    return Record(key: key, value: location)
  }
}

extension Record {
  /// The record as it is in a batch.
  var encoded: [UInt8] {
    let key = key.bytes
    return [UInt8](unsafeUninitializedCapacity: Self.headerByteCount + key.count) { buffer, count in
      let bytes = UnsafeMutableRawBufferPointer(buffer)
      bytes.store((value == nil ? Kind.deletion : .set).rawValue, at: 0)
      bytes.store(UInt16(key.count), at: 1)
      bytes.store(value?.byteCount ?? 0, at: 3)
      bytes.store(value?.checksum ?? 0, at: 7)
      UnsafeMutableRawBufferPointer(rebasing: bytes[Self.headerByteCount...]).copyBytes(from: key)
      count = buffer.count
    }
  }
}
