import Testing

@testable import Network

/// Combinations of flags that no honest peer sends.
@Suite struct FlagTests {
  private static let urg = TCPFlags(rawValue: 0x20)

  /// Nothing begins with these, and nothing is said to them.
  @Test(
    arguments: [
      [.syn, .fin], [.syn, .fin, .psh, urg], [.syn, .rst], [.syn, .fin, .rst], [], [.fin], [.fin, .psh, urg], [.psh],
    ] as [TCPFlags]) func aListenerIgnores(flags: TCPFlags) throws
  {
    let peer = ScriptedPeer()
    let listener = try peer.tcp.listen(on: nil, port: 80, backlog: 8)
    peer.send(flags, [1])
    #expect(peer.output().isEmpty && peer.tcp.statistics.halfOpenCount == 0)
    // Nor with cookies.
    var limits = TCPLimits()
    limits.halfOpenCount = 0
    let other = ScriptedPeer(limits: limits)
    _ = try other.tcp.listen(on: nil, port: 80, backlog: 8)
    other.send(flags)
    #expect(other.output().isEmpty && other.tcp.statistics.cookiesSent == 0)
    // A true SYN is answered after it as before.
    peer.sequence = 7000
    #expect(peer.accepted(by: listener)?.state == .established)
  }

  @Test func aHandshakeIgnoresSYNAndFIN() throws {
    let peer = ScriptedPeer()
    let listener = try peer.tcp.listen(on: nil, port: 80, backlog: 8)
    peer.send(.syn)
    let answer = try #require(peer.nextOutput())
    for flags in [[.syn, .fin], [], [.fin]] as [TCPFlags] {
      peer.deliver(Segment(flags, sequence: 7000, acknowledgement: 0, window: 9))
      #expect(peer.output().isEmpty)
    }
    peer.acknowledge(answer)
    #expect(listener.accept()?.state == .established)
  }

  /// A forged SYN to each of two listeners, in the other's name: they do not answer SYN+ACK by SYN+ACK for ever.
  @Test func twoListenersDoNotAnswerEachOther() throws {
    let simulator = NetworkSimulator(seed: 1, faults: NetworkSimulator.Faults())
    for end in 0..<2 {
      _ = try simulator.ends[end].listen(on: nil, port: 80, backlog: 8)
      let (source, destination) = (simulator.addresses[1 - end], simulator.addresses[end])
      let bytes = Segment(.syn, sequence: 7000, acknowledgement: 0, window: 9).bytes(
        from: SocketAddress(source, port: 80), to: SocketAddress(destination, port: 80))
      simulator.ends[end].receive(
        bytes.span.bytes, from: source, to: destination, checksumIsValid: false, at: simulator.now)
    }
    for _ in 0..<1000 where simulator.step() {}
    #expect(simulator.packetCount < 10)
    #expect(simulator.ends.allSatisfy { $0.statistics.halfOpenCount == 0 })
  }

  @Test func timeWaitIgnoresSYNAndFIN() throws {
    let peer = ScriptedPeer()
    let listener = try peer.tcp.listen(on: nil, port: 80, backlog: 8)
    let socket = try #require(peer.accepted(by: listener))
    socket.close(at: peer.now)
    peer.acknowledge(try #require(peer.nextOutput()))
    peer.send([.ack, .fin])
    _ = peer.output()
    peer.wait(milliseconds: 50_000)
    for flags in [[.syn, .fin], [.syn, .rst], []] as [TCPFlags] {
      peer.deliver(Segment(flags, sequence: 9000, acknowledgement: 0, window: 9))
      #expect(peer.output().isEmpty && peer.tcp.statistics.timeWaitCount == 1)
    }
    // It did not begin anew by that.
    peer.wait(milliseconds: 11_000)
    #expect(peer.tcp.statistics.timeWaitCount == 0)
  }

  /// Both may begin at once, but not with SYN+FIN. With an acknowledgement of our SYN it is the peer's answer, and its end.
  @Test func whoConnectsTakesSYNAndFINOnlyAsAnAnswer() throws {
    let peer = ScriptedPeer()
    let socket = try peer.tcp.connect(to: peer.remote, from: peer.local.address, at: peer.now)
    peer.local = socket.local
    let syn = try #require(peer.nextOutput())
    for flags in [[.syn, .fin], [], [.fin, .psh, Self.urg], [.syn, .rst]] as [TCPFlags] {
      peer.deliver(Segment(flags, sequence: 7000, acknowledgement: 0, window: 9))
      #expect(peer.output().isEmpty && socket.state == .synSent)
    }
    peer.deliver(Segment([.syn, .ack, .fin], sequence: 7000, acknowledgement: syn.sequence &+ 1, window: 9))
    #expect(socket.state == .closeWait && socket.isEndOfStream)
    #expect(peer.output().map(\.acknowledgement) == [7002])
  }
}
