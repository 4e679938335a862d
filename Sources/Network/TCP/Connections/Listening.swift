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
      guard let sent = listener.cookiesSent, now.milliseconds(since: sent) < SYNCookie.lifetimeMilliseconds,
        let terms = SYNCookie(random: context.random).terms(of: header, for: key, at: now)
      else { return refuse(header, payload, local: local, remote: remote) }
      guard !listener.isFull else {
        context.statistics.handshakesDropped += 1
        return
      }
      let record = HalfOpen(
        local: local, remote: remote, peerSequence: header.sequence &- 1, sequence: header.acknowledgement &- 1,
        terms: terms, deadline: now, began: now)
      context.statistics.cookiesAccepted += 1
      open(record, header, payload, by: listener, at: now)
      return
    }
    guard header.flags.contains(.syn) else { return }
    answerSyn(header, by: listener, local: local, remote: remote, sequence: nil, at: now)
  }

  /// - Parameter sequence: of SYN+ACK; nil: as `initialSequence` has it.
  func answerSyn(
    _ header: TCPHeader, by listener: TCPListenSocket, local: SocketAddress, remote: SocketAddress, sequence: UInt32?,
    at now: NetworkInstant
  ) {
    guard !listener.isFull else {
      context.statistics.handshakesDropped += 1
      return
    }
    let key = ConnectionKey(local: local, remote: remote)
    let terms = HandshakeTerms(header, isIPv4: local.address.isIPv4)
    var record = HalfOpen(
      local: local, remote: remote, peerSequence: header.sequence,
      sequence: sequence ?? context.initialSequence(for: key, at: now), terms: terms,
      deadline: now.advanced(byMilliseconds: 1000), began: now)
    guard halfOpen.isFull else {
      context.table.set(.halfOpen(halfOpen.insert(record)), for: key)
      reply(to: record, isCookie: false, at: now)
      return
    }
    record.sequence = SYNCookie(random: context.random).sequence(
      for: key, peerSequence: header.sequence, terms: terms, at: now)
    listener.cookiesSent = now
    context.statistics.cookiesSent += 1
    reply(to: record, isCookie: true, at: now)
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
    let distance = Int32(bitPattern: header.sequence &- (record.peerSequence &+ 1))
    if header.flags.contains(.rst) {
      // RFC 5961, 3.2: exactly there; then it is as if the SYN had not been (RFC 9293, 3.10.7.4).
      if distance == 0 { forget(number, record) }
      return
    }
    if header.flags.contains(.syn) {
      // The same again: SYN+ACK was lost. Another one: what the peer makes of SYN+ACK shows which is the right one.
      return reply(to: record, isCookie: false, at: now)
    }
    guard header.flags.contains(.ack) else { return }
    guard header.acknowledgement == record.sequence &+ 1 else {
      return refuse(header, payload, local: record.local, remote: record.remote)
    }
    // In the window; what is outside of it is answered (RFC 9293, 3.10.7.4).
    guard distance >= 0, distance <= Int32(context.initialWindow) else {
      return reply(to: record, isCookie: false, at: now)
    }
    // The peer will say it again, with its data or when SYN+ACK comes again.
    guard !listener.isFull else {
      context.statistics.handshakesDropped += 1
      return
    }
    forget(number, record)
    open(record, header, payload, by: listener, at: now)
  }

  /// The handshake is complete.
  private func open(
    _ record: HalfOpen, _ header: TCPHeader, _ payload: RawSpan, by listener: TCPListenSocket, at now: NetworkInstant
  ) {
    let socket = addSocket { number in
      TCPSocket(
        local: record.local, remote: record.remote, state: .synReceived, number: number, sequence: record.sequence,
        context: context, at: now)
    }
    guard let socket else {
      context.statistics.handshakesDropped += 1
      return refuse(header, payload, local: record.local, remote: record.remote)
    }
    socket.agree(
      on: record.terms, peerSequence: record.peerSequence,
      timestampOffset: context.timestampOffset(for: socket.key), at: now)
    socket.sendNext = socket.initialSend + 1
    socket.retransmissionCount = record.repetitions
    if record.repetitions == 0, record.began < now { socket.timedSegment = (socket.sendNext, record.began) }
    socket.receive(header, payload, at: now)
    guard socket.state != .synReceived, socket.state != .closed else {
      // It was not what completes it, after all: an old timestamp, say.
      if socket.state == .synReceived { socket.end(nil) }
      return
    }
    context.statistics.passiveOpens += 1
    listener.add(socket)
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
