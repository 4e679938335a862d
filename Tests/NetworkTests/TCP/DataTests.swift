import Testing

@testable import Network

/// What is sent and received while nothing is lost.
@Suite struct DataTests {
  @Test func bytesAreReadInOrderAndAcknowledged() {
    let peer = ScriptedPeer()
    let socket = peer.established()
    peer.send([.ack, .psh], [1, 2, 3])
    #expect(socket.readableByteCount == 3)
    #expect(peer.output().isEmpty)
    peer.wait(milliseconds: 39)
    #expect(peer.output().isEmpty)
    peer.wait(milliseconds: 1)
    #expect(peer.output().map(\.acknowledgement) == [7004])
    #expect(socket.read(at: peer.now) == [1, 2, 3])
    #expect(peer.tcp.statistics.bufferByteCount == 0)
  }

  @Test func anAnswerCarriesTheAcknowledgement() {
    let peer = ScriptedPeer()
    let socket = peer.established()
    peer.send([.ack, .psh], [1, 2, 3])
    _ = socket.write([9], at: peer.now)
    let output = peer.output()
    #expect(output.map(\.data) == [[9]] && output.map(\.acknowledgement) == [7004])
    #expect(output[0].flags == [.ack, .psh])
    peer.wait(milliseconds: 100)
    #expect(peer.output().isEmpty)
  }

  @Test func everySecondFullSegmentIsAcknowledgedAtOnce() {
    let peer = ScriptedPeer()
    _ = peer.established()
    let full = [UInt8](repeating: 7, count: 1460)
    peer.send(.ack, full)
    #expect(peer.output().isEmpty)
    peer.send(.ack, full)
    #expect(peer.output().count == 1)
    // Two that were merged on the way count as two.
    peer.send(.ack, full + full)
    #expect(peer.output().count == 1)
  }

  @Test("a reader with memory gets what is in order as it comes, and nothing else")
  func whatAReaderTakes() {
    let peer = ScriptedPeer()
    let socket = peer.established()
    let reader = KeepingReader(room: 6)
    let observer = CountingObserver()
    socket.reader = reader
    socket.observer = observer
    peer.send(.ack, [1, 2, 3])
    #expect(reader.bytes == [1, 2, 3] && observer.count == 1)
    #expect(socket.readableByteCount == 0 && peer.tcp.statistics.bufferByteCount == 0)
    // Twice the same, and then some: what is new of it.
    peer.sequence &-= 2
    peer.send(.ack, [2, 3, 4])
    #expect(reader.bytes == [1, 2, 3, 4] && peer.tcp.statistics.bytesReceived == 4)
    // More than it has room for is kept, and so is all behind that.
    peer.send(.ack, [5, 6, 7, 8])
    reader.room = 100
    peer.send(.ack, [9])
    #expect(reader.bytes == [1, 2, 3, 4, 5, 6])
    #expect(socket.read(at: peer.now) == [7, 8, 9])
    // Out of order is kept, too, and what fills the gap goes before it.
    peer.sequence &+= 2
    peer.send(.ack, [12, 13])
    peer.sequence &-= 4
    peer.send(.ack, [10, 11])
    #expect(reader.bytes.count == 6 && socket.read(at: peer.now) == [10, 11, 12, 13])
    peer.sequence &+= 2
    peer.send([.ack, .fin], [14])
    #expect(reader.bytes.last == 14 && socket.isEndOfStream)
    #expect(peer.output().last?.acknowledgement == 7016)
    #expect(peer.tcp.statistics.bufferByteCount == 0)
    socket.reader = nil
    socket.observer = nil
  }

  @Test("the window grows with what a reader takes, as with what is read")
  func theWindowOfAReader() {
    let peer = ScriptedPeer()
    peer.offer.windowScale = 7
    let socket = peer.established()
    let reader = KeepingReader(room: .max)
    socket.reader = reader
    let before = socket.windowLimit
    let piece = [UInt8](repeating: 1, count: 1460)
    for _ in 0...before / piece.count {
      peer.send(.ack, piece)
      _ = peer.output()
    }
    #expect(socket.windowLimit == 2 * before)
    socket.reader = nil
  }

