extension NetworkStack {
  func receiveIPv6(
    _ packet: RawSpan, from link: MACAddress, isGroup: Bool, checksumIsValid: Bool, at now: NetworkInstant
  ) {
    guard let header = IPv6Header(packet) else {
      statistics.malformedPackets += 1
      return
    }
    guard let ipv6 else { return }
    guard header.destination.isMulticast ? ipv6.isMember(of: header.destination) : ipv6.isAssigned(header.destination)
    else {
      statistics.foreignPackets += 1
      return
    }
    // `::` asks whether an address is free (RFC 4862, 5.4), and has no other business with a host.
    guard header.source == .any || header.source.isUnicast && !ipv6.isAssigned(header.source) else {
      statistics.spoofedPackets += 1
      return
    }
    let info = IncomingPacket(
      source: .v6(header.source), destination: .v6(header.destination), number: header.number,
      hopLimit: header.hopLimit, isToGroup: header.destination.isMulticast || isGroup, link: link,
      checksumIsValid: checksumIsValid)
    receiveIPv6Payload(
      packet.extracting(0..<IPv6Header.byteCount + header.payloadByteCount), info, offset: IPv6Header.byteCount,
      at: now)
  }

  /// Goes through the extension headers (RFC 8200, 4) to what is behind them.
  ///
  /// - Parameters:
  ///   - packet: from its IP header on.
  ///   - offset: of the first header that is to be looked at.
  func receiveIPv6Payload(_ packet: RawSpan, _ info: IncomingPacket, offset: Int, at now: NetworkInstant) {
    var info = info
    var offset = offset
    var numberOffset = IPv6Header.numberOffset
    for _ in 0...IPv6Limits.extensionHeaderCount {
      switch info.number {
      case IPProtocol.hopByHop, IPProtocol.destinationOptions, IPProtocol.routing:
        // RFC 8200, 4.1: hop-by-hop options only directly behind the IPv6 header.
        guard info.number != IPProtocol.hopByHop || offset == IPv6Header.byteCount else {
          return sendError(.unknownProtocol(at: numberOffset), about: packet, info, at: now)
        }
        guard packet.byteCount - offset >= 8, packet.byteCount - offset >= 8 + Int(packet[offset + 1]) * 8 else {
          statistics.malformedPackets += 1
          return
        }
        let end = offset + 8 + Int(packet[offset + 1]) * 8
        if info.number == IPProtocol.routing {
          // No type of routing is known here, type 0 least of all (RFC 5095); at its end it does not matter (RFC 8200, 4.4).
          guard packet[offset + 3] == 0 else {
            return sendError(.badHeader(at: offset + 2), about: packet, info, at: now)
          }
        } else {
          guard acceptsOptions(in: packet, offset + 2..<end, info, at: now) else { return }
        }
        info.number = packet[offset]
        numberOffset = offset
        offset = end
      case IPProtocol.fragment:
        guard let header = FragmentHeader(packet.extracting(offset...)), !info.isReassembled else {
          statistics.malformedPackets += 1
          return
        }
        numberOffset = offset
        offset += FragmentHeader.byteCount
        if header.offset == 0, !header.hasMore {
          // The whole in one fragment has nothing to do with others (RFC 6946).
          info.number = header.number
          info.isReassembled = true
          continue
        }
        let fragment = Reassembler.Fragment(offset: header.offset, hasMore: header.hasMore, number: header.number)
        return reassemble(
          fragment, packet.extracting(offset...), identification: header.identification, info, at: now)
      default:
        guard info.source != .v6(.any) || info.number == IPProtocol.icmpv6 else {
          statistics.spoofedPackets += 1
          return
        }
        return deliver(packet.extracting(offset...), of: packet, info, numberOffset: numberOffset, at: now)
      }
    }
    statistics.malformedPackets += 1
  }

  /// Whether a packet with these options is to be taken: what to do with unknown ones is in their type's first two bits
  /// (RFC 8200, 4.2).
  private func acceptsOptions(
    in packet: RawSpan, _ range: Range<Int>, _ info: IncomingPacket, at now: NetworkInstant
  ) -> Bool {
    var offset = range.lowerBound
    var count = 0
    while offset < range.upperBound {
      let type = packet[offset]
      if type == Self.optionPad1 {
        offset += 1
        continue
      }
      count += 1
      guard count <= IPv6Limits.optionCount, range.upperBound - offset >= 2,
        range.upperBound - offset >= 2 + Int(packet[offset + 1])
      else {
        statistics.malformedPackets += 1
        return false
      }
      // PadN and Router Alert have 0 there, as everything that may be skipped.
      switch type >> 6 {
      case 0: break
      case 1: return false
      case 2:
        sendError(.unknownOption(at: offset), about: packet, info, at: now)
        return false
      default:
        if !info.destination.isMulticast { sendError(.unknownOption(at: offset), about: packet, info, at: now) }
        return false
      }
      offset += 2 + Int(packet[offset + 1])
    }
    return true
  }

  private static let optionPad1: UInt8 = 0
}
