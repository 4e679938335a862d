/// What all connections of one `TCP` have in common. It knows no socket but by its number, so that sockets can hold it.
final class TCPContext {
  let limits: TCPLimits
  let pool: BufferPool
  let random: NetworkRandom
  var statistics = TCPStatistics()
  var table: ConnectionTable
  var timers = TCPTimers()
  var timeWait: TimeWaitTable
  /// The sockets that may have something to send, in the order in which it is their turn.
  var ready = FirstInFirstOut<Int>()
  /// The sockets that have ended.
  var ended: [Int] = []
  /// The sockets that wait for memory to write to, each once.
  var starved: [Int] = []
  private(set) var replies = FirstInFirstOut<TCPReply>()

  init(seed: (UInt64, UInt64), limits: TCPLimits) {
    self.limits = limits
    random = NetworkRandom(seed: seed)
    pool = BufferPool(byteLimit: limits.bufferByteCount)
    table = ConnectionTable(secret: (random.hash(HashPurpose.table, 0), random.hash(HashPurpose.table, 1)))
    timeWait = TimeWaitTable(limit: limits.timeWaitCount)
  }

  /// Queues a segment that no socket sends.
  func reply(_ reply: TCPReply) {
    guard replies.count < limits.replyCount else {
      statistics.repliesDropped += 1
      return
    }
    if reply.flags.contains(.rst) { statistics.resetsSent += 1 }
    replies.append(reply)
  }

  func popReply() -> TCPReply? { replies.popFirst() }

  /// The first sequence number of a connection (RFC 6528, 3): a clock of 4 microseconds, and a secret for each pair of ends.
  func initialSequence(for key: ConnectionKey, at now: NetworkInstant) -> UInt32 {
    let hash = key.secureHash(random, HashPurpose.sequence)
    return UInt32(truncatingIfNeeded: hash &+ now.nanoseconds / 4000)
  }

  /// What is added to the clock for a connection's timestamps (RFC 7323, 5.4 and 7.1), so that they do not tell for how long the
  /// machine has run, nor anything of other connections.
  func timestampOffset(for key: ConnectionKey) -> UInt32 {
    UInt32(truncatingIfNeeded: key.secureHash(random, HashPurpose.timestamp))
  }

  /// The clock for timestamps: milliseconds (RFC 7323, 5.4).
  static func timestampClock(at now: NetworkInstant, offset: UInt32) -> UInt32 {
    UInt32(truncatingIfNeeded: now.nanoseconds / 1_000_000) &+ offset
  }

  /// By how many bits this end's windows are shifted: as little as the largest one needs (RFC 7323, 2.3).
  var windowScale: UInt8 {
    var scale: UInt8 = 0
    while scale < TCPOptions.largestWindowScale, limits.receiveByteCount >> Int(scale) > Int(UInt16.max) { scale += 1 }
    return scale
  }

  /// What SYN and SYN+ACK announce, never scaled.
  var initialWindow: UInt16 { UInt16(clamping: min(limits.initialWindowByteCount, limits.receiveByteCount)) }

  /// Leaves a record of a connection.
  func enterTimeWait(_ record: TimeWaitRecord, at now: NetworkInstant) {
    if timeWait.isFull, let oldest = timeWait.removeOldest() {
      table.remove(ConnectionKey(local: oldest.local, remote: oldest.remote))
      statistics.timeWaitRecycled += 1
    }
    let number = timeWait.insert(record, at: now)
    table.set(.timeWait(number), for: ConnectionKey(local: record.local, remote: record.remote))
  }
}

/// What a keyed hash is for, so that none tells anything of another.
enum HashPurpose {
  static let table: UInt64 = 1
  static let sequence: UInt64 = 2
  static let timestamp: UInt64 = 3
  static let port: UInt64 = 4
  static let portCounter: UInt64 = 5
  static let cookie: UInt64 = 6
}
