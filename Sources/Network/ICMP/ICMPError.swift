/// The errors that are sent from here.
enum ICMPError {
  /// Nobody listens on a UDP port (RFC 1122, 4.1.3.1; RFC 4443, 3.1).
  case portUnreachable
  /// Nobody here speaks what is in the packet (RFC 1122, 3.2.2.1). In IPv6: the number's place in the packet (RFC 8200, 4).
  case unknownProtocol(at: Int)
  /// A datagram's fragments did not all come in time (RFC 1122, 3.3.2; RFC 8200, 4.5).
  case reassemblyTimeExceeded
  /// An IPv6 header that makes no sense (RFC 4443, 3.4); its place in the packet.
  case badHeader(at: Int)
  /// An option of IPv6 that is not known, and whose type says that an error is wanted (RFC 8200, 4.2).
  case unknownOption(at: Int)

  var v4: (type: UInt8, code: UInt8)? {
    switch self {
    case .portUnreachable: (ICMPMessage.V4.unreachable, 3)
    case .unknownProtocol: (ICMPMessage.V4.unreachable, 2)
    case .reassemblyTimeExceeded: (ICMPMessage.V4.timeExceeded, 1)
    case .badHeader, .unknownOption: nil
    }
  }

  var v6: (type: UInt8, code: UInt8, rest: UInt32) {
    switch self {
    case .portUnreachable: (ICMPMessage.V6.unreachable, 4, 0)
    case .reassemblyTimeExceeded: (ICMPMessage.V6.timeExceeded, 1, 0)
    case .badHeader(let offset): (ICMPMessage.V6.parameterProblem, 0, UInt32(offset))
    case .unknownProtocol(let offset): (ICMPMessage.V6.parameterProblem, 1, UInt32(offset))
    case .unknownOption(let offset): (ICMPMessage.V6.parameterProblem, 2, UInt32(offset))
    }
  }

  /// How large an error may be with its IP header: RFC 1812, 4.3.2.3, and RFC 4443, 2.4 (c).
  static func byteLimit(_ destination: IPAddress) -> Int {
    destination.isIPv6 ? 1280 : 576
  }
}

extension NetworkStack {
  /// Tells a packet's sender that something is wrong with it, unless the standards forbid an answer to such a packet
  /// (RFC 1122, 3.2.2; RFC 4443, 2.4 (e)) or too many were given.
  ///
  /// - Parameter packet: from its IP header on.
  func sendError(_ error: ICMPError, about packet: RawSpan, _ info: IncomingPacket, at now: NetworkInstant) {
    guard info.source.isUnicast else { return }
    if info.isToGroup {
      guard info.destination.isIPv6, case .unknownOption = error else { return }
    }
    guard let source = info.isToGroup ? sourceAddress(for: info.source) : info.destination else { return }
    guard errorRate.take(at: now) else {
      statistics.suppressedErrors += 1
      return
    }
    let header = info.source.isIPv6 ? IPv6Header.byteCount : IPv4Header.byteCount
    let room = ICMPError.byteLimit(info.source) - header - ICMPMessage.headerByteCount
    let quote = packet.extracting(0..<min(packet.byteCount, room))
    let message: [UInt8]
    if info.source.isIPv6 {
      let kind = error.v6
      message = ICMPMessage.make(
        type: kind.type, code: kind.code, rest: kind.rest, body: quote, from: source, to: info.source)
    } else {
      guard let kind = error.v4 else { return }
      message = ICMPMessage.make(type: kind.type, code: kind.code, body: quote, from: source, to: info.source)
    }
    statistics.sentErrors += 1
    enqueue(
      OutgoingPacket(
        source: source, destination: info.source,
        number: info.source.isIPv6 ? IPProtocol.icmpv6 : IPProtocol.icmp, payload: message))
  }
}