  @Test("while a writer waits for room, a small rest waits with it: for one frame the less")
  func theRestOfAFullBuffer() throws {
    var limits = TCPLimits()
    limits.sendByteCount = 64 << 10
    let peer = ScriptedPeer(limits: limits)
    peer.path = TCPPath(mtu: 1500, completesChecksum: true, segments: true, segmentOffset: 0)
    let socket = peer.established()
    // Past slow start.
    for _ in 0..<8 {
      _ = socket.write([UInt8](repeating: 1, count: 32 << 10), at: peer.now)
      while let segment = peer.nextOutput() { peer.acknowledge(segment) }
    }
    #expect(socket.isEverythingAcknowledged)
    let large = [UInt8](repeating: 2, count: 100_000)
    let taken = socket.write(large, at: peer.now)
    #expect(taken == limits.sendByteCount)
    let first = peer.output()
    let sent = first.map(\.data.count).reduce(0, +)
    #expect(first.count == 1 && taken - sent > 0 && taken - sent < 1460)
    peer.acknowledge(first[0])
    // There is room now, and the writer goes on: the rest goes along.
    #expect(socket.write(Array(large[taken...]), at: peer.now) == 100_000 - taken)
    let second = peer.output()
    #expect(second.count == 1 && second[0].data.count == 100_000 - sent)
    peer.acknowledge(second[0])
    // A writer that does not come back: what there is goes once nothing is in flight.
    _ = socket.write(large, at: peer.now)
    let third = peer.output()
    #expect(third.count == 1)
    peer.acknowledge(third[0])
    #expect(peer.output().map(\.data.count) == [limits.sendByteCount - third[0].data.count])
  }

  @Test func segmentsOutOfOrderArePutTogether() {
    let peer = ScriptedPeer()
    peer.offer.permitsSACK = true
    let socket = peer.established()
    func send(_ range: Range<UInt8>) {
      peer.deliver(
        Segment(
          .ack, sequence: 7001 + UInt32(range.lowerBound), acknowledgement: peer.acknowledgement, window: 65_535,
          data: Array(range)))
    }
    send(10..<20)
    let first = peer.output()
    #expect(first.count == 1 && first[0].acknowledgement == 7001)
    #expect(first[0].options.sackBlocks.count == 1 && first[0].options.sackBlocks[0].start == 7011)
    send(30..<40)
    let second = peer.output()
    // The newest first (RFC 2018, 4).
    #expect(second[0].options.sackBlocks.count == 2 && second[0].options.sackBlocks[0].start == 7031)
    #expect(second[0].options.sackBlocks[1].end == 7021)
    // Overlaps and repetitions of all kinds.
    send(15..<35)
    #expect(socket.readableByteCount == 0)
    send(10..<40)
    send(0..<5)
    #expect(socket.readableByteCount == 5)
    send(2..<12)
    #expect(socket.readableByteCount == 40)
    send(0..<40)
    send(38..<41)
    #expect(socket.read(at: peer.now) == Array(0..<41))
    let last = peer.output()
    #expect(last.last?.acknowledgement == 7042 && last.last?.options.sackBlocks.count == 0)
  }

  @Test func gapsAreBounded() {
    var limits = TCPLimits()
    limits.gapCount = 4
    let peer = ScriptedPeer(limits: limits)
    let socket = peer.established()
    for index in 0..<50 as Range<UInt32> {
      peer.deliver(
        Segment(.ack, sequence: 7003 + index * 2, acknowledgement: peer.acknowledgement, window: 100, data: [1]))
    }
    #expect(socket.receiveBuffer.islands.count == 4)
    #expect(peer.tcp.statistics.segmentsRefused == 46)
  }

  @Test func memoryIsBounded() {
    var limits = TCPLimits()
    limits.bufferByteCount = 16 * BufferPool.chunkByteCount
    limits.receiveByteCount = 1 << 20
    limits.initialWindowByteCount = 1 << 20
    let peer = ScriptedPeer(limits: limits)
    peer.offer.windowScale = 7
    let socket = peer.established()
    let piece = [UInt8](repeating: 1, count: 4096)
    // Out of order first, then in order: what is out of order gives way.
    for index in 1..<40 as Range<UInt32> {
      peer.deliver(
        Segment(.ack, sequence: 7001 + index * 8192, acknowledgement: peer.acknowledgement, window: 100, data: piece))
    }
    #expect(peer.tcp.statistics.bufferByteCount <= limits.bufferByteCount)
    for _ in 0..<16 { peer.send(.ack, piece) }
    #expect(socket.readableByteCount >= 15 * 4096)
    #expect(peer.tcp.statistics.bufferByteCount <= limits.bufferByteCount)
    while !socket.read(at: peer.now).isEmpty {}
    #expect(peer.tcp.statistics.bufferByteCount == 0)
  }

