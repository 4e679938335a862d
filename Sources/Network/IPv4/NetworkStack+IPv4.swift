extension NetworkStack {
  /// - Parameters:
  ///   - packet: what followed the Ethernet header, perhaps with padding at the end.
  ///   - isGroup: whether the frame was sent to several hosts.
  func receiveIPv4(
    _ packet: RawSpan, from link: MACAddress, isGroup: Bool, checksumIsValid: Bool, at now: NetworkInstant
  ) {
    guard let header = IPv4Header(packet) else {
      statistics.malformedPackets += 1
      return
    }
    let payload = packet.extracting(header.headerByteCount..<header.totalByteCount)
    guard let ipv4 else {
      let info = IncomingPacket(
        source: .v4(header.source), destination: .v4(header.destination), number: header.number,
        hopLimit: header.hopLimit, isToGroup: true, link: link, checksumIsValid: checksumIsValid)
      if header.fragmentOffset == 0, !header.hasMoreFragments { _ = receiveDHCP(payload, info, at: now) }
      return
    }
    let isBroadcast = ipv4.isBroadcast(header.destination)
    guard isBroadcast || header.destination == ipv4.address else {
      statistics.foreignPackets += 1
      return
    }
    // RFC 1122, 3.2.1.3: whoever sends from an address that no host can have, or from ours, is not who it says.
    guard ipv4.isPossibleSource(header.source) else {
      statistics.spoofedPackets += 1
      return
    }
    let info = IncomingPacket(
      source: .v4(header.source), destination: .v4(header.destination), number: header.number,
      hopLimit: header.hopLimit, isToGroup: isBroadcast || isGroup, link: link, checksumIsValid: checksumIsValid)
    guard header.fragmentOffset == 0, !header.hasMoreFragments else {
      let fragment = Reassembler.Fragment(
        offset: header.fragmentOffset, hasMore: header.hasMoreFragments, number: header.number)
      reassemble(fragment, payload, identification: UInt32(header.identification), info, at: now)
      return
    }
    deliver(
      payload, of: packet.extracting(0..<header.totalByteCount), info, numberOffset: IPv4Header.numberOffset, at: now)
  }
}
