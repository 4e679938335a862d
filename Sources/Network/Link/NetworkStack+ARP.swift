extension NetworkStack {
  func receiveARP(_ packet: RawSpan, at now: NetworkInstant) {
    guard let message = ARPMessage(packet) else {
      statistics.malformedPackets += 1
      return
    }
    guard message.senderLink != link.address else { return }
    // RFC 5227, 2.1.1: somebody has the address, or wants it at the same time.
    for address in [message.sender, message.target] where address != .any && dhcp?.isProbing(address) == true {
      guard address == message.sender || message.sender == .any else { continue }
      statistics.addressConflicts += 1
      dhcp?.conflict(over: address, at: now)
      handleDHCPSteps(at: now)
    }
    guard let ipv4 else { return }
    if message.sender == ipv4.address {
      // RFC 5227, 2.4 (b): somebody claims our address. It is defended, at most as often as errors may be sent.
      statistics.addressConflicts += 1
      if errorRate.take(at: now) { announce(ipv4.address) }
      return
    }
    // 0.0.0.0 asks whether an address is free (RFC 5227, 2.1.1).
    guard message.sender == .any || ipv4.isPossibleSource(message.sender) else {
      statistics.spoofedPackets += 1
      return
    }
    let isAnswer = message.operation == .reply && message.target == ipv4.address && message.targetLink == link.address
    neighbours.heard(
      from: .v4(message.sender), at: message.senderLink, isAnswer: isAnswer, random: &random, at: now)
    handleNeighbourEvents()
    if message.operation == .request, message.target == ipv4.address {
      enqueue(
        ARPMessage(.reply, from: ipv4.address, at: link.address, to: message.sender, at: message.senderLink),
        to: message.senderLink)
    }
  }

  /// Says whose an address is, so that who knew another one for it forgets that (RFC 5227, 2.3).
  func announce(_ address: IPv4Address) {
    enqueue(ARPMessage(.request, from: address, at: link.address, to: address), to: .broadcast)
  }

  /// Does what the table of neighbours wants done.
  func handleNeighbourEvents() {
    guard !neighbours.events.isEmpty else { return }
    routeCache = nil
    for event in neighbours.takeEvents() {
      switch event {
      case .solicit(.v4(let neighbour), let known):
        guard let ipv4 else { continue }
        enqueue(
          ARPMessage(.request, from: ipv4.address, at: link.address, to: neighbour), to: known ?? .broadcast)
      case .solicit(.v6(let neighbour), let known): solicit(neighbour, at: known)
      case .resolved(let packets):
        for packet in packets { enqueue(packet) }
      case .failed(let neighbour, let packets):
        routerFailed(neighbour)
        statistics.failedNeighbours += 1
        statistics.unsentPackets += UInt64(packets.count)
        for packet in packets { tellUnreachable(packet) }
      }
    }
  }

  /// Tells TCP or UDP that a packet does not reach its neighbour (RFC 1122, 2.3.2.1 with 4.2.3.9).
  private func tellUnreachable(_ packet: OutgoingPacket) {
    let bytes = packet.payload.span.bytes
    guard bytes.byteCount >= UDPHeader.byteCount else { return }
    let local = SocketAddress(packet.source, port: bytes.load(0))
    let remote = SocketAddress(packet.destination, port: bytes.load(2))
    switch packet.number {
    case IPProtocol.tcp: tcp.destinationUnreachable(from: local, to: remote, sequence: bytes.load(4), isHard: true)
    case IPProtocol.udp: udp.failed(from: local, to: remote, .unreachable)
    default: break
    }
  }
}
