// Connections that peers begin.
extension TCP {
  /// How often SYN+ACK is sent again: after 1, 3, 7 and 15 s.
  private static let synAcknowledgementLimit = 4

  /// - Parameters:
  ///   - address: nil: any.
  ///   - port: 0: one that nobody listens on, see the socket's `port`.
  ///   - backlog: how many connections may wait to be accepted; at most `TCPLimits.backlog`.
  public func listen(on address: IPAddress?, port: UInt16, backlog: Int) throws(TCPError) -> TCPListenSocket {
    listeners.removeAll { $0.isClosed }
    func isTaken(_ port: UInt16) -> Bool {
      listeners.contains { $0.port == port && ($0.address == nil || address == nil || $0.address == address) }
    }
    var port = port
    if port == 0 {
      guard let spare = (UInt16(49_152)...65_535).first(where: { !isTaken($0) }) else { throw .noPorts }
      port = spare
    }
    guard !isTaken(port) else { throw .addressInUse }
    let listener = TCPListenSocket(
      address: address, port: port, backlog: min(backlog, context.limits.backlog))
    listeners.append(listener)
    return listener
  }

  func listener(on local: SocketAddress) -> TCPListenSocket? {
    for listener in listeners where listener.port == local.port && !listener.isClosed {
      if listener.address == nil || listener.address == local.address { return listener }
    }
    return nil
  }

  /// A segment arrives in LISTEN (RFC 9293, 3.10.7.2).
  func receive(
    _ header: TCPHeader, _ payload: RawSpan, by listener: TCPListenSocket, local: SocketAddress, remote: SocketAddress,
    at now: NetworkInstant
  ) {
    guard !header.flags.contains(.rst) else { return }
    if header.flags.contains(.ack) {
      let key = ConnectionKey(local: local, remote: remote)
      guard !header.flags.contains(.syn), let sent = listener.cookiesSent,
        now.milliseconds(since: sent) < SYNCookie.lifetimeMilliseconds,
        let terms = SYNCookie(random: context.random).terms(of: header, for: key, at: now)
      else { return refuse(header, payload, local: local, remote: remote) }
      let record = HalfOpen(
        local: local, remote: remote, peerSequence: header.sequence &- 1, sequence: header.acknowledgement &- 1,
        terms: terms, deadline: now, began: now)
      if open(record, header, payload, by: listener, at: now) { context.statistics.cookiesAccepted += 1 }
      return
    }
    // SYN+FIN is no beginning: nobody sends it but who looks for a way around a filter.
    guard header.flags.contains(.syn), !header.flags.contains(.fin) else { return }
    answerSyn(header, by: listener, local: local, remote: remote, sequence: nil, at: now)
  }

  /// Whether there is room for a connection more. What would begin or complete one is dropped if there is none, as the peer
  /// says it again.
  private func hasRoom(for listener: TCPListenSocket) -> Bool {
    if !listener.isFull, !isFull { return true }
    context.statistics.handshakesDropped += 1
    return false
  }

  /// - Parameter sequence: of SYN+ACK; nil: as `initialSequence` has it.
  /// - Returns: false when the SYN was dropped.
  @discardableResult
  func answerSyn(
    _ header: TCPHeader, by listener: TCPListenSocket, local: SocketAddress, remote: SocketAddress, sequence: UInt32?,
    at now: NetworkInstant
  ) -> Bool {
    guard hasRoom(for: listener) else { return false }
    let key = ConnectionKey(local: local, remote: remote)
    let terms = HandshakeTerms(header, isIPv4: local.address.isIPv4)
    var record = HalfOpen(
      local: local, remote: remote, peerSequence: header.sequence,
      sequence: sequence ?? context.initialSequence(for: key, at: now), terms: terms,
      deadline: now.advanced(byMilliseconds: 1000), began: now)
    guard halfOpen.isFull else {
      context.table.set(.halfOpen(halfOpen.insert(record)), for: key)
      reply(to: record, isCookie: false, at: now)
      return true
    }
    record.sequence = SYNCookie(random: context.random).sequence(
      for: key, peerSequence: header.sequence, terms: terms, at: now)
    listener.cookiesSent = now
    context.statistics.cookiesSent += 1
    reply(to: record, isCookie: true, at: now)
    return true
  }

  /// SYN+ACK. It offers what the SYN did (RFC 7323, 2.2, 3.2; RFC 2018, 2).
  private func reply(to record: HalfOpen, isCookie: Bool, at now: NetworkInstant) {
    let terms = record.terms
    let key = ConnectionKey(local: record.local, remote: record.remote)
    var timestamp: TCPTimestamp?
    if let recent = terms.peerTimestamp {
      let clock = TCPContext.timestampClock(at: now, offset: context.timestampOffset(for: key))
      timestamp = TCPTimestamp(
        value: isCookie ? SYNCookie(random: context.random).timestamp(clock, terms: terms) : clock, echo: recent)
    }
    // A cookie without a timestamp has no room to remember more than the MSS.
    let remembersOptions = !isCookie || timestamp != nil
    context.reply(
      TCPReply(
        local: record.local, remote: record.remote, sequence: record.sequence,
        acknowledgement: record.peerSequence &+ 1, flags: [.syn, .ack], window: context.initialWindow,
        timestamp: timestamp,
        windowScale: remembersOptions && terms.peerWindowScale != nil ? context.windowScale : nil,
        permitsSACK: remembersOptions && terms.permitsSACK))
  }

