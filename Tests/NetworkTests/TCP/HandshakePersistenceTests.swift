import Testing

@testable import Network

/// What does not complete a handshake does not end it, either: what does may still come.
@Suite struct HandshakePersistenceTests {
  /// A handshake with timestamps, as far as SYN+ACK.
  private func begun(limits: TCPLimits = TCPLimits()) throws -> (ScriptedPeer, TCPListenSocket, Segment) {
    let peer = ScriptedPeer(limits: limits)
    peer.offer.timestamp = TCPTimestamp(value: 100, echo: 0)
    let listener = try peer.tcp.listen(on: nil, port: 80, backlog: 8)
    peer.send(.syn)
    let answer = try #require(peer.nextOutput())
    peer.acknowledgement = answer.sequence &+ 1
    return (peer, listener, answer)
  }

  /// RFC 7323, 3.2: dropped without a word, and the connection comes to be by what comes next.
  @Test func anAcknowledgementWithoutTheTimestampIsDropped() throws {
    let (peer, listener, _) = try begun()
    peer.send()
    #expect(peer.output().isEmpty && listener.accept() == nil)
    #expect(peer.tcp.statistics.halfOpenCount == 1 && peer.tcp.statistics.failedOpens == 0)
    peer.clock = 101
    peer.send(.ack, [1, 2, 3])
    let socket = try #require(listener.accept())
    #expect(socket.state == .established && socket.read(at: peer.now) == [1, 2, 3])
    #expect(peer.tcp.statistics.halfOpenCount == 0 && peer.tcp.context.table.count == 1)
    peer.wait(milliseconds: 40)
    #expect(peer.output().map(\.flags) == [.ack])
  }

  /// RFC 7323, 5.3: an old one is answered.
  @Test func anOldTimestampDoesNotEndAHandshake() throws {
    let (peer, listener, _) = try begun()
    peer.clock = 99
    peer.send()
    #expect(peer.output().map(\.flags) == [[.syn, .ack]])
    #expect(peer.tcp.statistics.oldTimestamps == 1 && peer.tcp.statistics.halfOpenCount == 1)
    peer.clock = 100
    peer.send()
    #expect(listener.accept()?.state == .established)
  }

  /// The first byte that is not in the window any more: a socket would not take it.
  @Test func dataBehindTheWindowDoesNotEndAHandshake() throws {
    let (peer, listener, _) = try begun()
    peer.clock = 100
    peer.deliver(
      Segment(.ack, sequence: 7001 + 65_535, acknowledgement: peer.acknowledgement, window: 9, data: [1]))
    #expect(peer.output().map(\.flags) == [[.syn, .ack]])
    #expect(peer.tcp.statistics.halfOpenCount == 1)
    peer.send()
    #expect(listener.accept()?.state == .established)
  }

  /// As with a full backlog: who is not taken now says it again.
  @Test func aFullTableOfConnectionsDoesNotEndAHandshake() throws {
    var limits = TCPLimits()
    limits.connectionCount = 1
    let (peer, listener, answer) = try begun(limits: limits)
    peer.clock = 100
    let other = try peer.tcp.connect(
      to: SocketAddress(peer.remote.address, port: 9), from: peer.local.address, at: peer.now)
    _ = peer.output()
    peer.send()
    #expect(peer.output().isEmpty && peer.tcp.statistics.halfOpenCount == 1)
    #expect(peer.tcp.statistics.handshakesDropped == 1)
    // Nor does it begin one that it could not complete.
    peer.remote.port = 6000
    peer.deliver(Segment(.syn, sequence: 1, acknowledgement: 0, window: 9))
    #expect(peer.output().isEmpty && peer.tcp.statistics.halfOpenCount == 1)
    peer.remote.port = 5000
    other.close(at: peer.now)
    peer.wait(milliseconds: 1100)
    #expect(peer.output().map(\.sequence) == [answer.sequence])
    peer.send()
    #expect(listener.accept()?.state == .established)
  }

  /// Nor does a full backlog end TIME-WAIT.
  @Test func aSYNThatIsDroppedDoesNotEndTimeWait() throws {
    let peer = ScriptedPeer()
    let listener = try peer.tcp.listen(on: nil, port: 80, backlog: 1)
    let old = try #require(peer.accepted(by: listener))
    old.close(at: peer.now)
    peer.acknowledge(try #require(peer.nextOutput()))
    peer.send([.ack, .fin])
    _ = peer.output()
    peer.remote.port = 6000
    peer.sequence = 7000
    peer.send(.syn)
    peer.acknowledge(try #require(peer.nextOutput()))
    peer.remote.port = 5000
    peer.sequence = 9000
    peer.send(.syn)
    #expect(peer.output().isEmpty && peer.tcp.statistics.timeWaitCount == 1)
    #expect(listener.accept() != nil)
    peer.sequence = 9000
    #expect(peer.accepted(by: listener)?.state == .established)
    #expect(peer.tcp.statistics.timeWaitCount == 0 && peer.tcp.context.table.count == 2)
  }

  /// A cookie remembers whether timestamps were agreed on.
  @Test func aCookieKnowsOfTimestamps() throws {
    var limits = TCPLimits()
    limits.halfOpenCount = 0
    let (peer, listener, answer) = try begun(limits: limits)
    #expect(answer.options.timestamp != nil)
    peer.send()
    #expect(peer.output().isEmpty && listener.accept() == nil)
    peer.deliver(echoing(answer, by: peer))
    let socket = try #require(listener.accept())
    #expect(socket.timestamps?.recent == 101 && socket.read(at: peer.now) == [5])

    // Where none were, one that comes is ignored (RFC 7323, 3.2), and what it echoes is not believed.
    peer.remote.port = 6000
    peer.offer = TCPOptions()
    peer.sequence = 7000
    peer.send(.syn)
    let plain = try #require(peer.output().last)
    #expect(plain.flags == [.syn, .ack])
    peer.acknowledgement = plain.sequence &+ 1
    peer.deliver(echoing(answer, by: peer))
    let other = try #require(listener.accept())
    #expect(other.timestamps == nil && other.sendScale == 0 && !other.permitsSACK)
  }

  private func echoing(_ answer: Segment, by peer: ScriptedPeer) -> Segment {
    var segment = Segment(
      .ack, sequence: peer.sequence, acknowledgement: peer.acknowledgement, window: 9, data: [5])
    segment.options.timestamp = TCPTimestamp(value: 101, echo: answer.options.timestamp?.value ?? 0)
    return segment
  }

  /// Both ends begin at once, and the peer's answer has lost its timestamp.
  @Test func aSimultaneousOpenSurvivesAMissingTimestamp() throws {
    let peer = ScriptedPeer()
    peer.offer.timestamp = TCPTimestamp(value: 100, echo: 0)
    let socket = try peer.tcp.connect(to: peer.remote, from: peer.local.address, at: peer.now)
    peer.local = socket.local
    let syn = try #require(peer.nextOutput())
    peer.send(.syn)
    #expect(peer.output().map(\.flags) == [[.syn, .ack]])
    peer.acknowledgement = syn.sequence &+ 1
    for flags in [[.syn, .ack], .ack] as [TCPFlags] {
      peer.deliver(
        Segment(
          flags, sequence: flags.contains(.syn) ? 7000 : 7001, acknowledgement: peer.acknowledgement, window: 9))
      #expect(peer.output().isEmpty && socket.state == .synReceived)
    }
    peer.clock = 100
    peer.deliver(Segment([.syn, .ack], sequence: 7000, acknowledgement: peer.acknowledgement, window: 9))
    #expect(socket.state == .established && peer.output().map(\.flags) == [.ack])
  }
}
