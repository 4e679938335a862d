import Testing

@testable import Network

@Suite struct HandshakeTests {
  @Test func aPeerConnects() throws {
    let peer = ScriptedPeer()
    let listener = try peer.tcp.listen(on: nil, port: 80, backlog: 8)
    let observer = CountingObserver()
    listener.observer = observer
    peer.send(.syn)
    let answer = try #require(peer.nextOutput())
    #expect(answer.flags == [.syn, .ack])
    #expect(answer.acknowledgement == 7001)
    #expect(answer.options.maximumSegmentByteCount == 1460)
    // Only what the peer offered.
    #expect(answer.options.windowScale == nil && answer.options.timestamp == nil && !answer.options.permitsSACK)
    #expect(listener.accept() == nil)
    peer.acknowledge(answer)
    let socket = try #require(listener.accept())
    #expect(socket.state == .established)
    #expect(observer.count == 1)
    #expect(peer.output().isEmpty)
    #expect(peer.tcp.statistics.passiveOpens == 1)
    listener.observer = nil
  }

  @Test func weConnect() throws {
    let peer = ScriptedPeer()
    let socket = try peer.tcp.connect(to: peer.remote, from: peer.local.address, at: peer.now)
    peer.local = socket.local
    let syn = try #require(peer.nextOutput())
    #expect(syn.flags == .syn)
    #expect(syn.options.windowScale == 5 && syn.options.timestamp != nil && syn.options.permitsSACK)
    #expect(peer.output().isEmpty)
    peer.acknowledgement = syn.sequence &+ 1
    peer.send([.syn, .ack])
    #expect(socket.state == .established)
    let last = try #require(peer.nextOutput())
    #expect(last.flags == .ack && last.acknowledgement == 7001 && last.sequence == syn.sequence &+ 1)
    #expect(socket.write([1, 2, 3], at: peer.now) == 3)
    #expect(peer.output().map(\.data) == [[1, 2, 3]])
  }

  @Test func bothConnectAtOnce() throws {
    let peer = ScriptedPeer()
    let socket = try peer.tcp.connect(to: peer.remote, from: peer.local.address, at: peer.now)
    peer.local = socket.local
    let syn = try #require(peer.nextOutput())
    peer.send(.syn)
    #expect(socket.state == .synReceived)
    let answer = try #require(peer.nextOutput())
    #expect(answer.flags == [.syn, .ack])
    #expect(answer.sequence == syn.sequence && answer.acknowledgement == 7001)
    // The peer's SYN+ACK has its SYN again.
    peer.sequence = 7000
    peer.acknowledgement = syn.sequence &+ 1
    peer.send([.syn, .ack])
    #expect(socket.state == .established)
    #expect(peer.output().map(\.flags) == [.ack])
  }

  @Test func nobodyListens() throws {
    let peer = ScriptedPeer()
    peer.send(.syn)
    let reset = try #require(peer.nextOutput())
    #expect(reset.flags == [.rst, .ack] && reset.acknowledgement == 7001 && reset.sequence == 0)
    peer.acknowledgement = 99
    peer.send(.ack)
    #expect(try #require(peer.nextOutput()).sequence == 99)
    peer.send(.rst)
    #expect(peer.output().isEmpty)
  }

  @Test func weAreRefused() throws {
    let peer = ScriptedPeer()
    let socket = try peer.tcp.connect(to: peer.remote, from: peer.local.address, at: peer.now)
    peer.local = socket.local
    let syn = try #require(peer.nextOutput())
    // A stranger does not know what to acknowledge.
    peer.acknowledgement = syn.sequence &+ 2
    peer.send([.rst, .ack])
    #expect(socket.state == .synSent)
    peer.acknowledgement = syn.sequence &+ 1
    peer.send([.rst, .ack])
    #expect(socket.state == .closed && socket.error == .refused)
    #expect(peer.output().isEmpty)
    #expect(peer.tcp.statistics.connectionCount == 0)
  }

  @Test func synIsRepeatedAndGivenUp() throws {
    let peer = ScriptedPeer()
    let socket = try peer.tcp.connect(to: peer.remote, from: peer.local.address, at: peer.now)
    let start = peer.now
    var times: [Int] = []
    while socket.state != .closed {
      for segment in peer.output() where segment.flags == .syn { times.append(peer.now.milliseconds(since: start)) }
      peer.now = try #require(peer.tcp.deadline)
      peer.tcp.advance(to: peer.now)
    }
    #expect(times == [0, 1000, 3000, 7000, 15_000, 31_000, 63_000, 123_000])
    #expect(socket.error == .timedOut)
    #expect(peer.tcp.deadline == nil)
  }

  @Test func synAcknowledgementIsRepeatedAndGivenUp() throws {
    let peer = ScriptedPeer()
    _ = try peer.tcp.listen(on: nil, port: 80, backlog: 8)
    peer.send(.syn)
    var count = peer.output().count
    for _ in 0..<100 {
      peer.wait(milliseconds: 1000)
      count += peer.output().count
    }
    #expect(count == 5)
    #expect(peer.tcp.statistics.halfOpenCount == 0)
    #expect(peer.tcp.deadline == nil)
  }

