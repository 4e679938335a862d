/// One Ethernet interface with everything above it: ARP and neighbour discovery, IPv4 and IPv6, ICMP, UDP, TCP, and the
/// clients of DHCP and DNS.
///
/// It does no I/O, has no clock and no threads. Whoever drives it does, in turns: give it all frames that came (`receive`),
/// let it look at the clock (`advance`) when `deadline` is reached, let the program read and write its sockets, and take
/// all frames that are to be sent (`transmit`), so that acknowledgements ride on data and segments are as large as they
/// can be. The same calls with the same times and seed have the same results.
public final class NetworkStack {
  public let link: LinkCapabilities
  public let configuration: NetworkConfiguration
  public let tcp: TCP
  public let udp: UDP
  public let resolver: Resolver
  public internal(set) var statistics = NetworkStatistics()
  /// Told when addresses, routes or name servers change. Not kept alive: see `TCPSocket.observer`.
  public unowned(unsafe) var observer: (any NetworkObserver)?

  /// nil: no address yet.
  var ipv4: IPv4Binding?
  /// nil: there is no IPv6 here.
  var ipv6: IPv6Interface?
  /// nil: the address is fixed, or there is none.
  var dhcp: DHCPClient?
  var lease: DHCPLease?
  var neighbours = NeighbourTable()
  var reassembler = Reassembler()
  var pathMTUs = PathMTUCache()
  var output = OutputQueue()
  var errorRate: ErrorRate
  var random: NetworkRandom
  /// Where the latest TCP segment went, so that the next need not look it up; nil after any change.
  var routeCache: CachedRoute?

  /// - Parameters:
  ///   - seed: 128 bits of entropy: ports, identifiers and sequence numbers come from it.
  public init(
    _ link: LinkCapabilities, _ configuration: NetworkConfiguration, seed: (UInt64, UInt64), at now: NetworkInstant
  ) {
    self.link = link
    self.configuration = configuration
    random = NetworkRandom(seed: seed)
    errorRate = ErrorRate(at: now)
    tcp = TCP(seed: (random.next(), random.next()))
    udp = UDP(random: NetworkRandom(seed: (random.next(), random.next())))
    resolver = Resolver(random: NetworkRandom(seed: (random.next(), random.next())))
    switch configuration.ipv4 {
    case .none: break
    case .dhcp:
      dhcp = DHCPClient(
        link: link.address, hostname: configuration.hostname,
        random: NetworkRandom(seed: (random.next(), random.next())), at: now)
      handleDHCPSteps(at: now)
    case .fixed(let address, let length, let gateway):
      setIPv4(
        IPv4Binding(
          address: address, prefix: IPv4Prefix(address, length: length),
          routes: gateway.map { [.toEverywhere(by: $0)] } ?? []),
        at: now)
    }
    startIPv6(at: now)
  }

  /// Whether `transmit` may have a frame. Cheap.
  public var hasOutput: Bool { !output.isEmpty || udp.hasOutput || tcp.hasOutput || resolver.hasWork }

  /// The longest frame that `transmit` writes.
  public var frameLimit: Int {
    EthernetHeader.byteCount
      + (link.segmentsIPv4 || link.segmentsIPv6 ? LinkCapabilities.mtuRange.upperBound : link.mtu)
  }

  /// When `advance` is to be called next, if nothing comes before; nil: nothing waits for time to pass.
  public var deadline: NetworkInstant? {
    var deadline = earliest(tcp.deadline, neighbours.deadline)
    deadline = earliest(deadline, reassembler.deadline)
    deadline = earliest(deadline, resolver.deadline)
    deadline = earliest(deadline, ipv6?.deadline)
    return earliest(deadline, dhcp?.deadline)
  }

  /// Does what is due by now: retransmissions, expiries, retries.
  public func advance(to now: NetworkInstant) {
    neighbours.advance(to: now)
    handleNeighbourEvents()
    expireReassemblies(at: now)
    advanceIPv6(to: now)
    dhcp?.advance(to: now)
    handleDHCPSteps(at: now)
    tcp.advance(to: now)
    resolver.advance(self, at: now)
  }

  /// Puts a packet of the stack's own in the queue; it is dropped when that is full.
  func enqueue(_ packet: OutgoingPacket) {
    if !output.append(.packet(packet)) { statistics.unsentPackets += 1 }
  }

  func enqueue(_ message: ARPMessage, to link: MACAddress) {
    if !output.append(.arp(message, to: link)) { statistics.unsentPackets += 1 }
  }
}

/// The earlier of two moments, of which either may be never.
func earliest(_ a: NetworkInstant?, _ b: NetworkInstant?) -> NetworkInstant? {
  guard let a else { return b }
  guard let b else { return a }
  return min(a, b)
}
