extension NetworkStack {
  /// Writes the next frame to send; nil when there is none now.
  ///
  /// - Parameter frame: `frameLimit` bytes or more.
  public func transmit(into frame: inout MutableRawSpan, at now: NetworkInstant) -> OutgoingFrame? {
    guard let outgoing = nextFrame(into: &frame, at: now) else { return nil }
    statistics.sentFrames += 1
    statistics.sentBytes += UInt64(outgoing.byteCount)
    return outgoing
  }

  private func nextFrame(into frame: inout MutableRawSpan, at now: NetworkInstant) -> OutgoingFrame? {
    if resolver.hasWork { resolver.advance(self, at: now) }
    while true {
      if let item = output.popFirst() {
        switch item {
        case .arp(let message, let destination):
          writeEthernet(EthernetHeader.typeARP, to: destination, in: &frame)
          message.store(in: &frame, at: EthernetHeader.byteCount)
          return OutgoingFrame(byteCount: EthernetHeader.byteCount + ARPMessage.byteCount)
        case .packet(let packet):
          if let outgoing = transmit(packet, into: &frame, at: now) { return outgoing }
        }
      } else if let datagram = udp.popFirst() {
        if let packet = packet(of: datagram), let outgoing = transmit(packet, into: &frame, at: now) {
          return outgoing
        }
      } else {
        guard tcp.hasOutput else { return nil }
        let outcome = transmitTCP(into: &frame, at: now)
        switch outcome {
        case .frame(let outgoing): return outgoing
        case .nothing:
          if output.isEmpty { return nil }
        case .waiting: continue
        }
      }
    }
  }

  // MARK: TCP

  private enum TCPOutcome {
    case frame(OutgoingFrame)
    /// TCP has nothing now.
    case nothing
    /// A segment waits for its neighbour; there may be others.
    case waiting
  }

  private func transmitTCP(into frame: inout MutableRawSpan, at now: NetworkInstant) -> TCPOutcome {
    guard let segment = tcp.transmit(into: &frame, at: now, path: { path(to: $0, at: now) }) else { return .nothing }
    let offset = segmentOffset(segment.destination)
    guard let route = route(to: segment.destination, at: now) else {
      // `path` found no link address, so that the segment is complete as it is, and no longer than the link takes.
      var payload = [UInt8](repeating: 0, count: segment.byteCount)
      var span = payload.mutableSpan
      var bytes = span.mutableBytes
      bytes.store(frame.bytes.extracting(offset..<offset + segment.byteCount), at: 0)
      wait(
        OutgoingPacket(
          source: segment.source, destination: segment.destination, number: IPProtocol.tcp, payload: payload), at: now)
      return .waiting
    }
    writeHeaders(
      from: segment.source, to: segment.destination, number: IPProtocol.tcp, hopLimit: IPProtocol.hopLimit,
      payloadByteCount: segment.byteCount, isFragmentable: isFragmentable(route.mtu, segment.destination),
      link: route.link, in: &frame)
    var outgoing = OutgoingFrame(byteCount: offset + segment.byteCount)
    if segment.hasPartialChecksum {
      outgoing.checksum = PartialChecksum(start: offset, offset: Self.tcpChecksumOffset)
    }
    if let byteCount = segment.segmentByteCount {
      outgoing.segmentation = Segmentation(
        isIPv6: segment.destination.isIPv6, headerByteCount: offset + segment.headerByteCount,
        segmentByteCount: byteCount)
    }
    return .frame(outgoing)
  }

  /// RFC 9293, 3.1.
  private static let tcpChecksumOffset = 16

  private func segmentOffset(_ destination: IPAddress) -> Int {
    EthernetHeader.byteCount + (destination.isIPv6 ? IPv6Header.byteCount : IPv4Header.byteCount)
  }

  private func path(to destination: IPAddress, at now: NetworkInstant) -> TCPPath? {
    let offset = segmentOffset(destination)
    if let route = route(to: destination, at: now) {
      return TCPPath(
        mtu: route.mtu, completesChecksum: link.completesChecksums,
        segments: destination.isIPv6 ? link.segmentsIPv6 : link.segmentsIPv4, segmentOffset: offset)
    }
    guard nextHop(to: destination) != nil else { return nil }
    return TCPPath(
      mtu: pathMTU(to: destination, at: now).mtu, completesChecksum: false, segments: false, segmentOffset: offset)
  }

