/// What was changed and is not committed: for every key, the last change.
struct Changes {
  /// The new value; nil for a deletion.
  typealias Change = [UInt8]?

  private(set) var changes: [StorageKey: Change] = [:]
  /// What they take in a batch, in bytes.
  private(set) var byteCount: UInt64 = 0

  var isEmpty: Bool { changes.isEmpty }

  /// What they would take with this change.
  func byteCount(setting key: StorageKey, to change: Change) -> UInt64 {
    let old = changes[key].map { Self.byteCount(of: key, $0) } ?? 0
    return byteCount - old + Self.byteCount(of: key, change)
  }

  mutating func set(_ key: StorageKey, to change: Change) {
    byteCount = byteCount(setting: key, to: change)
    changes.updateValue(change, forKey: key)
  }

  /// Adds what changed later.
  mutating func apply(_ later: Changes) {
    for (key, change) in later.changes { set(key, to: change) }
  }

  private static func byteCount(of key: StorageKey, _ change: Change) -> UInt64 {
    Record.byteCount(key: key, valueByteCount: change?.count ?? 0)
  }
}
