/// TCP (RFC 9293): all connections of a machine, without input or output of its own. Segments are handed in, output is pulled,
/// and time is told; see `TCPLimits` for what it withstands.
public final class TCP {
  let context: TCPContext
  /// By their numbers.
  var sockets: [TCPSocket?] = []
  private var freeNumbers: [Int] = []
  var listeners: [TCPListenSocket] = []
  var halfOpen: HalfOpenTable
  /// See `ephemeralPort`.
  var portCounters = [UInt16](repeating: 0, count: 16)

  /// - Parameter seed: 128 bits of entropy; sequence numbers, ports and cookies are made of it.
  public init(seed: (UInt64, UInt64), limits: TCPLimits = TCPLimits()) {
    context = TCPContext(seed: seed, limits: limits)
    halfOpen = HalfOpenTable(limit: limits.halfOpenCount)
  }

  /// Looks at every connection.
  public var statistics: TCPStatistics {
    var statistics = context.statistics
    statistics.connectionCount = connectionCount
    statistics.halfOpenCount = halfOpen.count
    statistics.timeWaitCount = context.timeWait.count
    statistics.bufferByteCount = context.pool.byteCount
    for listener in listeners { statistics.unacceptedCount += listener.waitingCount }
    for socket in sockets {
      guard let socket else { continue }
      statistics.unacknowledgedByteCount += socket.sendBuffer.byteCount
      statistics.unreadByteCount += socket.readableByteCount
    }
    return statistics
  }

  private var connectionCount: Int { sockets.count - freeNumbers.count }

  /// Whether a connection more would be too many.
  var isFull: Bool { connectionCount >= context.limits.connectionCount }

  // MARK: Input

  /// Takes a segment: TCP header and data.
  ///
  /// - Parameters:
  ///   - source: and `destination`: of the IP header, both of one family; neither is multicast or broadcast.
  ///   - checksumIsValid: the device vouches for the checksum.
  public func receive(
    _ segment: RawSpan, from source: IPAddress, to destination: IPAddress, checksumIsValid: Bool, at now: NetworkInstant
  ) {
    context.statistics.segmentsReceived += 1
    guard let header = TCPHeader(segment), header.sourcePort != 0, header.destinationPort != 0,
      checksumIsValid || Self.hasGoodChecksum(segment, from: source, to: destination)
    else {
      context.statistics.malformedSegments += 1
      return
    }
    let payload = segment.extracting(header.byteCount...)
    let local = SocketAddress(destination, port: header.destinationPort)
    let remote = SocketAddress(source, port: header.sourcePort)
    switch context.table[ConnectionKey(local: local, remote: remote)] {
    case .socket(let number): sockets[number]?.receive(header, payload, at: now)
    case .halfOpen(let number): receive(header, payload, forHandshake: number, at: now)
    case .timeWait(let number): receive(header, payload, inTimeWait: number, at: now)
    case nil: receive(header, payload, local: local, remote: remote, at: now)
    }
    settle()
  }

  private static func hasGoodChecksum(_ segment: RawSpan, from source: IPAddress, to destination: IPAddress) -> Bool {
    var checksum = InternetChecksum()
    checksum.addPseudoHeader(
      from: source, to: destination, protocol: TCPHeader.protocolNumber, length: segment.byteCount)
    checksum.add(segment)
    return checksum.value == 0
  }

  /// Nothing is known between these two ends: perhaps somebody listens.
  func receive(
    _ header: TCPHeader, _ payload: RawSpan, local: SocketAddress, remote: SocketAddress, at now: NetworkInstant
  ) {
    if let listener = listener(on: local) {
      receive(header, payload, by: listener, local: local, remote: remote, at: now)
    } else {
      refuse(header, payload, local: local, remote: remote)
    }
  }

  /// RFC 9293, 3.10.7.1: a RST, unless that is what came.
  func refuse(_ header: TCPHeader, _ payload: RawSpan, local: SocketAddress, remote: SocketAddress) {
    guard !header.flags.contains(.rst) else { return }
    context.reply(
      TCPReply(refusing: header, payloadByteCount: payload.byteCount, local: local, remote: remote))
  }

  // MARK: Output

  /// Writes the next segment to send: replies first, then each socket in turn.
  ///
  /// - Parameters:
  ///   - frame: the whole frame; the TCP header goes to `TCPPath.segmentOffset` in it. There must be room for a segment with
  ///     all options and some data.
  ///   - path: nil when there is no route to an address just now: the segment counts as lost.
  /// - Returns: nil when there is nothing to send.
  public func transmit(into frame: inout MutableRawSpan, at now: NetworkInstant, path: (IPAddress) -> TCPPath?)
    -> OutgoingSegment?
  {
    settle()
    while let reply = context.popReply() {
      guard let path = path(reply.remote.address) else { continue }
      context.statistics.segmentsSent += 1
      return reply.write(to: &frame, path: path)
    }
    while let number = context.ready.popFirst() {
      guard let socket = sockets[number] else { continue }
      socket.isReady = false
      switch socket.emit(into: &frame, at: now, path: path) {
      case .nothing: break
      case .lost: socket.becomeReady()
      case .segment(let segment):
        socket.becomeReady()
        return segment
      }
    }
    return nil
  }

  /// Whether `transmit` may have something to send.
  public var hasOutput: Bool { !context.ready.isEmpty || !context.replies.isEmpty }

  // MARK: Time

  /// When `advance` is to be called next; nil: not because of what is known now.
  public var deadline: NetworkInstant? {
    .earliest(context.timers.deadline, .earliest(halfOpen.deadline, context.timeWait.deadline))
  }

  /// Does what is due.
  public func advance(to now: NetworkInstant) {
    while let number = context.timers.popDue(at: now) { sockets[number]?.advance(to: now) }
    repeatHandshakes(at: now)
    while let deadline = context.timeWait.deadline, deadline <= now {
      if let record = context.timeWait.removeDue(at: now) {
        context.table.remove(ConnectionKey(local: record.local, remote: record.remote))
      }
    }
    settle()
  }

  // MARK: Sockets

  /// - Parameter make: is given the number.
  func addSocket(_ make: (Int) -> TCPSocket) -> TCPSocket? {
    guard !isFull else { return nil }
    let number = freeNumbers.popLast() ?? sockets.count
    let socket = make(number)
    if number == sockets.count { sockets.append(socket) } else { sockets[number] = socket }
    context.table.set(.socket(number), for: socket.key)
    return socket
  }

  /// Lets go of the sockets that have ended, and wakes those that wait for memory if there is some.
  func settle() {
    while let number = context.ended.popLast() {
      // Not for the next one of this number to find, nor for a list that grows while there is no memory.
      if sockets[number]?.isStarved == true { context.starved.removeAll { $0 == number } }
      sockets[number] = nil
      freeNumbers.append(number)
    }
    guard !context.starved.isEmpty, context.pool.hasRoomToSend(2) else { return }
    let starved = context.starved
    context.starved = []
    for number in starved {
      guard let socket = sockets[number] else { continue }
      socket.isStarved = false
      guard socket.wantsToWrite else { continue }
      socket.wantsToWrite = false
      socket.notify()
    }
  }
}
