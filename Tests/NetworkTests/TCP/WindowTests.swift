import Testing

@testable import Network

/// The receive window, as a peer reckons it from what it is told.
@Suite struct WindowTests {
  /// Where the window ends that a segment announces.
  private func end(_ segment: Segment, scale: Int) -> UInt32 {
    segment.acknowledgement &+ UInt32(segment.window) << UInt32(scale)
  }

  /// A peer that agrees on a window scale: 5 for the default limits.
  private func scaling(_ limits: TCPLimits = TCPLimits()) throws -> (ScriptedPeer, TCPSocket, Int) {
    let peer = ScriptedPeer(limits: limits)
    peer.offer.windowScale = 7
    let socket = peer.established()
    return (peer, socket, Int(socket.receiveScale))
  }

  /// The scale rounds what is announced. To the last byte of that, everything is taken, and the end never moves back (RFC 7323,
  /// 2.4).
  @Test(arguments: [33, 1001, 1460, 2047]) func allThatWasAnnouncedIsTaken(segmentByteCount: Int) throws {
    let (peer, socket, scale) = try scaling()
    #expect(scale == 5)
    var announced = peer.sequence &+ 65_535
    while true {
      let room = Int(announced &- peer.sequence)
      guard room > 0 else { break }
      peer.send(.ack, [UInt8](repeating: 1, count: min(room, segmentByteCount)))
      peer.wait(milliseconds: 40)
      let answer = try #require(peer.output().last)
      try #require(answer.acknowledgement == peer.sequence)
      #expect(Int32(bitPattern: end(answer, scale: scale) &- announced) >= 0)
      announced = end(answer, scale: scale)
    }
    // Full, and it says so.
    #expect(socket.advertisedEnd == socket.receiveNext)
    #expect(socket.readableByteCount >= 65_536)
    #expect(socket.readableByteCount <= 65_536 + BufferPool.chunkByteCount)
    _ = socket.read(at: peer.now)
    // Who reads a whole window gets a larger one.
    #expect(peer.output().map(\.window) == [4096])
  }

  /// Bytes that come one by one do not keep a window open for ever that is rounded up to 32 each time.
  @Test func singleBytesFillAWindow() throws {
    let (peer, socket, scale) = try scaling()
    while socket.advertisedEnd - socket.receiveNext > 1000 {
      peer.send(.ack, [UInt8](repeating: 1, count: 999))
    }
    _ = peer.output()
    var announced = peer.sequence
    var count = 0
    repeat {
      peer.send(.ack, [1])
      peer.wait(milliseconds: 40)
      let answer = try #require(peer.output().last)
      try #require(answer.acknowledgement == peer.sequence)
      announced = end(answer, scale: scale)
      count += 1
    } while announced != peer.sequence && count < 10_000
    #expect(count < 1000 + BufferPool.chunkByteCount + 32)
    #expect(socket.readableByteCount <= 65_536 + BufferPool.chunkByteCount)
    // What was announced before is still taken, although the latest announcement was less.
    let rest = socket.advertisedEnd - socket.receiveNext
    peer.send(.ack, [UInt8](repeating: 1, count: rest))
    peer.wait(milliseconds: 40)
    #expect(peer.output().map(\.acknowledgement) == [peer.sequence])
  }

  /// Segments as large as the window (passt, with an MTU of 65520): a reader takes one, and the peer can send the next at once,
  /// not after the time of a delayed acknowledgement.
  @Test func aSegmentAsLargeAsTheWindowOpensItAtOnce() throws {
    let peer = ScriptedPeer()
    peer.offer.windowScale = 8
    peer.offer.maximumSegmentByteCount = 65_480
    let socket = peer.established()
    let reader = KeepingReader(room: .max)
    socket.reader = reader
    var announced = peer.sequence &+ 65_535
    for round in 0..<20 {
      try #require(Int(announced &- peer.sequence) >= 65_480, "segment \(round)")
      peer.send(.ack, [UInt8](repeating: 1, count: 65_480))
      for answer in peer.output() { announced = end(answer, scale: 5) }
    }
    socket.reader = nil
  }