  @Test func writersWaitForMemory() throws {
    var limits = TCPLimits()
    limits.bufferByteCount = 16 * BufferPool.chunkByteCount
    let peer = ScriptedPeer(limits: limits)
    let socket = peer.established()
    let large = [UInt8](repeating: 1, count: 100_000)
    let taken = socket.write(large, at: peer.now)
    #expect(taken > 0 && taken < 12 * BufferPool.chunkByteCount)
    let observer = CountingObserver()
    socket.observer = observer
    for _ in 0..<100 where !socket.isEverythingAcknowledged {
      for segment in peer.output() { peer.acknowledge(segment) }
    }
    #expect(socket.isEverythingAcknowledged && observer.count > 0)
    #expect(peer.tcp.statistics.bufferByteCount == 0)
    socket.observer = nil
  }

  @Test func sequenceNumbersWrapAround() throws {
    let peer = ScriptedPeer()
    peer.sequence = 0xffff_fff0
    let socket = peer.established()
    var expected: [UInt8] = []
    for round in 0..<20 as Range<UInt8> {
      let data = [UInt8](repeating: round, count: 7)
      peer.send(.ack, data)
      expected += data
    }
    #expect(peer.sequence < 1000)
    #expect(socket.read(at: peer.now) == expected)
    peer.send([.ack, .fin])
    #expect(socket.isEndOfStream)
  }

  @Test func sentSequenceNumbersWrapAround() {
    var wire: UInt32 = 0xffff_ff00
    var place = SequenceNumber(first: wire)
    for step in [1, 200, 1000, 1 << 30, 1 << 30, 1 << 30, 1 << 30, 5] {
      place += step
      wire &+= UInt32(step)
      #expect(place.wire == wire)
      #expect(SequenceNumber(wire, near: place + 1000) == place)
      #expect(SequenceNumber(wire, near: place - 1000) == place)
    }
  }

  @Test func windowsAreRespected() {
    let peer = ScriptedPeer()
    peer.window = 3000
    let socket = peer.established()
    _ = socket.write([UInt8](repeating: 1, count: 10_000), at: peer.now)
    // Two full ones; the 80 bytes that are left of the window are not worth a segment.
    #expect(peer.output().map(\.data.count) == [1460, 1460])
    peer.acknowledgement &+= 1460
    peer.send()
    #expect(peer.output().map(\.data.count) == [1460])
  }

  @Test func aClosedWindowIsProbed() throws {
    let peer = ScriptedPeer()
    let socket = peer.established()
    peer.window = 0
    peer.send()
    _ = socket.write([1, 2, 3], at: peer.now)
    #expect(peer.output().isEmpty)
    var times: [Int] = []
    let start = peer.now
    // For ever, as long as the peer answers (RFC 9293, 3.8.6.1).
    for _ in 0..<30 {
      peer.now = try #require(peer.tcp.deadline)
      peer.tcp.advance(to: peer.now)
      for probe in peer.output() {
        #expect(probe.data.isEmpty && probe.sequence == peer.acknowledgement &- 1)
        times.append(peer.now.milliseconds(since: start))
        peer.send()
      }
    }
    #expect(times.count >= 20)
    #expect(times[1] - times[0] > times[0] && times.last! - times[times.count - 2] == 60_000)
    peer.window = 10
    peer.send()
    #expect(peer.output().map(\.data) == [[1, 2, 3]])
    #expect(socket.state == .established)
  }

  @Test func whoDoesNotAnswerProbesIsGivenUp() throws {
    let peer = ScriptedPeer()
    let socket = peer.established()
    peer.window = 0
    peer.send()
    _ = socket.write([1, 2, 3], at: peer.now)
    _ = peer.output()
    peer.wait(milliseconds: 1_000_000)
    #expect(socket.error == .timedOut)
  }

  /// RFC 9293, 3.8.6.2.1: a small window does not lead to small segments, but is used in the end.
  @Test func aSmallWindowIsUsedInTheEnd() throws {
    let peer = ScriptedPeer()
    let socket = peer.established()
    peer.window = 100
    peer.send()
    _ = socket.write([UInt8](repeating: 1, count: 5000), at: peer.now)
    #expect(peer.output().isEmpty)
    peer.now = try #require(peer.tcp.deadline)
    peer.tcp.advance(to: peer.now)
    #expect(peer.output().map(\.data.count) == [100])
  }

  /// RFC 9293, 3.8.6.2.2.
  @Test func ourWindowDoesNotGrowByLittle() throws {
    var limits = TCPLimits()
    limits.receiveByteCount = 8000
    let peer = ScriptedPeer(limits: limits)
    let socket = peer.established()
    for _ in 0..<5 { peer.send(.ack, [UInt8](repeating: 1, count: 1460)) }
    peer.send(.ack, [UInt8](repeating: 1, count: 700))
    peer.wait(milliseconds: 100)
    #expect(peer.output().last?.window == 0)
    _ = socket.read(upTo: 100, at: peer.now)
    #expect(peer.output().isEmpty)
    _ = socket.read(upTo: 2000, at: peer.now)
    #expect(peer.output().map(\.window) == [2100])
    // A probe of a closed window is answered and not taken.
    peer.sequence &-= 1
    peer.send(.ack)
    #expect(peer.output().count == 1)
  }

