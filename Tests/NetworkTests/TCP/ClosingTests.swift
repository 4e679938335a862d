import Testing

@testable import Network

@Suite struct ClosingTests {
  /// passt takes FIN for the end of what it has, whatever is still to be repeated before that.
  @Test(arguments: [false, true]) func theEndOfALongStreamWaitsForItsBytes(sack: Bool) throws {
    let peer = ScriptedPeer()
    peer.offer.permitsSACK = sack
    let socket = peer.established()
    _ = socket.write([UInt8](repeating: 1, count: 14_600), at: peer.now)
    socket.finishWriting(at: peer.now)
    let segments = peer.output()
    let last = try #require(segments.last)
    #expect(segments.map(\.data.count) == [Int](repeating: 1460, count: 10))
    #expect(last.flags.contains(.fin) == sack)
    peer.acknowledge(last)
    let rest = peer.output()
    #expect(rest.map { $0.flags.contains(.fin) } == (sack ? [] : [true]))
    if let end = rest.first { peer.acknowledge(end) }
    #expect(socket.state == .finWait2)
  }

  @Test func weCloseFirst() throws {
    let peer = ScriptedPeer()
    let socket = peer.established()
    _ = socket.write([1], at: peer.now)
    socket.finishWriting(at: peer.now)
    #expect(socket.state == .finWait1)
    #expect(socket.write([2], at: peer.now) == 0)
    let last = try #require(peer.nextOutput())
    #expect(last.flags.contains(.fin) && last.data == [1])
    peer.acknowledge(last)
    #expect(socket.state == .finWait2 && socket.isEverythingAcknowledged)
    // Half closed: the peer goes on.
    peer.send(.ack, [5, 6])
    #expect(socket.read(at: peer.now) == [5, 6])
    peer.send([.ack, .fin])
    #expect(socket.state == .timeWait && socket.isEndOfStream && socket.error == nil)
    #expect(peer.output().map(\.acknowledgement) == [7004])
    #expect(peer.tcp.statistics.connectionCount == 0 && peer.tcp.statistics.timeWaitCount == 1)
    // The FIN again: our acknowledgement was lost.
    peer.sequence &-= 1
    peer.wait(milliseconds: 50_000)
    peer.send([.ack, .fin])
    #expect(peer.output().map(\.acknowledgement) == [7004])
    peer.wait(milliseconds: 50_000)
    #expect(peer.tcp.statistics.timeWaitCount == 1)
    peer.wait(milliseconds: 11_000)
    #expect(peer.tcp.statistics.timeWaitCount == 0 && peer.tcp.deadline == nil)
  }

  @Test func thePeerClosesFirst() throws {
    let peer = ScriptedPeer()
    let socket = peer.established()
    peer.send([.ack, .fin], [1, 2])
    #expect(socket.state == .closeWait && !socket.isEndOfStream)
    #expect(socket.read(at: peer.now) == [1, 2])
    #expect(socket.isEndOfStream)
    #expect(peer.output().map(\.acknowledgement) == [7004])
    _ = socket.write([3], at: peer.now)
    socket.close(at: peer.now)
    #expect(socket.state == .lastAck)
    let last = try #require(peer.nextOutput())
    #expect(last.flags.contains(.fin) && last.data == [3])
    peer.acknowledge(last)
    #expect(socket.state == .closed && socket.error == nil)
    #expect(peer.tcp.statistics.connectionCount == 0 && peer.tcp.statistics.timeWaitCount == 0)
  }

  @Test func bothCloseAtOnce() throws {
    let peer = ScriptedPeer()
    let socket = peer.established()
    socket.finishWriting(at: peer.now)
    let ours = try #require(peer.nextOutput())
    peer.send([.ack, .fin])
    #expect(socket.state == .closing)
    #expect(peer.output().count == 1)
    peer.acknowledge(ours)
    #expect(socket.state == .timeWait)
  }

  @Test func aFinOutOfOrderWaits() {
    let peer = ScriptedPeer()
    let socket = peer.established()
    peer.deliver(
      Segment([.ack, .fin], sequence: 7003, acknowledgement: peer.acknowledgement, window: 9, data: [3, 4]))
    #expect(socket.state == .established)
    peer.send(.ack, [1, 2])
    #expect(socket.state == .closeWait)
    #expect(socket.read(at: peer.now) == [1, 2, 3, 4])
    #expect(peer.output().last?.acknowledgement == 7006)
    // Nothing comes after the end.
    peer.deliver(Segment(.ack, sequence: 7006, acknowledgement: peer.acknowledgement, window: 9, data: [9]))
    #expect(socket.readableByteCount == 0 && socket.isEndOfStream)
  }