  @Test func everythingIsAgreedOn() throws {
    let peer = ScriptedPeer()
    peer.offer.windowScale = 7
    peer.offer.permitsSACK = true
    peer.offer.timestamp = TCPTimestamp(value: 50, echo: 0)
    peer.window = 500
    let listener = try peer.tcp.listen(on: nil, port: 80, backlog: 8)
    peer.send(.syn)
    let answer = try #require(peer.nextOutput())
    #expect(answer.options.windowScale == 5 && answer.options.permitsSACK)
    #expect(answer.options.timestamp?.echo == 50)
    peer.clock = 60
    peer.acknowledge(answer)
    let socket = try #require(listener.accept())
    #expect(socket.sendWindow == 500 << 7)
    #expect(socket.segmentByteCount == 1448)
  }

  @Test func aFloodOfSynIsBounded() throws {
    var limits = TCPLimits()
    limits.halfOpenCount = 10
    let peer = ScriptedPeer(limits: limits)
    let listener = try peer.tcp.listen(on: nil, port: 80, backlog: 8)
    peer.offer.windowScale = 7
    peer.offer.permitsSACK = true
    peer.offer.timestamp = TCPTimestamp(value: 50, echo: 0)
    for port in 1..<200 {
      peer.remote.port = UInt16(port)
      peer.sequence = UInt32(port)
      peer.send(.syn)
      #expect(peer.output().count == 1)
    }
    #expect(peer.tcp.statistics.halfOpenCount == 10)
    #expect(peer.tcp.statistics.connectionCount == 0)
    // Who means it gets in nevertheless, by a cookie.
    peer.remote.port = 5000
    peer.wait(milliseconds: 37)
    let socket = try #require(peer.accepted(by: listener))
    #expect(peer.tcp.statistics.cookiesAccepted == 1)
    #expect(socket.state == .established)
    #expect(socket.sendScale == 7 && socket.permitsSACK && socket.timestamps != nil)
    #expect(socket.peerSegmentByteCount == 1460)
    peer.send(.ack, [1, 2, 3])
    #expect(socket.read(at: peer.now) == [1, 2, 3])
  }

  @Test func aGuessedCookieIsNone() throws {
    var limits = TCPLimits()
    limits.halfOpenCount = 0
    let peer = ScriptedPeer(limits: limits)
    let listener = try peer.tcp.listen(on: nil, port: 80, backlog: 8)
    // Without a flood, no cookie is taken at all.
    peer.acknowledgement = 1234
    peer.send(.ack)
    #expect(peer.output().map(\.flags) == [.rst])
    peer.send(.syn)
    let answer = try #require(peer.nextOutput())
    for guess in 1..<2000 {
      peer.acknowledgement = answer.sequence &+ 1 &+ UInt32(guess)
      peer.send(.ack)
      #expect(peer.output().map(\.flags) == [.rst])
    }
    // After its time the right one is none, either.
    peer.wait(milliseconds: 128_000)
    peer.acknowledge(answer)
    #expect(peer.output().map(\.flags) == [.rst])
    #expect(listener.accept() == nil)
  }

  @Test func aFullBacklogTakesNoMore() throws {
    let peer = ScriptedPeer()
    let listener = try peer.tcp.listen(on: nil, port: 80, backlog: 2)
    var answers: [Segment] = []
    for port in 1...3 {
      peer.remote.port = UInt16(port)
      peer.sequence = 7000
      peer.send(.syn)
      answers += peer.output()
    }
    #expect(answers.count == 3)
    for port in 1...3 {
      peer.remote.port = UInt16(port)
      peer.sequence = 7001
      peer.acknowledge(answers[port - 1])
    }
    #expect(peer.tcp.statistics.connectionCount == 2)
    #expect(peer.tcp.statistics.handshakesDropped == 1)
    peer.remote.port = 4
    peer.sequence = 7000
    peer.send(.syn)
    #expect(peer.output().isEmpty)
    #expect(listener.accept() != nil && listener.accept() != nil && listener.accept() == nil)
    // SYN+ACK comes again, and there is room now.
    peer.wait(milliseconds: 1100)
    #expect(peer.output().count == 1)
    peer.remote.port = 3
    peer.sequence = 7001
    peer.acknowledge(answers[2])
    #expect(listener.accept() != nil)
  }

  @Test func aClosedListenerResetsWhatNobodyAccepted() throws {
    let peer = ScriptedPeer()
    let listener = try peer.tcp.listen(on: nil, port: 80, backlog: 2)
    peer.send(.syn)
    peer.acknowledge(try #require(peer.nextOutput()))
    listener.close(at: peer.now)
    #expect(peer.output().map(\.flags) == [[.rst, .ack]])
    #expect(peer.tcp.statistics.connectionCount == 0)
    _ = try peer.tcp.listen(on: nil, port: 80, backlog: 2)
    #expect(throws: TCPError.addressInUse) { try peer.tcp.listen(on: peer.local.address, port: 80, backlog: 2) }
  }

  @Test func portsAndSequencesDiffer() throws {
    let peer = ScriptedPeer()
    var ports: Set<UInt16> = []
    var sequences: Set<UInt32> = []
    for _ in 0..<100 {
      let socket = try peer.tcp.connect(to: peer.remote, from: peer.local.address, at: peer.now)
      ports.insert(socket.local.port)
      sequences.insert(socket.initialSend.wire)
      #expect(socket.local.port >= 49_152)
    }
    #expect(ports.count == 100 && sequences.count == 100)
  }
}
