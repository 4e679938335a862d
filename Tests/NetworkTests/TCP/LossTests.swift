import Testing

@testable import Network

/// Segments that do not arrive.
@Suite struct LossTests {
  /// A connection with SACK or without, that has sent ten segments of 1000 bytes.
  private func sending(sack: Bool) -> (ScriptedPeer, TCPSocket, [Segment]) {
    let peer = ScriptedPeer()
    peer.offer.permitsSACK = sack
    peer.offer.maximumSegmentByteCount = 1000
    let socket = peer.established()
    _ = socket.write([UInt8](repeating: 1, count: 30_000), at: peer.now)
    return (peer, socket, peer.output())
  }

  @Test func timeoutsBackOff() throws {
    let peer = ScriptedPeer()
    let socket = peer.established()
    _ = socket.write([1, 2, 3], at: peer.now)
    let start = peer.now
    #expect(peer.output().count == 1)
    var times: [Int] = []
    while socket.state != .closed {
      peer.now = try #require(peer.tcp.deadline)
      peer.tcp.advance(to: peer.now)
      for segment in peer.output() where segment.flags.contains(.psh) {
        #expect(segment.data == [1, 2, 3])
        times.append(peer.now.milliseconds(since: start))
      }
    }
    // Nothing was measured, so it begins with a second (RFC 6298, 2.1) and doubles up to 60 s.
    #expect(times == [1, 3, 7, 15, 31, 63, 123, 183, 243, 303].map { $0 * 1000 })
    #expect(socket.error == .timedOut)
    #expect(peer.tcp.statistics.bufferByteCount == 0)
  }

  @Test func timeoutFollowsTheRoundTrip() {
    var roundTrip = RoundTripTime()
    #expect(roundTrip.retransmissionTimeout == 1_000_000_000)
    roundTrip.add(100_000_000)
    #expect(roundTrip.retransmissionTimeout == 300_000_000)
    for _ in 0..<100 { roundTrip.add(100_000_000) }
    #expect(roundTrip.retransmissionTimeout == 200_000_000)
    for _ in 0..<3 { roundTrip.backOff() }
    #expect(roundTrip.retransmissionTimeout == 1_600_000_000)
    for _ in 0..<30 { roundTrip.backOff() }
    #expect(roundTrip.retransmissionTimeout == 60_000_000_000)
  }

  /// Karn: a segment that was sent again measures nothing; a timestamp would.
  @Test func repeatedSegmentsMeasureNothing() throws {
    let peer = ScriptedPeer()
    let socket = peer.established()
    _ = socket.write([1], at: peer.now)
    _ = peer.output()
    peer.wait(milliseconds: 1000)
    #expect(peer.output().count == 1)
    peer.wait(milliseconds: 500)
    peer.acknowledgement &+= 1
    peer.send()
    #expect(socket.roundTrip.smoothed == nil)
    _ = socket.write([1], at: peer.now)
    _ = peer.output()
    peer.wait(milliseconds: 70)
    peer.acknowledgement &+= 1
    peer.send()
    #expect(socket.roundTrip.smoothed == 70_000_000)
  }

  @Test func lossIsRepairedBySACK() throws {
    let (peer, socket, sent) = sending(sack: true)
    #expect(sent.count == 10)
    let first = sent[0].sequence
    peer.acknowledgement = first
    // 1, 2 and 5 of ten are lost.
    peer.send(blocks: [(sent[2].sequence, sent[3].sequence)])
    peer.send(blocks: [(sent[2].sequence, sent[4].sequence)])
    #expect(peer.tcp.statistics.fastRecoveries == 0)
    _ = peer.output()
    peer.send(blocks: [(sent[5].sequence, sent[8].sequence), (sent[2].sequence, sent[4].sequence)])
    #expect(peer.tcp.statistics.fastRecoveries == 1)
    #expect(socket.congestion.window == socket.congestion.slowStartThreshold)
    let repeated = peer.output().filter { $0.sequence &- first < 10_000 }.map { ($0.sequence &- first) / 1000 }
    #expect(repeated == [0, 1, 4])
    #expect(peer.tcp.statistics.retransmissionTimeouts == 0)
    peer.acknowledgement = socket.sendNext.wire
    peer.send()
    #expect(socket.recoveryEnd == nil)
  }

