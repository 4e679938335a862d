/// One change in a batch: a key, and where the value is that it got, if it got one.
struct Record: Equatable {
  let key: StorageKey
  /// Nil if the key was deleted.
  let value: ValueLocation?

  /// What comes before the key: a byte that says what happened to it, its length (2 bytes), and the value's length and
  /// checksum (4 bytes each).
  static let headerByteCount = 11

  /// The first byte of a record.
  enum Kind: UInt8 {
    case set = 1
    case deletion = 2
  }

  /// What a pair takes in the log, in bytes.
  static func byteCount(key: StorageKey, valueByteCount: Int) -> UInt64 {
    UInt64(headerByteCount + key.bytes.count + valueByteCount)
  }
}

/// Where a value is in the log.
struct ValueLocation: Equatable {
  var position: UInt64
  var byteCount: UInt32
  /// Of the value as it was set.
  var checksum: UInt32
}
