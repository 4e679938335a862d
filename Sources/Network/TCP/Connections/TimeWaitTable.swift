/// What is left of a connection that both ends have closed: enough to answer a repeated FIN, and to know old segments.
struct TimeWaitRecord {
  var local: SocketAddress
  var remote: SocketAddress
  var sendNext: UInt32
  var receiveNext: UInt32
  /// As in the last segment, not scaled.
  var window: UInt16
  /// What is added to the clock for timestamps, and the newest of the peer's; nil: timestamps were not agreed on.
  var timestamps: (offset: UInt32, recent: UInt32)?
}

/// The connections in TIME-WAIT (RFC 9293, 3.6.1), in the order in which they end; the oldest give way to new ones.
struct TimeWaitTable {
  /// Twice the maximum segment lifetime. RFC 9293 (3.4.1) takes two minutes for one as an example; 30 s is what is used.
  private static let durationMilliseconds = 60_000

  private struct Slot {
    var record: TimeWaitRecord?
    var end: NetworkInstant
  }

  private var slots: [Slot] = []
  private var free: [Int32] = []
  /// Each slot that is not free, once. Its end may have been moved since it was queued.
  private var order = FirstInFirstOut<Int32>()
  private let limit: Int
  private(set) var count = 0

  init(limit: Int) {
    self.limit = max(1, limit)
  }

  /// When the first may end; it may be later.
  var deadline: NetworkInstant? {
    guard let first = order.first else { return nil }
    return slots[Int(first)].end
  }

  /// - Returns: nil if it was ended by `remove`.
  subscript(_ number: Int) -> TimeWaitRecord? { slots[number].record }

  /// Whether the next `insert` ends another record.
  var isFull: Bool { order.count >= limit }

  mutating func insert(_ record: TimeWaitRecord, at now: NetworkInstant) -> Int {
    let slot = Slot(record: record, end: now.advanced(byMilliseconds: Self.durationMilliseconds))
    let number: Int
    if let spare = free.popLast() {
      number = Int(spare)
      slots[number] = slot
    } else {
      number = slots.count
      slots.append(slot)
    }
    order.append(Int32(number))
    count += 1
    return number
  }

  /// A FIN came again: the time begins anew.
  mutating func restart(_ number: Int, at now: NetworkInstant) {
    slots[number].end = now.advanced(byMilliseconds: Self.durationMilliseconds)
  }

  /// The newest timestamp of the peer.
  mutating func setRecentTimestamp(_ number: Int, _ value: UInt32) {
    slots[number].record?.timestamps?.recent = value
  }

  /// Its slot is free only when its time has come, as `order` knows it until then.
  mutating func remove(_ number: Int) {
    guard slots[number].record != nil else { return }
    slots[number].record = nil
    count -= 1
  }

  /// Ends the oldest record.
  mutating func removeOldest() -> TimeWaitRecord? {
    guard let number = order.popFirst() else { return nil }
    return release(Int(number))
  }

  /// Ends a record whose time has come. Call it again while `deadline` is not later than now.
  mutating func removeDue(at now: NetworkInstant) -> TimeWaitRecord? {
    guard let number = order.popFirst() else { return nil }
    if slots[Int(number)].record != nil, slots[Int(number)].end > now {
      order.append(number)
      return nil
    }
    return release(Int(number))
  }

  private mutating func release(_ number: Int) -> TimeWaitRecord? {
    let record = slots[number].record
    if record != nil { count -= 1 }
    slots[number].record = nil
    free.append(Int32(number))
    return record
  }
}