  @Test func ourWindowGrowsWithWhoReads() throws {
    let peer = ScriptedPeer()
    peer.offer.windowScale = 7
    let socket = peer.established()
    let piece = [UInt8](repeating: 1, count: 32_768)
    var windows: [Int] = []
    for _ in 0..<80 {
      peer.send(.ack, piece)
      _ = socket.read(at: peer.now)
      windows += peer.output().map { Int($0.window) << 5 }
    }
    #expect(windows.first! <= 65_536)
    #expect(windows.last! >= 1 << 20)
  }

  @Test func nagleWaitsOnlyWhenAsked() {
    let peer = ScriptedPeer()
    let socket = peer.established()
    for _ in 0..<2 {
      _ = socket.write([1], at: peer.now)
      #expect(peer.output().count == 1)
    }
    peer.acknowledgement &+= 2
    peer.send()
    socket.isNagleEnabled = true
    _ = socket.write([1], at: peer.now)
    #expect(peer.output().count == 1)
    _ = socket.write([2], at: peer.now)
    _ = socket.write([3], at: peer.now)
    #expect(peer.output().isEmpty)
    peer.acknowledgement &+= 1
    peer.send()
    #expect(peer.output().map(\.data) == [[2, 3]])
  }

  @Test func theDeviceCutsLargeSegments() throws {
    let peer = ScriptedPeer()
    peer.window = 65_535
    let socket = peer.established()
    peer.path = TCPPath(mtu: 1500, completesChecksum: true, segments: true, segmentOffset: 34)
    _ = socket.write([UInt8](repeating: 5, count: 20_000), at: peer.now)
    var frame = [UInt8](repeating: 0, count: 66_000)
    var elements = frame.mutableSpan
    var span = elements.mutableBytes
    let path = peer.path
    let first = tcpTransmit(peer, &span, path)
    let outgoing = try #require(first)
    // The initial window of RFC 6928: ten segments.
    #expect(outgoing.byteCount == 20 + 14_600 && outgoing.segmentByteCount == 1460 && outgoing.headerByteCount == 20)
    #expect(outgoing.hasPartialChecksum)
    #expect(frame[34 + 20] == 5 && frame[34 + 20 + 14_599] == 5 && frame[34 + 20 + 14_600] == 0)
  }

  private func tcpTransmit(_ peer: ScriptedPeer, _ span: inout MutableRawSpan, _ path: TCPPath?) -> OutgoingSegment? {
    peer.tcp.transmit(into: &span, at: peer.now, path: { _ in path })
  }

  @Test func socketsTakeTurns() throws {
    let peer = ScriptedPeer()
    let listener = try peer.tcp.listen(on: nil, port: 80, backlog: 8)
    var ports: [UInt16] = []
    for port in 1...3 {
      peer.remote.port = UInt16(port)
      peer.sequence = 7000
      let socket = try #require(peer.accepted(by: listener))
      _ = socket.write([UInt8](repeating: UInt8(port), count: 4380), at: peer.now)
    }
    for segment in peer.output() { ports.append(UInt16(segment.data[0])) }
    #expect(ports == [1, 2, 3, 1, 2, 3, 1, 2, 3])
  }

  @Test func damagedSegmentsAreDropped() {
    let peer = ScriptedPeer()
    let socket = peer.established()
    var bytes = Segment(.ack, sequence: 7001, acknowledgement: peer.acknowledgement, window: 9, data: [1]).bytes(
      from: peer.remote, to: peer.local)
    bytes[20] ^= 1
    peer.tcp.receive(
      bytes.span.bytes, from: peer.remote.address, to: peer.local.address, checksumIsValid: false, at: peer.now)
    #expect(socket.readableByteCount == 0 && peer.tcp.statistics.malformedSegments == 1)
    // Cut anywhere, none is more than dropped.
    for count in 0..<20 {
      peer.tcp.receive(
        bytes.span.bytes.extracting(first: count), from: peer.remote.address, to: peer.local.address,
        checksumIsValid: true, at: peer.now)
    }
    #expect(peer.tcp.statistics.malformedSegments == 21)
  }

  @Test func tinySegmentsAreNotForced() throws {
    let peer = ScriptedPeer()
    peer.offer.maximumSegmentByteCount = 1
    let socket = peer.established()
    _ = socket.write([UInt8](repeating: 5, count: 1000), at: peer.now)
    #expect(peer.output().first?.data.count == 128)
  }
}
