/// Where the value of every committed key is.
struct KeyIndex {
  private(set) var locations: [StorageKey: ValueLocation] = [:]
  /// What the pairs take in the log, in bytes.
  private(set) var liveByteCount: UInt64 = 0
  /// What the keys take in memory, in bytes: an estimate.
  private(set) var memoryByteCount = 0

  /// The key's new value is at `location`, or it has none any more.
  mutating func update(_ key: StorageKey, to location: ValueLocation?) {
    let old: ValueLocation?
    if let location {
      old = locations.updateValue(location, forKey: key)
      liveByteCount += Record.byteCount(key: key, valueByteCount: Int(location.byteCount))
    } else {
      old = locations.removeValue(forKey: key)
    }
    if let old { liveByteCount -= Record.byteCount(key: key, valueByteCount: Int(old.byteCount)) }
    if (old == nil) != (location == nil) {
      memoryByteCount += (location == nil ? -1 : 1) * Self.memoryByteCount(of: key)
    }
  }

  /// What a key takes in memory, in bytes.
  static func memoryByteCount(of key: StorageKey) -> Int { key.bytes.count + StorageLimits.indexByteCountPerKey }

  /// Whether the value of a record is what its key has now.
  func isLive(_ record: Record) -> Bool {
    guard let location = record.value else { return false }
    return locations[record.key] == location
  }
}
