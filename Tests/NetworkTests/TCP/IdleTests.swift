import Testing

@testable import Network

@Suite struct IdleTests {
  @Test func idleConnectionsHaveNoTimers() {
    let peer = ScriptedPeer()
    let socket = peer.established()
    _ = socket.write([1], at: peer.now)
    for segment in peer.output() { peer.acknowledge(segment) }
    // What was set is still in the heap, and finds nothing to do.
    peer.wait(milliseconds: 10_000)
    #expect(peer.tcp.deadline == nil && peer.output().isEmpty)
  }

  @Test func keepAliveProbes() throws {
    let peer = ScriptedPeer()
    let socket = peer.established()
    socket.keepAlive = TCPKeepAlive(time: .seconds(10), interval: .seconds(1), probes: 3)
    peer.wait(milliseconds: 9999)
    #expect(peer.output().isEmpty)
    peer.wait(milliseconds: 1)
    let probe = try #require(peer.nextOutput())
    #expect(probe.sequence == peer.acknowledgement &- 1 && probe.data.isEmpty && probe.flags == .ack)
    // An answer: from the beginning.
    peer.send()
    peer.wait(milliseconds: 9999)
    #expect(peer.output().isEmpty)
    var count = 0
    for _ in 0..<10 {
      peer.wait(milliseconds: 1000)
      count += peer.output().filter { !$0.flags.contains(.rst) }.count
    }
    #expect(count == 3)
    #expect(socket.state == .closed && socket.error == .timedOut)
  }

  /// Of a connection that was idle for longer than all probes take: it has time to answer each nevertheless.
  @Test func keepAliveThatIsAskedForLate() throws {
    let peer = ScriptedPeer()
    let socket = peer.established()
    peer.wait(milliseconds: 3_600_000)
    socket.keepAlive = TCPKeepAlive(time: .seconds(10), interval: .seconds(1), probes: 3)
    peer.tcp.advance(to: peer.now)
    #expect(peer.output().count == 1 && socket.state == .established)
    peer.wait(milliseconds: 999)
    #expect(peer.output().isEmpty)
    peer.send()
    peer.wait(milliseconds: 9999)
    #expect(peer.output().isEmpty && socket.state == .established)
  }

  @Test func userTimeout() {
    let peer = ScriptedPeer()
    let socket = peer.established()
    socket.userTimeout = .seconds(5)
    peer.wait(milliseconds: 100_000)
    #expect(socket.state == .established)
    _ = socket.write([1], at: peer.now)
    _ = peer.output()
    peer.wait(milliseconds: 4999)
    #expect(socket.state == .established)
    peer.wait(milliseconds: 1)
    #expect(socket.error == .timedOut)
  }

  @Test func whatIsOutOfRangeIsBounded() {
    let smallest = TCPKeepAlive(time: .zero, interval: .seconds(Int64.min), probes: .min)
    #expect(smallest == TCPKeepAlive(time: .milliseconds(1), interval: .milliseconds(1), probes: 1))
    var largest = TCPKeepAlive()
    #expect(largest.time == .seconds(7200) && largest.interval == .seconds(75) && largest.probes == 9)
    largest.time = .seconds(Int64.max)
    largest.interval = .seconds(32_768)
    largest.probes = .max
    #expect(largest == TCPKeepAlive(time: .seconds(32_767), interval: .seconds(32_767), probes: 127))
    #expect(TCPKeepAlive(time: .nanoseconds(1_999_999)).time == .milliseconds(1))
    let peer = ScriptedPeer()
    let socket = peer.established()
    socket.keepAlive = largest
    socket.userTimeout = .seconds(Int64.max)
    #expect(socket.userTimeout == .milliseconds(Int32.max))
    _ = socket.write([1], at: peer.now)
    _ = peer.output()
    socket.userTimeout = .seconds(-1)
    #expect(socket.userTimeout == .milliseconds(1))
    peer.wait(milliseconds: 1)
    #expect(socket.error == .timedOut)
  }

  @Test func timersComeInOrder() {
    var timers = TCPTimers()
    for socket in 0..<200 {
      timers.schedule(socket, noLaterThan: NetworkInstant(nanoseconds: UInt64(socket * 7919 % 200)))
    }
    for socket in stride(from: 0, to: 200, by: 3) { timers.cancel(socket) }
    timers.schedule(1, noLaterThan: NetworkInstant(nanoseconds: 0))
    timers.schedule(2, noLaterThan: NetworkInstant(nanoseconds: 10_000))
    var last = NetworkInstant(nanoseconds: 0)
    var count = 0
    while let deadline = timers.deadline {
      #expect(deadline >= last)
      last = deadline
      #expect(timers.popDue(at: deadline) != nil)
      count += 1
    }
    #expect(count == 133 && last.nanoseconds < 200)
  }
}