  /// The same without SACK, with a round trip of 1 ms and nothing more to send: all but the first segment is in flight.
  private func sendingTheLast() -> (ScriptedPeer, TCPSocket, [Segment]) {
    let peer = ScriptedPeer()
    peer.offer.maximumSegmentByteCount = 1000
    let socket = peer.established()
    _ = socket.write([UInt8](repeating: 1, count: 8000), at: peer.now)
    let sent = peer.output()
    peer.wait(milliseconds: 1)
    peer.acknowledge(sent[0])
    return (peer, socket, sent)
  }

  /// passt sends two duplicates for a segment that it took in part, and then nothing more can be sent that would bring a third.
  @Test(arguments: [1, 2]) func fewDuplicatesAreEnoughInTheEnd(count: Int) throws {
    let (peer, _, sent) = sendingTheLast()
    for _ in 0..<count { peer.send() }
    #expect(peer.output().isEmpty)
    // Those that are on their way have time to come.
    peer.wait(milliseconds: 9)
    #expect(peer.output().isEmpty)
    peer.wait(milliseconds: 1)
    #expect(peer.output().map(\.sequence) == [sent[1].sequence])
    #expect(peer.tcp.statistics.fastRecoveries == 1 && peer.tcp.statistics.retransmissionTimeouts == 0)
    // Once: what is lost again is the timer's.
    peer.wait(milliseconds: 100)
    #expect(peer.output().isEmpty)
  }

  /// What only came in another order is not sent again.
  @Test func aDuplicateBeforeNewsIsNoLoss() throws {
    let (peer, socket, _) = sendingTheLast()
    peer.send()
    peer.acknowledgement = socket.sendNext.wire
    peer.send()
    peer.wait(milliseconds: 1000)
    #expect(peer.output().isEmpty && peer.tcp.statistics.segmentsRetransmitted == 0)
  }

  @Test func lossIsRepairedWithoutSACK() throws {
    let (peer, socket, sent) = sending(sack: false)
    peer.acknowledgement = sent[0].sequence
    peer.send()
    peer.send()
    #expect(peer.tcp.statistics.fastRecoveries == 0)
    peer.send()
    #expect(peer.tcp.statistics.fastRecoveries == 1)
    #expect(peer.output().first?.sequence == sent[0].sequence)
    for _ in 0..<5 { peer.send() }
    _ = peer.output()
    // A partial acknowledgement: the next one is lost, too (RFC 6582).
    peer.acknowledgement = sent[4].sequence
    peer.send()
    #expect(peer.output().first?.sequence == sent[4].sequence)
    peer.acknowledgement = socket.sendNext.wire
    peer.send()
    #expect(socket.recoveryEnd == nil && peer.tcp.statistics.retransmissionTimeouts == 0)
  }

  @Test func afterATimeoutSlowStartBegins() throws {
    let (peer, socket, sent) = sending(sack: true)
    peer.acknowledgement = sent[0].sequence
    // The peer has two of them; what it has is not sent again.
    peer.send(blocks: [(sent[1].sequence, sent[3].sequence)])
    _ = peer.output()
    peer.wait(milliseconds: 1000)
    #expect(socket.congestion.window == 1000)
    #expect(peer.output().map(\.sequence) == [sent[0].sequence])
    peer.acknowledgement = sent[3].sequence
    peer.send()
    #expect(peer.output().map(\.sequence).first == sent[3].sequence)
  }

