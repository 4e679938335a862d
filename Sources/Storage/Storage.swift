/// Pairs of keys and values on a block device, which survive a crash at any moment.
///
///     let store = try await Storage.open(on: disk)
///     try await store.set("greeting", to: Array("hello".utf8))
///     try await store.commit()
///     let greeting = try await store.get("greeting")
///
/// Changes since the last commit form a transaction: `commit` returns when all of them are durable, and after a crash at
/// any moment either all of them are there or none. Reading sees them at once. Any number of tasks may use a store; they
/// share the one transaction.
///
/// Everything on the device has a checksum, so that damage is an error and never a wrong value. docs/storage.md has the
/// format and why a crash cannot hurt it.
public actor Storage<Device: BlockStorage> {
  /// What every operation throws.
  public typealias Failure = StorageError<Device.Failure>

  private let log: Log<Device>
  /// What the next commit will write.
  private var changes = Changes()
  /// What a commit is writing now.
  private var changesBeingCommitted: Changes?
  /// There is one commit at a time.
  private let commits = Turns()

  private init(_ log: sending Log<Device>) {
    self.log = log
  }

  // MARK: Opening

  /// Opens the store on a device, as the last commit left it.
  ///
  /// Nothing else may write to the device as long as the store is in use.
  ///
  /// - Parameter indexByteLimit: How much memory the keys may take, in bytes.
  /// - Throws: `notAStore`, `unsupportedVersion`, `damaged`, `deviceTooSmall`, `tooManyKeys`, and `device`.
  public static func open(
    on device: Device, indexByteLimit: Int = StorageLimits.indexByteCount
  ) async throws(Failure) -> Storage {
    Storage(try await Recovery.open(device, indexByteLimit: indexByteLimit))
  }

  /// Makes an empty store. What was on the device is lost.
  ///
  /// - Throws: `deviceTooSmall` and `device`.
  public static func format(_ device: Device) async throws(Failure) {
    try await Formatting.format(device, identity: .random(in: .min ... .max))
  }

  /// Opens the store on a device, having made one if the device is blank: if it starts with zeros where a store has its
  /// superblocks. A device with anything else on it, a damaged store above all, is left as it is.
  ///
  /// - Throws: What `open` throws.
  public static func openOrFormat(
    on device: Device, indexByteLimit: Int = StorageLimits.indexByteCount
  ) async throws(Failure) -> Storage {
    if try await SuperblockSlots(device).isBlank { try await format(device) }
    return try await open(on: device, indexByteLimit: indexByteLimit)
  }

  // MARK: Reading

  /// The value of a key; nil if it has none.
  ///
  /// - Throws: `damaged` if the value is not as it was committed, and `device`.
  public func get(_ key: StorageKey) async throws(Failure) -> [UInt8]? {
    while true {
      if let change = change(of: key) { return change }
      guard let location = log.index.locations[key] else { return nil }
      // While this waits, a commit may move the value and give its place to another batch. Then it is elsewhere.
      if let value = try await log.value(at: location) { return value }
    }
  }

  /// The keys that have values and start with `prefix`, sorted.
  public func list(prefix: StorageKey = "") -> [StorageKey] {
    var keys: [StorageKey] = []
    for key in log.index.locations.keys where key.hasPrefix(prefix) && change(of: key) == nil { keys.append(key) }
    for (key, change) in changes.changes where change != nil && key.hasPrefix(prefix) { keys.append(key) }
    for (key, change) in changesBeingCommitted?.changes ?? [:]
    where change != nil && key.hasPrefix(prefix) && changes.changes[key] == nil {
      keys.append(key)
    }
    keys.sort()
    return keys
  }

  /// Whether there is something to commit.
  public var hasChanges: Bool { !changes.isEmpty || changesBeingCommitted != nil }

  /// How much the store holds and can hold, as of the last commit.
  public var usage: StorageUsage {
    StorageUsage(
      keyCount: log.index.locations.count, byteCount: log.index.liveByteCount,
      byteLimit: log.medium.ring.liveByteLimit, indexByteCount: log.index.memoryByteCount,
      indexByteLimit: log.indexByteLimit)
  }

  // MARK: Changing

  /// Gives a key a value.
  ///
  /// - Throws: `badKeyLength`, `valueTooLong`, and `tooManyChanges` if a commit is due. Nothing was changed then.
  public func set(_ key: StorageKey, to value: [UInt8]) throws(Failure) {
    let limit = log.medium.ring.valueLimit
    guard value.count <= limit else { throw .valueTooLong(value.count, limit: limit) }
    try change(key, to: value)
  }

  /// Takes the value from a key, if it has one.
  ///
  /// - Throws: `badKeyLength`, and `tooManyChanges` if a commit is due. Nothing was changed then.
  public func delete(_ key: StorageKey) throws(Failure) {
    try change(key, to: nil)
  }

  /// Makes all changes durable, or none.
  ///
  /// - Throws: `full`, `tooManyKeys`, `tooManyChanges`, `damaged` if old data that had to be moved cannot be read back, and
  ///   `device`. The store then goes on as it was: what had been committed is there, and the changes wait for another
  ///   commit, or to be discarded. If it was the device that failed, a crash before the next commit has succeeded may find
  ///   the changes committed, all of them, or not.
  public func commit() async throws(Failure) {
    await commits.begin()
    defer { commits.end() }
    guard !changes.isEmpty else { return }
    let changes = changes
    changesBeingCommitted = changes
    self.changes = Changes()
    defer { changesBeingCommitted = nil }
    do throws(Failure) {
      try await log.commit(changes)
    } catch {
      var restored = changes
      restored.apply(self.changes)
      self.changes = restored
      throw error
    }
  }

  /// Forgets what was changed since the last commit began.
  public func discardChanges() {
    changes = Changes()
  }

  // MARK: Changes

  /// The last change of a key, if it has any that is not committed; the change is nil if it was a deletion.
  private func change(of key: StorageKey) -> Changes.Change? {
    if let change = changes.changes[key] { return change }
    if let change = changesBeingCommitted?.changes[key] { return change }
    return nil
  }

  private func change(_ key: StorageKey, to change: Changes.Change) throws(Failure) {
    guard 1...StorageLimits.keyByteCount ~= key.bytes.count else {
      throw .badKeyLength(key.bytes.count, limit: StorageLimits.keyByteCount)
    }
    let byteCount = changes.byteCount(setting: key, to: change)
    let limit = log.medium.ring.changesByteLimit
    guard byteCount <= limit else { throw .tooManyChanges(byteCount: Int(byteCount), limit: Int(limit)) }
    changes.set(key, to: change)
  }
}

/// How much a store holds and can hold.
public struct StorageUsage: Equatable, Sendable {
  /// How many keys have values.
  public let keyCount: Int
  /// What the pairs take on the device, in bytes.
  public let byteCount: UInt64
  /// What the pairs may take at most, in bytes.
  public let byteLimit: UInt64
  /// What the keys take in memory, in bytes.
  public let indexByteCount: Int
  /// What the keys may take at most, in bytes.
  public let indexByteLimit: Int
}
