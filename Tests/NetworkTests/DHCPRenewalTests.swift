import Testing

@testable import Network

/// Renewals that say little.
extension DHCPTests {
  /// Goes on to the next question about the lease, and answers that.
  static func renew(_ host: Host, options: [UInt8], from server: IPv4Address = server) throws {
    var request: [UInt8]?
    while request == nil, host.advanceToDeadline() {
      while let frame = host.frame() {
        if frame.isARP { host.answerARP(frame) } else { request = request ?? message(frame)?.bytes }
      }
    }
    host.receive(reply(to: try #require(request), kind: 5, options: options, from: server, to: offered))
  }

  static let leaseOption: [UInt8] = [51, 4, 0, 0, 0, 60]

  @Test func aBareRenewalKeepsWhatIsKnown() throws {
    let (host, _) = try Self.bound(Self.options(lease: 60))
    for _ in 0..<3 {
      try Self.renew(host, options: Self.leaseOption)
      #expect(host.stack.addresses == [.v4(Self.offered)])
      #expect(host.stack.nameServers == [.v4(IPv4Address(10, 0, 0, 253)), .v4(IPv4Address(10, 0, 0, 252))])
      #expect(host.stack.lease?.domain == DNSName("lan"))
      #expect(host.stack.mtu(of: .v4(Self.server)) == 1300)
      #expect(try host.firstHop(to: IPv4Address(192, 0, 2, 1)) == Self.server)
    }
  }

  @Test func aBareRenewalKeepsTheMask() throws {
    let (host, _) = try Self.bound([1, 4, 255, 255, 255, 128, 3, 4, 10, 0, 0, 100] + Self.leaseOption)
    #expect(try host.firstHop(to: IPv4Address(10, 0, 0, 200)) == IPv4Address(10, 0, 0, 100))
    try Self.renew(host, options: Self.leaseOption)
    #expect(try host.firstHop(to: IPv4Address(10, 0, 0, 200)) == IPv4Address(10, 0, 0, 100))
  }

  @Test func aBareRebindingKeepsWhatIsKnown() throws {
    let times: [UInt8] = [58, 4, 0, 0, 0, 1, 59, 4, 0, 0, 0, 2]
    let (host, _) = try Self.bound(Self.options(lease: 60, more: times))
    // Nobody answers the questions to the server itself.
    var request: [UInt8]?
    while request == nil, host.advanceToDeadline() {
      while let frame = host.frame() {
        if frame.isARP { host.answerARP(frame) }
        if let message = Self.message(frame), frame.ipDestination == .v4(.broadcast) { request = message.bytes }
      }
    }
    let other = IPv4Address(10, 0, 0, 66)
    host.receive(
      Self.reply(to: try #require(request), kind: 5, options: Self.leaseOption, from: other, to: Self.offered))
    #expect(host.stack.lease?.server == other)
    #expect(host.stack.nameServers == [.v4(IPv4Address(10, 0, 0, 253)), .v4(IPv4Address(10, 0, 0, 252))])
    #expect(try host.firstHop(to: IPv4Address(192, 0, 2, 1)) == Self.server)
  }

  /// Without a lease's time it is the one before, with all three of its moments; with the same time again the other two are
  /// those before as well.
  @Test(arguments: [[], [51, 4, 0, 0, 0, 60]] as [[UInt8]]) func aBareRenewalKeepsTheTimes(options: [UInt8]) throws {
    let times: [UInt8] = [58, 4, 0, 0, 0, 10, 59, 4, 0, 0, 0, 40]
    let (host, _) = try Self.bound(Self.options(lease: 60, more: times))
    for _ in 0..<3 {
      let before = host.now
      try Self.renew(host, options: options)
      // From the request on, which was up to the time of ARP's probe before.
      #expect((9_800...10_000).contains(host.now.milliseconds(since: before)))
    }
    let times2 = try #require(host.stack.lease?.seconds)
    #expect(times2 == (10, 40, 60))
  }

  /// RFC 2131, 4.4.5: T1 and T2 are parts of the lease's time, and another time has others.
  @Test func anotherLeaseTimeHasItsOwnMoments() throws {
    let (host, _) = try Self.bound(Self.options(lease: 60, more: [58, 4, 0, 0, 0, 10, 59, 4, 0, 0, 0, 40]))
    try Self.renew(host, options: [51, 4, 0, 0, 0, 200])
    let before = host.now
    try Self.renew(host, options: [])
    #expect(host.now.milliseconds(since: before) == 100_000)
  }

  /// What a renewal does say counts, option by option; the program is told.
  @Test func aRenewalChangesWhatItSays() throws {
    let (host, _) = try Self.bound(Self.options(lease: 60))
    final class Observer: NetworkObserver {
      var count = 0
      func networkDidChange() { count += 1 }
    }
    let observer = Observer()
    host.stack.observer = observer
    try Self.renew(host, options: Self.leaseOption)
    #expect(observer.count == 0)
    try Self.renew(host, options: Self.leaseOption + [6, 4, 10, 0, 0, 9])
    #expect(observer.count == 1)
    #expect(host.stack.nameServers == [.v4(IPv4Address(10, 0, 0, 9))])
    try Self.renew(host, options: Self.leaseOption + [3, 4, 10, 0, 0, 8])
    #expect(observer.count == 2)
    #expect(try host.firstHop(to: IPv4Address(192, 0, 2, 1)) == IPv4Address(10, 0, 0, 8))
    #expect(host.stack.nameServers == [.v4(IPv4Address(10, 0, 0, 9))])
    host.stack.observer = nil
  }

  /// A renewal of other routes leaves the address and the neighbours alone: nothing is announced, nobody is asked again.
  @Test func otherRoutesLeaveTheNeighbours() throws {
    let (host, _) = try Self.bound(Self.options(lease: 60))
    #expect(try host.firstHop(to: IPv4Address(10, 0, 0, 9)) == IPv4Address(10, 0, 0, 9))
    try Self.renew(host, options: Self.leaseOption + [3, 4, 10, 0, 0, 8])
    #expect(host.frames().isEmpty)
    let port = try host.stack.udp.bind()
    try port.send(([1] as [UInt8]).span.bytes, to: SocketAddress(.v4(IPv4Address(10, 0, 0, 9)), port: 9))
    #expect(host.frames().map(\.isARP) == [false])
  }

  /// RFC 2131, 4.4.1: a new lease is what its acknowledgement says; of the offer and of earlier leases nothing is taken.
  @Test func anOfferIsNoRenewal() throws {
    let host = Self.host()
    let discover = try #require(Self.message(host.frame())).bytes
    host.receive(Self.reply(to: discover, kind: 2))
    let request = try #require(Self.message(host.frame())).bytes
    host.receive(Self.reply(to: request, kind: 5, options: Self.leaseOption))
    host.advance(milliseconds: DHCPLimits.probeMilliseconds)
    #expect(host.stack.addresses == [.v4(Self.offered)])
    #expect(host.stack.nameServers.isEmpty)
    #expect(try host.firstHop(to: IPv4Address(192, 0, 2, 1)) == nil)
  }
}