  /// The link's address for a destination, if that is known.
  private func route(to destination: IPAddress, at now: NetworkInstant) -> CachedRoute? {
    if let cached = routeCache, cached.destination == destination, now < cached.until { return cached }
    let (mtu, mtuUntil) = pathMTU(to: destination, at: now)
    switch nextHop(to: destination) {
    case nil: return nil
    case .link(let address): return CachedRoute(destination: destination, link: address, mtu: mtu, until: now)
    case .neighbour(let neighbour):
      guard let known = neighbours.link(of: neighbour, at: now) else { return nil }
      let until = mtuUntil.map { min($0, known.until) } ?? known.until
      let route = CachedRoute(destination: destination, link: known.link, mtu: mtu, until: until)
      handleNeighbourEvents()
      if now < until { routeCache = route }
      return route
    }
  }

  private func pathMTU(to destination: IPAddress, at now: NetworkInstant) -> (mtu: Int, until: NetworkInstant?) {
    let own = mtu(of: destination)
    guard let path = pathMTUs.mtu(to: destination, at: now) else { return (own, nil) }
    return (min(own, path.mtu), path.until)
  }

  /// Where routers said that even the smallest packet is too large, they are left to cut it.
  private func isFragmentable(_ mtu: Int, _ destination: IPAddress) -> Bool {
    mtu <= PathMTULimits.minimum(destination)
  }

  // MARK: Everything else

  /// The packet of a datagram; nil: it cannot be sent, and its port was told so.
  private func packet(of datagram: UDP.Unsent) -> OutgoingPacket? {
    let destination = datagram.destination.address
    guard let source = datagram.port.address ?? sourceAddress(for: destination), isOwn(source) else {
      statistics.unsentPackets += 1
      datagram.port.failed(UDPFailure(destination: datagram.destination, reason: .unreachable))
      return nil
    }
    statistics.sentDatagrams += 1
    return OutgoingPacket(
      source: source, destination: destination, number: IPProtocol.udp, payload: datagram.bytes,
      checksumOffset: UDPHeader.checksumOffset)
  }

  /// Writes a packet or the next fragment of it; nil: it waits, or cannot be sent.
  private func transmit(_ packet: OutgoingPacket, into frame: inout MutableRawSpan, at now: NetworkInstant)
    -> OutgoingFrame?
  {
    let destination = packet.destination
    let link: MACAddress
    if let known = packet.link {
      link = known
    } else {
      switch nextHop(to: destination) {
      case nil:
        statistics.unsentPackets += 1
        return nil
      case .link(let address): link = address
      case .neighbour(let neighbour):
        guard let known = neighbours.link(of: neighbour, at: now) else {
          wait(packet, at: now)
          return nil
        }
        handleNeighbourEvents()
        link = known.link
      }
    }
    let header = destination.isIPv6 ? IPv6Header.byteCount : IPv4Header.byteCount
    let mtu = pathMTU(to: destination, at: now).mtu
    guard packet.sentByteCount == 0, header + packet.payload.count <= mtu else {
      return transmitFragment(of: packet, link: link, mtu: mtu, into: &frame)
    }
    let offset = EthernetHeader.byteCount + header
    writeHeaders(
      from: packet.source, to: destination, number: packet.number, hopLimit: packet.hopLimit,
      payloadByteCount: packet.payload.count, isFragmentable: true, link: link, in: &frame)
    frame.store(packet.payload.span.bytes, at: offset)
    var outgoing = OutgoingFrame(byteCount: offset + packet.payload.count)
    if let checksumOffset = packet.checksumOffset {
      var checksum = InternetChecksum()
      checksum.addPseudoHeader(
        from: packet.source, to: destination, protocol: packet.number, length: packet.payload.count)
      if self.link.completesChecksums {
        frame.store(checksum.partial, at: offset + checksumOffset)
        outgoing.checksum = PartialChecksum(start: offset, offset: checksumOffset)
      } else {
        checksum.add(packet.payload.span.bytes)
        frame.store(checksum.valueOfDatagram, at: offset + checksumOffset)
      }
    }
    return outgoing
  }

