extension NetworkStack {
  func receiveICMP(_ message: RawSpan, _ info: IncomingPacket, at now: NetworkInstant) {
    guard message.byteCount >= ICMPMessage.headerByteCount,
      ICMPMessage.checksum(message, from: info.source, to: info.destination) == 0
    else {
      statistics.malformedPackets += 1
      return
    }
    let code = message[1]
    switch message[0] {
    case ICMPMessage.V4.echoRequest:
      // Not to groups: a ping to everybody with the victim's address as its source (RFC 1122, 3.2.2.6 allows silence).
      if !info.isToGroup { answerEcho(message, ICMPMessage.V4.echoReply, from: info.destination, info) }
    case ICMPMessage.V4.unreachable:
      guard let quote = QuotedPacket(v4: message.extracting(ICMPMessage.headerByteCount...)) else { return }
      if code == 4 {
        // RFC 1191, 5: routers from before it say nothing, and the next lower common size is tried.
        let told = Int(message.load(6, as: UInt16.self))
        receivedPacketTooBig(quote, mtu: told != 0 ? told : Self.commonMTU(below: quote.byteCount), at: now)
      } else {
        // RFC 1122, 4.2.3.9: 2 to 4 are hard; 9, 10 and 13 are a filter's last word.
        receivedUnreachable(
          quote, isHard: code == 2 || code == 3 || code == 9 || code == 10 || code == 13, isRefused: code == 3)
      }
    case ICMPMessage.V4.timeExceeded, ICMPMessage.V4.parameterProblem:
      guard let quote = QuotedPacket(v4: message.extracting(ICMPMessage.headerByteCount...)) else { return }
      receivedUnreachable(quote, isHard: false, isRefused: false)
    default:
      // Redirects among them: whoever can send one could otherwise take our traffic over, and a host with one gateway gains
      // nothing.
      break
    }
  }

  func receiveICMPv6(_ message: RawSpan, _ info: IncomingPacket, at now: NetworkInstant) {
    guard message.byteCount >= 4, ICMPMessage.checksum(message, from: info.source, to: info.destination) == 0 else {
      statistics.malformedPackets += 1
      return
    }
    let type = message[0]
    guard message.byteCount >= ICMPMessage.headerByteCount else { return }
    switch type {
    case ICMPMessage.V6.echoRequest:
      guard let source = info.destination.isMulticast ? sourceAddress(for: info.source) : info.destination,
        info.source.isUnicast
      else { return }
      answerEcho(message, ICMPMessage.V6.echoReply, from: source, info)
    case ICMPMessage.V6.unreachable, ICMPMessage.V6.timeExceeded, ICMPMessage.V6.parameterProblem,
      ICMPMessage.V6.packetTooBig:
      guard let quote = QuotedPacket(v6: message.extracting(ICMPMessage.headerByteCount...)) else { return }
      let code = message[1]
      if type == ICMPMessage.V6.packetTooBig {
        let told: UInt32 = message.load(4)
        receivedPacketTooBig(quote, mtu: Int(told), at: now)
      } else {
        // RFC 5927, 4.2 counts as IPv4's hard errors: administratively prohibited, no listener, unknown next header.
        let isUnreachable = type == ICMPMessage.V6.unreachable
        let isHard =
          isUnreachable ? code == 1 || code >= 4 : type == ICMPMessage.V6.parameterProblem && code == 1
        receivedUnreachable(quote, isHard: isHard, isRefused: isUnreachable && code == 4)
      }
    case ICMPMessage.V6.routerAdvertisement, ICMPMessage.V6.neighbourSolicitation,
      ICMPMessage.V6.neighbourAdvertisement:
      receiveNeighbourDiscovery(message, info, at: now)
    case ICMPMessage.V6.multicastQuery: receiveMulticastQuery(message, info, at: now)
    default: break
    }
  }

  /// The same back (RFC 1122, 3.2.2.6; RFC 4443, 4.2), of whatever size.
  private func answerEcho(_ request: RawSpan, _ type: UInt8, from source: IPAddress, _ info: IncomingPacket) {
    statistics.answeredEchoes += 1
    let message = ICMPMessage.make(
      type: type, rest: request.load(4), body: request.extracting(ICMPMessage.headerByteCount...), from: source,
      to: info.source)
    enqueue(OutgoingPacket(source: source, destination: info.source, number: info.number, payload: message))
  }

  private func receivedUnreachable(_ quote: QuotedPacket, isHard: Bool, isRefused: Bool) {
    guard isOwn(quote.source.address) else { return }
    statistics.receivedErrors += 1
    if quote.number == IPProtocol.tcp {
      tcp.destinationUnreachable(
        from: quote.source, to: quote.destination, sequence: quote.sequence, isHard: isHard)
    } else {
      udp.failed(from: quote.source, to: quote.destination, isRefused ? .refused : .unreachable)
    }
  }

  /// A message is believed only if it quotes what was just sent (RFC 5927, 7), and never below `PathMTULimits.minimum`.
  private func receivedPacketTooBig(_ quote: QuotedPacket, mtu: Int, at now: NetworkInstant) {
    guard isOwn(quote.source.address), mtu < quote.byteCount else { return }
    statistics.receivedErrors += 1
    let isBelieved =
      quote.number == IPProtocol.tcp
      ? tcp.pathMTUChanged(from: quote.source, to: quote.destination, sequence: quote.sequence, mtu: mtu)
      : udp.hasSent(from: quote.source, to: quote.destination)
    guard isBelieved else { return }
    let destination = quote.destination.address
    if pathMTUs.lower(to: destination, mtu: mtu, link: self.mtu(of: destination), at: now) {
      statistics.loweredPathMTUs += 1
      routeCache = nil
    }
  }

  /// The plateaus of RFC 1191, 7.1.
  private static func commonMTU(below byteCount: Int) -> Int {
    for mtu in [32000, 17914, 8166, 4352, 2002, 1492, 1006, 508] where mtu < byteCount { return mtu }
    return 296
  }
}
