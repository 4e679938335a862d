/// Where to find what there is between two ends.
enum ConnectionReference: Equatable {
  /// The number of a socket.
  case socket(Int)
  /// The number of a handshake in `HalfOpenTable`.
  case halfOpen(Int)
  /// The number of a record in `TimeWaitTable`.
  case timeWait(Int)
}

/// All connections by their two ends: a hash table with linear probing.
struct ConnectionTable {
  private struct Entry {
    var key: ConnectionKey
    /// nil: nothing is here.
    var reference: ConnectionReference?
  }

  /// A power of two of them, at most three quarters used.
  private var entries: [Entry] = []
  private(set) var count = 0
  private let secret: (UInt64, UInt64)
  private static let smallestCapacity = 16

  init(secret: (UInt64, UInt64)) {
    self.secret = secret
  }

  subscript(_ key: ConnectionKey) -> ConnectionReference? {
    guard count > 0 else { return nil }
    var index = home(of: key)
    while let reference = entries[index].reference {
      if entries[index].key == key { return reference }
      index = next(index)
    }
    return nil
  }

  /// Sets what is between two ends, instead of what may be there.
  mutating func set(_ reference: ConnectionReference, for key: ConnectionKey) {
    if (count + 1) * 4 > entries.count * 3 { resize(max(entries.count * 2, Self.smallestCapacity)) }
    var index = home(of: key)
    while entries[index].reference != nil {
      if entries[index].key == key {
        entries[index].reference = reference
        return
      }
      index = next(index)
    }
    entries[index] = Entry(key: key, reference: reference)
    count += 1
  }

  mutating func remove(_ key: ConnectionKey) {
    guard count > 0 else { return }
    var hole = home(of: key)
    while entries[hole].key != key || entries[hole].reference == nil {
      guard entries[hole].reference != nil else { return }
      hole = next(hole)
    }
    // What is behind and would not be found any more moves up (Knuth, volume 3, 6.4, algorithm R).
    var index = next(hole)
    while entries[index].reference != nil {
      let distance = (index &- home(of: entries[index].key)) & (entries.count - 1)
      if distance >= (index &- hole) & (entries.count - 1) {
        entries[hole] = entries[index]
        hole = index
      }
      index = next(index)
    }
    entries[hole].reference = nil
    count -= 1
    if entries.count > Self.smallestCapacity, count * 8 < entries.count { resize(entries.count / 2) }
  }

  private func home(of key: ConnectionKey) -> Int {
    Int(truncatingIfNeeded: key.hash(secret)) & (entries.count - 1)
  }

  private func next(_ index: Int) -> Int { (index + 1) & (entries.count - 1) }

  private mutating func resize(_ capacity: Int) {
    let old = entries
    let none = ConnectionKey(
      local: SocketAddress(.v4(.any), port: 0), remote: SocketAddress(.v4(.any), port: 0))
    entries = [Entry](repeating: Entry(key: none, reference: nil), count: capacity)
    for entry in old where entry.reference != nil {
      var index = home(of: entry.key)
      while entries[index].reference != nil { index = next(index) }
      entries[index] = entry
    }
  }
}