  @Test func aLostFinIsRepeated() throws {
    let peer = ScriptedPeer()
    let socket = peer.established()
    socket.finishWriting(at: peer.now)
    let first = try #require(peer.nextOutput())
    peer.wait(milliseconds: 1000)
    let second = try #require(peer.nextOutput())
    #expect(second.flags.contains(.fin) && second.sequence == first.sequence)
    peer.acknowledge(second)
    #expect(socket.state == .finWait2)
  }

  @Test func abortTellsThePeer() throws {
    let peer = ScriptedPeer()
    let socket = peer.established()
    _ = socket.write([1, 2, 3], at: peer.now)
    socket.abort(at: peer.now)
    #expect(socket.state == .closed && socket.error == .aborted)
    #expect(peer.output().map(\.flags) == [[.rst, .ack]])
    #expect(peer.tcp.statistics.bufferByteCount == 0 && peer.tcp.deadline == nil)
  }

  /// RFC 2525, 2.17.
  @Test func closingWithUnreadBytesResets() {
    let peer = ScriptedPeer()
    let socket = peer.established()
    peer.send(.ack, [1, 2, 3])
    socket.close(at: peer.now)
    #expect(peer.output().map(\.flags) == [[.rst, .ack]])
    #expect(peer.tcp.statistics.bufferByteCount == 0)
  }

  @Test func bytesAfterCloseAreRefused() throws {
    let peer = ScriptedPeer()
    let socket = peer.established()
    socket.close(at: peer.now)
    peer.acknowledge(try #require(peer.nextOutput()))
    #expect(socket.state == .finWait2)
    peer.send(.ack, [1])
    #expect(peer.output().map(\.flags) == [[.rst, .ack]])
    #expect(peer.tcp.statistics.connectionCount == 0)
  }

  @Test func aClosedConnectionDoesNotWaitForEver() throws {
    let peer = ScriptedPeer()
    let socket = peer.established()
    socket.close(at: peer.now)
    peer.acknowledge(try #require(peer.nextOutput()))
    #expect(socket.state == .finWait2)
    peer.wait(milliseconds: 61_000)
    #expect(peer.tcp.statistics.connectionCount == 0 && peer.tcp.deadline == nil)
    // Nor for a peer whose window stays closed.
    let other = ScriptedPeer()
    let stuck = other.established()
    other.window = 0
    other.send()
    _ = stuck.write([1, 2, 3], at: other.now)
    stuck.close(at: other.now)
    for _ in 0..<100 where stuck.state != .closed {
      other.now = try #require(other.tcp.deadline)
      other.tcp.advance(to: other.now)
      for _ in other.output() where stuck.state != .closed { other.send() }
    }
    #expect(stuck.state == .closed && stuck.error == .timedOut)
    #expect(other.now.milliseconds(since: NetworkInstant(nanoseconds: 1_000_000_000)) <= 60_000)
  }

  @Test func timeWaitIsBounded() throws {
    var limits = TCPLimits()
    limits.timeWaitCount = 5
    let peer = ScriptedPeer(limits: limits)
    let listener = try peer.tcp.listen(on: nil, port: 80, backlog: 8)
    for port in 1...50 {
      peer.remote.port = UInt16(port)
      peer.sequence = 7000
      let socket = try #require(peer.accepted(by: listener))
      socket.close(at: peer.now)
      let fin = try #require(peer.nextOutput())
      peer.acknowledge(fin)
      peer.send([.ack, .fin])
      #expect(socket.state == .timeWait)
      _ = peer.output()
    }
    #expect(peer.tcp.statistics.timeWaitCount == 5 && peer.tcp.statistics.timeWaitRecycled == 45)
    #expect(peer.tcp.context.table.count == 5)
    peer.wait(milliseconds: 60_000)
    #expect(peer.tcp.statistics.timeWaitCount == 0 && peer.tcp.context.table.count == 0)
  }

  /// RFC 6191: the same ports again, soon.
  @Test func aNewConnectionReplacesTimeWait() throws {
    let peer = ScriptedPeer()
    let listener = try peer.tcp.listen(on: nil, port: 80, backlog: 8)
    let old = try #require(peer.accepted(by: listener))
    old.close(at: peer.now)
    peer.acknowledge(try #require(peer.nextOutput()))
    peer.send([.ack, .fin])
    _ = peer.output()
    // Old segments do nothing.
    peer.sequence = 6000
    peer.send(.syn)
    #expect(peer.output().map(\.flags) == [.ack])
    peer.deliver(Segment(.rst, sequence: 7002, acknowledgement: 0, window: 0))
    #expect(peer.tcp.statistics.timeWaitCount == 1)
    peer.sequence = 9000
    let socket = try #require(peer.accepted(by: listener))
    #expect(socket.state == .established && peer.tcp.statistics.timeWaitCount == 0)
    #expect(SequenceNumber(socket.initialSend.wire, near: old.sendNext) > old.sendNext)
  }
}
