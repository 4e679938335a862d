extension NetworkStack {
  /// Takes in a frame that came.
  ///
  /// - Parameters:
  ///   - frame: one Ethernet frame without its check sequence, up to 64 KiB and headers: segments of TCP that the device
  ///     merged are one.
  ///   - checksumIsValid: whether the device vouches for the TCP or UDP checksum (virtio-1.2, 5.1.6.4: DATA_VALID, or
  ///     NEEDS_CSUM, where it is only partial).
  public func receive(_ frame: RawSpan, checksumIsValid: Bool, at now: NetworkInstant) {
    statistics.receivedFrames += 1
    statistics.receivedBytes += UInt64(frame.byteCount)
    guard let header = EthernetHeader(frame) else {
      statistics.malformedPackets += 1
      return
    }
    // Nobody has address 0: passt (2023-03) with an inherited connection sends there until it has heard the guest.
    let isGroup = header.destination.isGroup || header.destination.value == 0
    // A switch floods what it does not know the place of, so other hosts' frames come as well. What we sent comes back
    // where a link is looped.
    guard isGroup || header.destination == link.address, header.source != link.address else {
      statistics.foreignPackets += 1
      return
    }
    let packet = frame.extracting(header.packetOffset...)
    switch header.type {
    case EthernetHeader.typeIPv4:
      receiveIPv4(packet, from: header.source, isGroup: isGroup, checksumIsValid: checksumIsValid, at: now)
    case EthernetHeader.typeIPv6:
      receiveIPv6(packet, from: header.source, isGroup: isGroup, checksumIsValid: checksumIsValid, at: now)
    case EthernetHeader.typeARP: receiveARP(packet, at: now)
    default: statistics.foreignPackets += 1
    }
    if resolver.hasWork { resolver.advance(self, at: now) }
  }

  /// Hands a packet's payload to the protocol that it is for.
  ///
  /// - Parameters:
  ///   - packet: from its IP header on, for errors to quote.
  ///   - numberOffset: where in the packet it says what the payload is.
  func deliver(
    _ payload: RawSpan, of packet: RawSpan, _ info: IncomingPacket, numberOffset: Int, at now: NetworkInstant
  ) {
    switch info.number {
    case IPProtocol.tcp:
      // RFC 9293, 3.10.7 (MUST-57): nothing for a group's address. The frame may be for everybody all the same: passt
      // (2023-03) sends a connection's first SYN so, once, to a host that has not spoken yet. RFC 1122, 3.3.6, which would drop it, is about
      // answers from many hosts to one; here only the one that has the address answers.
      guard isOwn(info.destination) else { return }
      tcp.receive(
        payload, from: info.source, to: info.destination, checksumIsValid: info.checksumIsValid, at: now)
    case IPProtocol.udp: receiveUDP(payload, of: packet, info, at: now)
    case IPProtocol.icmp where !info.source.isIPv6: receiveICMP(payload, info, at: now)
    case IPProtocol.icmpv6 where info.source.isIPv6: receiveICMPv6(payload, info, at: now)
    case IPProtocol.none where info.source.isIPv6: break
    default: sendError(.unknownProtocol(at: numberOffset), about: packet, info, at: now)
    }
  }

  private func receiveUDP(_ payload: RawSpan, of packet: RawSpan, _ info: IncomingPacket, at now: NetworkInstant) {
    if !info.source.isIPv6, receiveDHCP(payload, info, at: now) { return }
    switch udp.receive(payload, info) {
    case .delivered: statistics.receivedDatagrams += 1
    case .malformed: statistics.malformedPackets += 1
    case .dropped: statistics.droppedDatagrams += 1
    case .refused:
      statistics.refusedDatagrams += 1
      sendError(.portUnreachable, about: packet, info, at: now)
    }
  }

  /// Takes a fragment, and delivers the datagram if it is complete with it.
  func reassemble(
    _ fragment: Reassembler.Fragment, _ payload: RawSpan, identification: UInt32, _ info: IncomingPacket,
    at now: NetworkInstant
  ) {
    let key = Reassembler.Key(
      source: info.source, destination: info.destination, identification: identification,
      number: info.source.isIPv6 ? 0 : info.number)
    guard let datagram = reassembler.add(fragment, of: key, payload: payload, at: now) else { return }
    statistics.reassembledDatagrams += 1
    var whole = info
    whole.number = datagram.number
    whole.isReassembled = true
    whole.checksumIsValid = false
    let packet = datagram.withHeader()
    if info.source.isIPv6 {
      receiveIPv6Payload(packet.span.bytes, whole, offset: IPv6Header.byteCount, at: now)
    } else {
      let bytes = packet.span.bytes
      deliver(
        bytes.extracting(IPv4Header.byteCount...), of: bytes, whole, numberOffset: IPv4Header.numberOffset, at: now)
    }
  }

  func expireReassemblies(at now: NetworkInstant) {
    for datagram in reassembler.advance(to: now) {
      let info = IncomingPacket(
        source: datagram.key.source, destination: datagram.key.destination, number: datagram.number, hopLimit: 0,
        isToGroup: !isOwn(datagram.key.destination), link: MACAddress(0), checksumIsValid: false)
      // RFC 1122, 3.2.2: no error answers an error; the first fragment of one says so. Echoes are the only ICMP that is
      // large for a reason.
      sendError(.reassemblyTimeExceeded, about: datagram.withHeader().span.bytes, info, at: now)
    }
    statistics.failedReassemblies = reassembler.failureCount
  }
}

extension Reassembler.Datagram {
  /// The whole packet, with a header as if it had been sent as one.
  func withHeader() -> [UInt8] {
    var packet = packet
    let byteCount = packet.count
    var span = packet.mutableSpan
    var bytes = span.mutableBytes
    switch (key.source, key.destination) {
    case (.v4(let source), .v4(let destination)):
      var header = IPv4Header(
        from: source, to: destination, number: number, payloadByteCount: byteCount - IPv4Header.byteCount)
      header.identification = UInt16(truncatingIfNeeded: key.identification)
      header.store(in: &bytes, at: 0)
    case (.v6(let source), .v6(let destination)):
      IPv6Header(from: source, to: destination, number: number, payloadByteCount: byteCount - IPv6Header.byteCount)
        .store(in: &bytes, at: 0)
    default: preconditionFailure("addresses of two families in one packet")
    }
    return packet
  }
}
