/// What a handshake agrees on.
struct HandshakeTerms {
  /// RFC 9293, 3.7.1: without the option, 536 for IPv4 and 1220 for IPv6.
  var peerSegmentByteCount: Int
  /// nil: no windows are scaled (RFC 7323, 2.2).
  var peerWindowScale: UInt8?
  var permitsSACK: Bool
  /// nil: no timestamps (RFC 7323, 3.2).
  var peerTimestamp: UInt32?

  /// Stops: a peer that has everything sent to it in tiny segments, each of which costs as much as a large one
  /// (CVE-2019-11479).
  private static let smallestSegmentByteCount = 128

  /// - Parameter header: of a SYN.
  init(_ header: TCPHeader, isIPv4: Bool) {
    let said = header.options.maximumSegmentByteCount.map { Int($0) } ?? (isIPv4 ? 536 : 1220)
    peerSegmentByteCount = max(said, Self.smallestSegmentByteCount)
    peerWindowScale = header.options.windowScale
    permitsSACK = header.options.permitsSACK
    peerTimestamp = header.options.timestamp?.value
  }

  init(peerSegmentByteCount: Int, peerWindowScale: UInt8?, permitsSACK: Bool, peerTimestamp: UInt32?) {
    self.peerSegmentByteCount = peerSegmentByteCount
    self.peerWindowScale = peerWindowScale
    self.permitsSACK = permitsSACK
    self.peerTimestamp = peerTimestamp
  }
}

/// A handshake that a peer began: SYN-RECEIVED, without a socket yet.
struct HalfOpen {
  var local: SocketAddress
  var remote: SocketAddress
  /// The peer's SYN.
  var peerSequence: UInt32
  /// This end's SYN.
  var sequence: UInt32
  var terms: HandshakeTerms
  /// How often SYN+ACK was sent again.
  var repetitions = 0
  /// When it is sent again.
  var deadline: NetworkInstant
  /// When it was sent first, for the round trip.
  var began: NetworkInstant
}

/// Handshakes that are under way, a bounded number of small records.
struct HalfOpenTable {
  private var slots: [HalfOpen?] = []
  private var free: [Int32] = []
  private let limit: Int
  private(set) var count = 0
  /// The earliest deadline, or earlier.
  private(set) var deadline: NetworkInstant?

  init(limit: Int) {
    self.limit = limit
  }

  var isFull: Bool { count >= limit }

  subscript(_ number: Int) -> HalfOpen? { slots[number] }

  mutating func insert(_ record: HalfOpen) -> Int {
    count += 1
    setDeadline(noLaterThan: record.deadline)
    if let number = free.popLast() {
      slots[Int(number)] = record
      return Int(number)
    }
    slots.append(record)
    return slots.count - 1
  }

  mutating func remove(_ number: Int) {
    guard slots[number] != nil else { return }
    slots[number] = nil
    free.append(Int32(number))
    count -= 1
    if count == 0 { deadline = nil }
  }

  /// Calls `body` with each record that is due, which may change it; nil ends it.
  ///
  /// All records are looked at: they are few, and this is at most every `resolution`.
  mutating func forEachDue(at now: NetworkInstant, _ body: (HalfOpen) -> HalfOpen?) {
    guard let deadline, deadline <= now else { return }
    self.deadline = nil
    for number in slots.indices {
      guard let record = slots[number] else { continue }
      guard record.deadline <= now else {
        setDeadline(noLaterThan: record.deadline)
        continue
      }
      if let next = body(record) {
        slots[number] = next
        setDeadline(noLaterThan: next.deadline)
      } else {
        remove(number)
      }
    }
  }

  /// Stops: a flood whose every SYN has a moment of its own at which all records are looked at.
  private static let resolution: UInt64 = 50_000_000

  private mutating func setDeadline(noLaterThan candidate: NetworkInstant) {
    let rounded = NetworkInstant(nanoseconds: (candidate.nanoseconds / Self.resolution + 1) * Self.resolution)
    if deadline.map({ rounded < $0 }) ?? true { deadline = rounded }
  }
}