  /// A peer may give up what it told that it had (RFC 2018, 8).
  @Test func renegingIsSurvived() throws {
    let (peer, socket, sent) = sending(sack: true)
    peer.acknowledgement = sent[0].sequence
    peer.send(blocks: [(sent[1].sequence, sent[9].sequence)])
    for _ in 0..<3 {
      _ = peer.output()
      peer.now = try #require(peer.tcp.deadline)
      peer.tcp.advance(to: peer.now)
    }
    peer.acknowledgement = sent[1].sequence
    for _ in 0..<10 {
      peer.send()
      for segment in peer.output() where segment.sequence == peer.acknowledgement {
        peer.acknowledgement &+= UInt32(segment.data.count)
      }
    }
    #expect(peer.acknowledgement >= sent[9].sequence)
    #expect(socket.error == nil)
  }

  @Test func nonsensicalBlocksAreIgnored() throws {
    let (peer, socket, sent) = sending(sack: true)
    peer.acknowledgement = sent[2].sequence
    peer.send(blocks: [(sent[0].sequence, sent[1].sequence), (sent[5].sequence, sent[4].sequence)])
    peer.send(blocks: [
      (sent[9].sequence, sent[9].sequence &+ 100_000), (sent[9].sequence &+ 500_000, sent[9].sequence),
    ])
    #expect(!socket.scoreboard.hasRanges)
    #expect(socket.error == nil)
  }

  /// A gap between ranges above what is lost was taken for a loss that ended before it began.
  @Test func nothingIsLostBehindTheLoss() {
    func place(_ offset: UInt32) -> SequenceNumber { SequenceNumber(first: offset) }
    var scoreboard = SACKScoreboard(start: place(0))
    _ = scoreboard.add(SequenceRange(start: place(100), end: place(400)))
    _ = scoreboard.add(SequenceRange(start: place(500), end: place(510)))
    scoreboard.findLost(segmentByteCount: 100)
    #expect(scoreboard.lostEnd == place(100))
    let lost = scoreboard.nextLost(from: place(0))
    #expect(lost?.start == place(0) && lost?.end == place(100))
    scoreboard.retransmitted(to: place(100))
    #expect(scoreboard.nextLost(from: place(0))?.byteCount == nil)
    #expect(scoreboard.pipe(from: place(0), to: place(600), segmentByteCount: 100) == 290)
  }

  @Test func theScoreboardIsBounded() {
    var scoreboard = SACKScoreboard(start: SequenceNumber(first: 0))
    for index in 0..<1000 {
      let start = SequenceNumber(first: UInt32(10 + index * 2))
      _ = scoreboard.add(SequenceRange(start: start, end: start + 1))
    }
    var count = 0
    scoreboard.loseAll(
      from: SequenceNumber(first: 0), to: SequenceNumber(first: 3000), forgettingRanges: false)
    while let lost = scoreboard.nextLost(from: SequenceNumber(first: 0)) {
      scoreboard.retransmitted(to: lost.end)
      count += 1
    }
    #expect(count <= 129)
  }

  @Test func aSmallerPathIsBelieved() throws {
    let peer = ScriptedPeer()
    let socket = peer.established()
    _ = socket.write([UInt8](repeating: 1, count: 5000), at: peer.now)
    let sent = peer.output()
    #expect(sent.map(\.data.count) == [1460, 1460, 1460, 620])
    func report(_ sequence: UInt32) -> Bool {
      peer.tcp.pathMTUChanged(from: peer.local, to: peer.remote, sequence: sequence, mtu: 1000)
    }
    #expect(!report(sent[0].sequence &- 1) && !report(sent[0].sequence &+ 6000))
    #expect(peer.output().isEmpty)
    #expect(report(sent[1].sequence))
    peer.path?.mtu = 1000
    let window = socket.congestion.window
    #expect(peer.output().map(\.data.count) == [960, 960, 960, 960, 960, 200])
    #expect(socket.congestion.window == window)
  }

