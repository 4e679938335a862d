extension NetworkStack {
  /// Does what the client of DHCP wants done.
  func handleDHCPSteps(at now: NetworkInstant) {
    guard let steps = dhcp?.takeSteps() else { return }
    for step in steps {
      switch step {
      case .send(let message, let server): sendDHCP(message, to: server)
      case .probe(let address):
        // RFC 5227, 2.1.1: from nobody, so that nobody's table changes.
        enqueue(ARPMessage(.request, from: .any, at: link.address, to: address), to: .broadcast)
      case .use(let lease):
        if lease?.nameServers != self.lease?.nameServers { resolver.serversDidChange() }
        self.lease = lease
        setIPv4(lease?.binding, at: now)
      }
    }
  }

  /// - Parameter server: nil: everybody, from no address.
  private func sendDHCP(_ message: [UInt8], to server: IPv4Address?) {
    let payload = UDPHeader.datagram(
      from: DHCPMessage.clientPort, to: DHCPMessage.serverPort, message.span.bytes)
    let source = server == nil ? .any : ipv4?.address ?? .any
    enqueue(
      OutgoingPacket(
        source: .v4(source), destination: .v4(server ?? .broadcast), number: IPProtocol.udp, payload: payload,
        checksumOffset: UDPHeader.checksumOffset, link: server == nil ? .broadcast : nil))
  }

  /// Takes a packet that may be from a DHCP server: while there is no address, it may be to any (RFC 2131, 4.1).
  ///
  /// - Returns: whether it was for the client of DHCP.
  func receiveDHCP(_ payload: RawSpan, _ info: IncomingPacket, at now: NetworkInstant) -> Bool {
    guard dhcp != nil, info.number == IPProtocol.udp, let header = UDPHeader(payload),
      header.destination == DHCPMessage.clientPort, header.source == DHCPMessage.serverPort
    else { return false }
    guard UDP.isIntact(payload, header, info) else {
      statistics.malformedPackets += 1
      return true
    }
    dhcp?.receive(payload.extracting(UDPHeader.byteCount..<header.byteCount), at: now)
    handleDHCPSteps(at: now)
    return true
  }
}