  /// A segment arrives in SYN-RECEIVED, for a handshake that a peer began.
  func receive(_ header: TCPHeader, _ payload: RawSpan, forHandshake number: Int, at now: NetworkInstant) {
    guard let record = halfOpen[number] else { return }
    guard let listener = listener(on: record.local) else {
      forget(number, record)
      return refuse(header, payload, local: record.local, remote: record.remote)
    }
    if header.flags.contains(.rst) {
      // RFC 5961, 3.2: exactly there; then it is as if the SYN had not been (RFC 9293, 3.10.7.4).
      if header.sequence == record.peerSequence &+ 1 { forget(number, record) }
      return
    }
    if header.flags.contains(.syn), !header.flags.contains(.ack) {
      // The same again: SYN+ACK was lost. Another one: what the peer makes of SYN+ACK shows which is the right one.
      if !header.flags.contains(.fin) { reply(to: record, isCookie: false, at: now) }
      return
    }
    guard header.flags.contains(.ack) else { return }
    // In the table of connections the socket has taken the record's place.
    if open(record, header, payload, by: listener, at: now) { halfOpen.remove(number) }
  }

  /// Makes a connection, if a segment completes the handshake.
  ///
  /// - Returns: whether it did. If not, all is as before: what completes it may still come.
  private func open(
    _ record: HalfOpen, _ header: TCPHeader, _ payload: RawSpan, by listener: TCPListenSocket, at now: NetworkInstant
  ) -> Bool {
    guard completes(record, header, payload, at: now), hasRoom(for: listener) else { return false }
    let socket = addSocket { number in
      TCPSocket(
        local: record.local, remote: record.remote, state: .synReceived, number: number, sequence: record.sequence,
        context: context, at: now)
    }
    guard let socket else { return false }
    socket.agree(
      on: record.terms, peerSequence: record.peerSequence,
      timestampOffset: context.timestampOffset(for: socket.key), at: now)
    socket.sendNext = socket.initialSend + 1
    socket.retransmissionCount = record.repetitions
    if record.repetitions == 0, record.began < now { socket.timedSegment = (socket.sendNext, record.began) }
    socket.receive(header, payload, at: now)
    context.statistics.passiveOpens += 1
    listener.add(socket)
    return true
  }

  /// Whether a segment, with ACK, is one that a socket in SYN-RECEIVED takes: all that is looked at before what it acknowledges.
  /// If not, it is answered where it must be.
  private func completes(_ record: HalfOpen, _ header: TCPHeader, _ payload: RawSpan, at now: NetworkInstant) -> Bool {
    if let recent = record.terms.peerTimestamp {
      // RFC 7323, 3.2: a segment without the option is dropped without a word.
      guard let timestamp = header.options.timestamp else { return false }
      guard Int32(bitPattern: timestamp.value &- recent) >= 0 else {
        context.statistics.oldTimestamps += 1
        reply(to: record, isCookie: false, at: now)
        return false
      }
    }
    guard header.acknowledgement == record.sequence &+ 1 else {
      refuse(header, payload, local: record.local, remote: record.remote)
      return false
    }
    // Two ends that have both got a forged SYN of the other must not answer SYN+ACK by SYN+ACK for ever.
    guard !header.flags.contains(.syn) else { return false }
    // In the window; what is outside of it is answered (RFC 9293, 3.10.7.4).
    let distance = Int(Int32(bitPattern: header.sequence &- (record.peerSequence &+ 1)))
    let isEmpty = payload.byteCount == 0 && !header.flags.contains(.fin)
    guard distance == 0 || (distance > 0 && distance + (isEmpty ? 0 : 1) <= Int(context.initialWindow)) else {
      reply(to: record, isCookie: false, at: now)
      return false
    }
    return true
  }

  private func forget(_ number: Int, _ record: HalfOpen) {
    halfOpen.remove(number)
    context.table.remove(ConnectionKey(local: record.local, remote: record.remote))
  }

  /// Sends SYN+ACK again where it is due.
  func repeatHandshakes(at now: NetworkInstant) {
    halfOpen.forEachDue(at: now) { record in
      guard record.repetitions < Self.synAcknowledgementLimit, listener(on: record.local) != nil else {
        context.table.remove(ConnectionKey(local: record.local, remote: record.remote))
        context.statistics.failedOpens += 1
        return nil
      }
      var next = record
      next.repetitions += 1
      next.deadline = now.advanced(byMilliseconds: 1000 << next.repetitions)
      reply(to: next, isCookie: false, at: now)
      return next
    }
  }
}
