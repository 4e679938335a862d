extension Log {
  /// Writes changes as one batch, and returns when it is durable.
  nonisolated(nonsending) func commit(_ changes: Changes) async throws(Failure) {
    let entries = entries(for: changes)
    guard !entries.isEmpty else { return }
    let byteCount = try checkedByteCount(of: entries)
    try await makeRoom(for: byteCount)
    try await append(entries, tail: .unchanged)
  }

  /// In the order of the keys, and without deletions of what is not there.
  private func entries(for changes: Changes) -> [BatchEntry] {
    var entries: [BatchEntry] = []
    entries.reserveCapacity(changes.changes.count)
    for (key, change) in changes.changes {
      if let bytes = change {
        entries.append(BatchEntry(key: key, content: .value(bytes)))
      } else if index.locations[key] != nil {
        entries.append(BatchEntry(key: key, content: .deletion))
      }
    }
    entries.sort { $0.key < $1.key }
    return entries
  }

  /// The size of the batch, if the store can take it. A commit that leaves the store no larger than it was is never
  /// refused for what the store holds.
  private func checkedByteCount(of entries: [BatchEntry]) throws(Failure) -> UInt64 {
    var byteCount: UInt64 = 0
    var live = index.liveByteCount
    var memory = index.memoryByteCount
    for entry in entries {
      let size = Record.byteCount(key: entry.key, valueByteCount: entry.valueByteCount)
      byteCount += size
      if case .value = entry.content {
        live += size
        memory += KeyIndex.memoryByteCount(of: entry.key)
      }
      if let old = index.locations[entry.key] {
        live -= Record.byteCount(key: entry.key, valueByteCount: Int(old.byteCount))
        memory -= KeyIndex.memoryByteCount(of: entry.key)
      }
    }
    let ring = medium.ring
    guard byteCount <= ring.changesByteLimit else {
      throw .tooManyChanges(byteCount: Int(byteCount), limit: Int(ring.changesByteLimit))
    }
    guard live <= ring.liveByteLimit || live <= index.liveByteCount else {
      throw .full(required: live, limit: ring.liveByteLimit)
    }
    guard memory <= indexByteLimit || memory <= index.memoryByteCount else {
      throw .tooManyKeys(byteCount: memory, limit: indexByteLimit)
    }
    return BatchHeader.batchByteCount(records: byteCount, values: 0)
  }
}