  /// Writes the next fragment of a packet, and puts the packet back if that is not the last one.
  private func transmitFragment(
    of packet: OutgoingPacket, link: MACAddress, mtu: Int, into frame: inout MutableRawSpan
  ) -> OutgoingFrame {
    var packet = packet
    if packet.sentByteCount == 0 {
      packet.identification = UInt32(truncatingIfNeeded: random.next())
      if let checksumOffset = packet.checksumOffset.take() { packet.completeChecksum(at: checksumOffset) }
    }
    let isIPv6 = packet.destination.isIPv6
    let header = isIPv6 ? IPv6Header.byteCount + FragmentHeader.byteCount : IPv4Header.byteCount
    let sent = packet.sentByteCount
    // All but the last are multiples of 8 (RFC 791, 3.2; RFC 8200, 4.5).
    let rest = packet.payload.count - sent
    let room = mtu - header
    let byteCount = rest <= room ? rest : room & ~7
    let offset = EthernetHeader.byteCount + header
    writeHeaders(
      from: packet.source, to: packet.destination, number: isIPv6 ? IPProtocol.fragment : packet.number,
      hopLimit: packet.hopLimit, payloadByteCount: byteCount + (isIPv6 ? FragmentHeader.byteCount : 0),
      isFragmentable: true, link: link, in: &frame, identification: packet.identification, fragmentOffset: sent,
      hasMoreFragments: byteCount < rest)
    if isIPv6 {
      FragmentHeader(
        number: packet.number, offset: sent, hasMore: byteCount < rest, identification: packet.identification
      ).store(in: &frame, at: offset - FragmentHeader.byteCount)
    }
    frame.store(packet.payload.span.bytes.extracting(sent..<sent + byteCount), at: offset)
    packet.sentByteCount += byteCount
    if packet.sentByteCount < packet.payload.count { output.putBack(packet) }
    return OutgoingFrame(byteCount: offset + byteCount)
  }

  /// Keeps a packet until its neighbour is known.
  private func wait(_ packet: OutgoingPacket, at now: NetworkInstant) {
    guard case .neighbour(let neighbour) = nextHop(to: packet.destination) else {
      statistics.unsentPackets += 1
      return
    }
    statistics.unsentPackets += UInt64(neighbours.wait(packet, for: neighbour, at: now))
    handleNeighbourEvents()
  }

  private func writeEthernet(_ type: UInt16, to destination: MACAddress, in frame: inout MutableRawSpan) {
    EthernetHeader(from: link.address, to: destination, type: type).store(in: &frame)
  }

  private func writeHeaders(
    from source: IPAddress, to destination: IPAddress, number: UInt8, hopLimit: UInt8, payloadByteCount: Int,
    isFragmentable: Bool, link: MACAddress, in frame: inout MutableRawSpan, identification: UInt32? = nil,
    fragmentOffset: Int = 0, hasMoreFragments: Bool = false
  ) {
    switch (source, destination) {
    case (.v4(let source), .v4(let destination)):
      writeEthernet(EthernetHeader.typeIPv4, to: link, in: &frame)
      var header = IPv4Header(from: source, to: destination, number: number, payloadByteCount: payloadByteCount)
      header.hopLimit = hopLimit
      header.isFragmentable = isFragmentable
      // What routers may cut needs a number of its own; what they may not does not (RFC 6864, 4.1 and 4.2).
      if isFragmentable {
        header.identification = UInt16(truncatingIfNeeded: identification.map(UInt64.init) ?? random.next())
      }
      header.fragmentOffset = fragmentOffset
      header.hasMoreFragments = hasMoreFragments
      header.store(in: &frame, at: EthernetHeader.byteCount)
    case (.v6(let source), .v6(let destination)):
      writeEthernet(EthernetHeader.typeIPv6, to: link, in: &frame)
      var header = IPv6Header(from: source, to: destination, number: number, payloadByteCount: payloadByteCount)
      header.hopLimit = hopLimit
      header.store(in: &frame, at: EthernetHeader.byteCount)
    default: preconditionFailure("addresses of two families in one packet")
    }
  }
}

extension OutgoingPacket {
  /// Puts the checksum of UDP in, before the packet is cut.
  mutating func completeChecksum(at offset: Int) {
    var checksum = InternetChecksum()
    checksum.addPseudoHeader(from: source, to: destination, protocol: number, length: payload.count)
    checksum.add(payload.span.bytes)
    var span = payload.mutableSpan
    var bytes = span.mutableBytes
    bytes.store(checksum.valueOfDatagram, at: offset)
  }
}

extension InternetChecksum {
  /// What goes into the field of a UDP datagram: 0 would say that there is none (RFC 768).
  var valueOfDatagram: UInt16 { value == 0 ? 0xffff : value }
}
