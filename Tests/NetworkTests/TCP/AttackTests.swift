import Testing

@testable import Network

/// Segments of strangers, and of peers that do not keep to the rules.
@Suite struct AttackTests {
  /// A connection in a state, and its peer.
  private func connection(in state: TCPState) throws -> (ScriptedPeer, TCPSocket) {
    let peer = ScriptedPeer()
    if state == .synSent || state == .synReceived {
      let socket = try peer.tcp.connect(to: peer.remote, from: peer.local.address, at: peer.now)
      peer.local = socket.local
      let syn = try #require(peer.nextOutput())
      peer.acknowledgement = syn.sequence &+ 1
      if state == .synReceived { peer.send(.syn) }
      _ = peer.output()
      return (peer, socket)
    }
    let socket = peer.established()
    if [.closeWait, .lastAck].contains(state) { peer.send([.ack, .fin]) }
    if [.finWait1, .finWait2, .closing, .timeWait, .lastAck].contains(state) { socket.finishWriting(at: peer.now) }
    let output = peer.output()
    if state == .closing { peer.send([.ack, .fin]) }
    if [.finWait2, .timeWait].contains(state) { peer.acknowledge(try #require(output.last)) }
    if state == .timeWait { peer.send([.ack, .fin]) }
    _ = peer.output()
    return (peer, socket)
  }

  @Test(arguments: [
    TCPState.synReceived, .established, .finWait1, .finWait2, .closeWait, .closing, .lastAck,
  ]) func resetInEachState(state: TCPState) throws {
    let (peer, socket) = try connection(in: state)
    #expect(socket.state == state)
    // In the window, but not at its place: a challenge (RFC 5961, 3.2).
    peer.deliver(Segment(.rst, sequence: peer.sequence &+ 10, acknowledgement: 0, window: 0))
    #expect(socket.state == state)
    if state != .synReceived { #expect(peer.output().map(\.acknowledgement) == [peer.sequence]) }
    // Outside of it: nothing.
    peer.deliver(Segment(.rst, sequence: peer.sequence &- 10, acknowledgement: 0, window: 0))
    peer.deliver(Segment(.rst, sequence: peer.sequence &+ 2_000_000, acknowledgement: 0, window: 0))
    #expect(socket.state == state)
    peer.deliver(Segment(.rst, sequence: peer.sequence, acknowledgement: 0, window: 0))
    #expect(socket.state == .closed)
    #expect(socket.error == (state == .synReceived ? .refused : .reset))
    #expect(peer.tcp.statistics.connectionCount == 0)
  }

  @Test func resetDoesNotShortenTimeWait() throws {
    let (peer, socket) = try connection(in: .timeWait)
    peer.deliver(Segment(.rst, sequence: peer.sequence, acknowledgement: 0, window: 0))
    #expect(socket.state == .timeWait && peer.tcp.statistics.timeWaitCount == 1)
  }

  @Test func resetOfAHandshake() throws {
    let peer = ScriptedPeer()
    _ = try peer.tcp.listen(on: nil, port: 80, backlog: 8)
    peer.send(.syn)
    _ = peer.output()
    peer.deliver(Segment(.rst, sequence: 7005, acknowledgement: 0, window: 0))
    #expect(peer.tcp.statistics.halfOpenCount == 1)
    peer.deliver(Segment(.rst, sequence: 7001, acknowledgement: 0, window: 0))
    #expect(peer.tcp.statistics.halfOpenCount == 0)
    #expect(peer.output().isEmpty)
  }

  @Test(arguments: [TCPState.established, .finWait1, .finWait2, .closeWait, .closing, .lastAck])
  func synInEachState(state: TCPState) throws {
    let (peer, socket) = try connection(in: state)
    for sequence in [peer.sequence, peer.sequence &+ 100, peer.sequence &- 100_000, 5] {
      peer.deliver(Segment(.syn, sequence: sequence, acknowledgement: 0, window: 0))
      #expect(socket.state == state)
      #expect(peer.output().map(\.flags) == [.ack])
    }
  }

  /// RFC 5961, 5.2: data is not taken unless what it acknowledges fits.
  @Test func blindDataIsChallenged() throws {
    let (peer, socket) = try connection(in: .established)
    for acknowledgement in [
      peer.acknowledgement &+ 1, peer.acknowledgement &- 100_000, peer.acknowledgement &+ 1 << 31,
    ] {
      peer.deliver(
        Segment(.ack, sequence: peer.sequence, acknowledgement: acknowledgement, window: 9, data: [1, 2]))
      #expect(socket.readableByteCount == 0)
      #expect(peer.output().map(\.flags) == [.ack])
    }
    #expect(peer.tcp.statistics.challengeACKs == 3)
    // Nor without any.
    peer.deliver(Segment([], sequence: peer.sequence, acknowledgement: 0, window: 9, data: [1]))
    #expect(socket.readableByteCount == 0)
  }

  @Test func challengesAreBounded() throws {
    let (peer, _) = try connection(in: .established)
    var count = 0
    for _ in 0..<1000 {
      peer.deliver(Segment(.syn, sequence: peer.sequence, acknowledgement: 0, window: 0))
      count += peer.output().count
    }
    #expect(count == 5)
    peer.wait(milliseconds: 1000)
    peer.deliver(Segment(.syn, sequence: peer.sequence, acknowledgement: 0, window: 0))
    #expect(peer.output().count == 1)
  }

  /// Two ends that disagree do not answer each other for ever.
  @Test func emptySegmentsOutsideTheWindowAreAnsweredWithinBounds() throws {
    let (peer, _) = try connection(in: .established)
    var count = 0
    for _ in 0..<1000 {
      peer.deliver(
        Segment(.ack, sequence: peer.sequence &- 5000, acknowledgement: peer.acknowledgement, window: 9))
      count += peer.output().count
    }
    #expect(count == 5)
  }

  @Test func repliesAreBounded() {
    var limits = TCPLimits()
    limits.replyCount = 10
    let peer = ScriptedPeer(limits: limits)
    for port in 1..<1000 {
      peer.remote.port = UInt16(port)
      peer.send(.syn)
    }
    #expect(peer.output().count == 10)
    #expect(peer.tcp.statistics.repliesDropped == 989)
  }

  @Test func connectionsAreBounded() throws {
    var limits = TCPLimits()
    limits.connectionCount = 3
    let peer = ScriptedPeer(limits: limits)
    let listener = try peer.tcp.listen(on: nil, port: 80, backlog: 100)
    for port in 1...5 {
      peer.remote.port = UInt16(port)
      peer.sequence = 7000
      _ = peer.accepted(by: listener)
    }
    #expect(peer.tcp.statistics.connectionCount == 3)
    #expect(throws: TCPError.tooManyConnections) {
      try peer.tcp.connect(to: peer.remote, from: peer.local.address, at: peer.now)
    }
  }

  @Test func oldTimestampsAreDropped() throws {
    let peer = ScriptedPeer()
    peer.offer.timestamp = TCPTimestamp(value: 100, echo: 0)
    peer.clock = 100
    let socket = peer.established()
    peer.clock = 200
    peer.send(.ack, [1])
    peer.wait(milliseconds: 100)
    #expect(peer.output().last?.options.timestamp?.echo == 200)
    // From the time before the sequence numbers wrapped around.
    peer.clock = 150
    peer.send(.ack, [2])
    #expect(socket.readableByteCount == 1 && peer.tcp.statistics.oldTimestamps == 1)
    #expect(peer.output().map(\.acknowledgement) == [7002])
    // The clock wraps around, too.
    peer.sequence &-= 1
    peer.clock = 200 &+ 1 << 31 &- 1
    peer.send(.ack, [3])
    peer.clock = 200 &+ 1 << 31 &+ 100
    peer.send(.ack, [4])
    #expect(socket.read(at: peer.now) == [1, 3, 4])
    // Without one, where it was agreed on (RFC 7323, 3.2).
    peer.clock = nil
    peer.send(.ack, [5])
    #expect(socket.readableByteCount == 0)
    // After 24 days nobody knows what is old.
    peer.sequence &-= 1
    peer.wait(milliseconds: 25 * 24 * 3600 * 1000)
    peer.clock = 1
    peer.send(.ack, [6])
    #expect(socket.read(at: peer.now) == [6])
  }

  @Test func aTableFullOfCollisionsStillFinds() {
    var table = ConnectionTable(secret: (1, 2))
    func key(_ number: Int) -> ConnectionKey {
      ConnectionKey(
        local: SocketAddress(.v4(IPv4Address(10, 0, 0, 1)), port: 80),
        remote: SocketAddress(.v4(IPv4Address(UInt32(number / 60_000))), port: UInt16(number % 60_000)))
    }
    for number in 0..<5000 { table.set(.socket(number), for: key(number)) }
    for number in 0..<5000 where number % 3 != 0 { table.remove(key(number)) }
    for number in 0..<5000 {
      #expect(table[key(number)] == (number % 3 == 0 ? .socket(number) : nil))
    }
    #expect(table.count == 1667)
    for number in 0..<5000 { table.remove(key(number)) }
    #expect(table.count == 0)
  }
}