  @Test func aBlackHoleIsFound() throws {
    let peer = ScriptedPeer()
    let socket = peer.established()
    _ = socket.write([UInt8](repeating: 1, count: 5000), at: peer.now)
    var smallest = Int.max
    for _ in 0..<8 {
      for segment in peer.output() {
        smallest = min(smallest, segment.data.count > 100 ? segment.data.count : smallest)
      }
      peer.now = try #require(peer.tcp.deadline)
      peer.tcp.advance(to: peer.now)
    }
    #expect(smallest == 536)
    #expect(socket.state == .established)
  }

  @Test func unreachableEndsOnlyWhatIsNotEstablished() throws {
    let peer = ScriptedPeer()
    let socket = peer.established()
    _ = socket.write([1, 2, 3], at: peer.now)
    let sent = try #require(peer.nextOutput())
    peer.tcp.destinationUnreachable(from: peer.local, to: peer.remote, sequence: sent.sequence, isHard: true)
    #expect(socket.state == .established)
    // But it is the reason that is given in the end.
    peer.wait(milliseconds: 1_000_000)
    #expect(socket.error == .unreachable)

    let other = try peer.tcp.connect(
      to: SocketAddress(peer.remote.address, port: 9), from: peer.local.address, at: peer.now)
    let syn = try #require(peer.output().last)
    peer.tcp.destinationUnreachable(from: other.local, to: other.remote, sequence: syn.sequence &+ 1, isHard: true)
    peer.tcp.destinationUnreachable(from: other.local, to: other.remote, sequence: syn.sequence, isHard: false)
    #expect(other.state == .synSent)
    peer.tcp.destinationUnreachable(from: other.local, to: other.remote, sequence: syn.sequence, isHard: true)
    #expect(other.state == .closed && other.error == .unreachable)
  }

  @Test func withoutARouteItIsTriedAgain() throws {
    let peer = ScriptedPeer()
    let socket = peer.established()
    peer.path = nil
    _ = socket.write([1, 2, 3], at: peer.now)
    #expect(peer.output().isEmpty && !peer.tcp.hasOutput)
    peer.wait(milliseconds: 500)
    peer.path = ScriptedPeer.ethernet
    peer.wait(milliseconds: 500)
    #expect(peer.output().map(\.data) == [[1, 2, 3]])
  }

  /// RFC 9438: after a loss the window is 0.7 of what it was, and comes back as a cube does: fast, slow, and fast again.
  @Test func cubicGrows() {
    var congestion = CongestionControl(segmentByteCount: 1000)
    var now = NetworkInstant(nanoseconds: 0)
    #expect(congestion.window == 10_000)
    while congestion.window < 1_000_000 {
      congestion.acknowledged(congestion.window, flight: congestion.window, roundTrip: 100_000_000, at: now)
    }
    let top = congestion.window
    congestion.lost(flight: top)
    #expect(congestion.window == top * 7 / 10)
    var windows: [Int] = []
    for _ in 0..<200 {
      let window = congestion.window
      for _ in 0..<10 {
        congestion.acknowledged(window / 10, flight: congestion.window, roundTrip: 100_000_000, at: now)
      }
      now = now.advanced(byMilliseconds: 100)
      windows.append(congestion.window)
    }
    // K = cbrt(384 segments / 0.4) = 9.9 s.
    #expect(windows[50] > top * 9 / 10 && windows[50] < top)
    #expect(abs(windows[98] - top) < top / 50)
    #expect(windows[199] > top * 5 / 4)
    for index in 1..<200 { #expect(windows[index] >= windows[index - 1]) }
    congestion.timedOut(flight: 100_000)
    #expect(congestion.window == 1000 && congestion.slowStartThreshold == 70_000)
  }

  @Test func anUnusedWindowDoesNotGrow() {
    var congestion = CongestionControl(segmentByteCount: 1000)
    for _ in 0..<100 {
      congestion.acknowledged(1000, flight: 1000, roundTrip: 1_000_000, at: NetworkInstant(nanoseconds: 0))
    }
    #expect(congestion.window == 10_000)
  }
}
