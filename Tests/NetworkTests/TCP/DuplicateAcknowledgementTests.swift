import Testing

@testable import Network

/// What a peer that lost something is told, and what this end makes of what it is told.
@Suite struct DuplicateAcknowledgementTests {
  /// A peer has sent 1000 bytes, which were acknowledged; then one segment of 100 bytes is lost, at `peer.sequence`.
  private func behindAGap(sack: Bool = false) throws -> (ScriptedPeer, TCPSocket, Segment) {
    let peer = ScriptedPeer()
    peer.offer.windowScale = 7
    peer.offer.permitsSACK = sack
    let socket = peer.established()
    peer.send(.ack, [UInt8](repeating: 1, count: 1000))
    peer.wait(milliseconds: 40)
    return (peer, socket, try #require(peer.output().last))
  }

  private func deliver(_ index: Int, of peer: ScriptedPeer, _ flags: TCPFlags = .ack) {
    peer.deliver(
      Segment(
        flags, sequence: peer.sequence &+ UInt32(100 * index), acknowledgement: peer.acknowledgement, window: 65_535,
        data: [UInt8](repeating: 2, count: 100)))
  }

  /// RFC 5681, 4.2, and what makes them count: no data, the same number, the same window (RFC 5681, 2).
  @Test func eachSegmentOutOfOrderIsAnswered() throws {
    let (peer, socket, before) = try behindAGap()
    // The window could move, and there is something to send.
    #expect(socket.read(at: peer.now).count == 1000)
    for index in 1...10 { deliver(index, of: peer) }
    #expect(socket.write([7, 8, 9], at: peer.now) == 3)
    let answers = peer.output()
    #expect(answers.map(\.data.count) == [Int](repeating: 0, count: 10) + [3])
    for answer in answers.prefix(10) {
      #expect(
        answer.flags == .ack && answer.acknowledgement == before.acknowledgement && answer.window == before.window)
    }
    #expect(!peer.tcp.hasOutput)
  }

  @Test func aWindowUpdateIsNotADuplicate() throws {
    let (peer, socket, before) = try behindAGap()
    while socket.advertisedEnd - socket.receiveNext > 2000 { peer.send(.ack, [UInt8](repeating: 3, count: 1000)) }
    let full = try #require(peer.output().last)
    for index in 1...3 { deliver(index, of: peer) }
    _ = socket.read(at: peer.now)
    let answers = peer.output()
    #expect(answers.count == 4 && full.window < before.window)
    #expect(answers.prefix(3).allSatisfy { $0.window == full.window })
    #expect(answers.allSatisfy { $0.acknowledgement == full.acknowledgement })
    #expect(answers[3].window > before.window)
  }

  /// What came in another order, and is all there at the end of the turn, does not look like a loss.
  @Test func whatIsPutInOrderWithinATurnIsAnsweredOnce() throws {
    let (peer, _, _) = try behindAGap()
    for index in [1, 2, 3, 4, 0] { deliver(index, of: peer) }
    #expect(peer.output().map(\.acknowledgement) == [peer.sequence &+ 500])
    // A gap is filled in part, and a segment is out of order behind it: one each.
    deliver(7, of: peer)
    _ = peer.output()
    deliver(5, of: peer)
    deliver(8, of: peer)
    #expect(peer.output().map(\.acknowledgement) == [peer.sequence &+ 600, peer.sequence &+ 600])
    deliver(6, of: peer, [.ack, .fin])
    #expect(peer.output().map(\.acknowledgement) == [peer.sequence &+ 900])
  }

  @Test func aFINOutOfOrderIsAnswered() throws {
    let (peer, _, before) = try behindAGap()
    deliver(1, of: peer)
    peer.deliver(
      Segment([.ack, .fin], sequence: peer.sequence &+ 200, acknowledgement: peer.acknowledgement, window: 65_535))
    #expect(peer.output().map(\.acknowledgement) == [before.acknowledgement, before.acknowledgement])
    deliver(0, of: peer)
    #expect(peer.output().map(\.acknowledgement) == [peer.sequence &+ 201])
  }

  /// Ten islands in one turn: three or four fit in an option, and yet the peer hears of each.
  @Test func theBlocksOfABurstAreAllTold() throws {
    let (peer, socket, _) = try behindAGap(sack: true)
    for index in 1...10 { deliver(2 * index, of: peer) }
    let answers = peer.output()
    #expect(answers.count == 10 && socket.receiveBuffer.islands.count == 10)
    let first = answers.map { ($0.options.sackBlocks[0].start &- peer.sequence) / 100 }
    #expect(first == (1...10).map { 2 * $0 })
    #expect(answers.last?.options.sackBlocks.count == 4)
  }

  @Test func duplicatesAreBounded() throws {
    let (peer, _, _) = try behindAGap()
    for index in 0..<1000 as Range<UInt32> {
      peer.deliver(
        Segment(
          .ack, sequence: peer.sequence &+ 10 &+ index, acknowledgement: peer.acknowledgement, window: 9, data: [1]))
    }
    #expect(peer.output().count == 64)
  }

  /// RFC 3042: the first two duplicates let a new segment out each. What has data or another window is none (RFC 5681, 2).
  @Test(arguments: [false, true]) func theFirstDuplicatesLetNewSegmentsOut(sack: Bool) throws {
    let peer = ScriptedPeer()
    peer.offer.permitsSACK = sack
    peer.offer.maximumSegmentByteCount = 1000
    let socket = peer.established()
    _ = socket.write([UInt8](repeating: 1, count: 30_000), at: peer.now)
    let sent = peer.output()
    #expect(sent.count == 10)
    peer.acknowledgement = sent[0].sequence
    if !sack {
      peer.send(.ack, [1])
      peer.window -= 1
      peer.send()
      #expect(socket.scoreboard.duplicateCount == 0)
      #expect(peer.output().allSatisfy { $0.data.isEmpty })
    }
    for count in 1...2 as ClosedRange<UInt32> {
      peer.send(blocks: sack ? [(sent[1].sequence, sent[1].sequence &+ 1000 &* count)] : [])
      let new = peer.output()
      #expect(new.map(\.sequence) == [sent[9].sequence &+ 1000 &* count])
    }
    #expect(peer.tcp.statistics.fastRecoveries == 0)
    peer.send(blocks: sack ? [(sent[1].sequence, sent[4].sequence)] : [])
    #expect(peer.tcp.statistics.fastRecoveries == 1)
    #expect(peer.output().first?.sequence == sent[0].sequence)
  }
}