  /// passt's last segment ends where the window before the present one would have ended. What begins in the window is taken
  /// whole, as far as the buffer goes, which is one segment more than a window.
  @Test func aSegmentThatBeginsInTheWindowIsTakenWhole() throws {
    let (peer, socket, _) = try scaling()
    while socket.advertisedEnd - socket.receiveNext > 1460 { peer.send(.ack, [UInt8](repeating: 1, count: 1460)) }
    _ = peer.output()
    let room = socket.advertisedEnd - socket.receiveNext
    let before = socket.readableByteCount
    peer.send(.ack, [UInt8](repeating: 1, count: room + 128))
    peer.wait(milliseconds: 40)
    var answer = try #require(peer.output().last)
    #expect(answer.acknowledgement == peer.sequence && answer.window == 0)
    #expect(socket.readableByteCount == before + room + 128)
    // Who goes on all the same comes to its end.
    while socket.bufferEnd > socket.receiveNext { peer.send(.ack, [UInt8](repeating: 1, count: 1460)) }
    let taken = socket.receiveNext.wire
    peer.send(.ack, [1])
    answer = try #require(peer.output().last)
    #expect(answer.acknowledgement == taken && answer.window == 0)
    #expect(socket.readableByteCount == socket.windowLimit + 65_535)
  }

  /// What came out of order beyond the window counts as the peer counts it: it acknowledges with what follows.
  @Test func acknowledgementsFromBehindTheWindowAreTaken() throws {
    let (peer, socket, _) = try scaling()
    _ = socket.write([1, 2, 3], at: peer.now)
    let sent = try #require(peer.output().last)
    let hole = peer.sequence
    let end = socket.advertisedEnd.wire
    peer.sequence = end &- 1000
    peer.send(.ack, [UInt8](repeating: 1, count: 1400))
    #expect(peer.sequence == end &+ 400)
    peer.acknowledge(sent)
    #expect(socket.isEverythingAcknowledged)
    #expect(socket.receiveNext.wire == hole)
  }

  /// A peer without scaling is not told again and again of a window that cannot be larger.
  @Test func withoutScalingTheWindowStaysBelow64KiB() throws {
    let peer = ScriptedPeer()
    let socket = peer.established()
    let piece = [UInt8](repeating: 1, count: 1000)
    for _ in 0..<300 {
      peer.send(.ack, piece)
      _ = socket.read(at: peer.now)
      _ = peer.output()
    }
    #expect(socket.windowLimit == 65_535)
    peer.send(.ack, [1])
    _ = socket.read(at: peer.now)
    #expect(peer.output().isEmpty)
  }
}

/// The peer's window, where it is smaller than a segment.
@Suite struct SmallSendWindowTests {
  /// passt's segments have 61,440 bytes, its window is what the socket behind it has room for, and its first window was larger
  /// than any later one.
  @Test func mostOfASegmentDoesNotWaitForTheRest() throws {
    let peer = ScriptedPeer()
    peer.path = TCPPath(mtu: 65_520, completesChecksum: false, segments: false, segmentOffset: 0)
    peer.offer.windowScale = 8
    peer.offer.maximumSegmentByteCount = 61_440
    let socket = peer.established()
    peer.window = 64_512
    peer.send()
    #expect(socket.write([UInt8](repeating: 1, count: 400_000), at: peer.now) == 400_000)
    let first = try #require(peer.output().last)
    peer.window = 60_416 >> 8
    peer.acknowledge(first)
    #expect(peer.output().map(\.data.count) == [60_416])
    // Less than half of a segment waits.
    peer.window = 30_464 >> 8
    peer.acknowledgement &+= 60_416
    peer.send()
    #expect(peer.output().isEmpty)
    peer.window = 30_720 >> 8
    peer.send()
    #expect(peer.output().map(\.data.count) == [30_720])
  }
}
