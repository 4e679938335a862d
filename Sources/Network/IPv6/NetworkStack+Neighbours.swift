extension NetworkStack {
  func receiveNeighbourDiscovery(_ message: RawSpan, _ info: IncomingPacket, at now: NetworkInstant) {
    // RFC 4861, 6.1 and 7.1: from this link. RFC 6980: in one piece.
    guard info.hopLimit == NeighbourMessage.hopLimit, message[1] == 0, !info.isReassembled,
      case .v6(let source) = info.source, case .v6(let destination) = info.destination
    else {
      statistics.malformedPackets += 1
      return
    }
    switch message[0] {
    case ICMPMessage.V6.routerAdvertisement: receiveRouterAdvertisement(message, from: source, at: now)
    case ICMPMessage.V6.neighbourSolicitation:
      receiveSolicitation(message, from: source, to: destination, info, at: now)
    default: receiveAdvertisement(message, from: source, to: destination, info, at: now)
    }
  }

  /// RFC 4861, 7.2.3 and 7.2.4.
  private func receiveSolicitation(
    _ message: RawSpan, from source: IPv6Address, to destination: IPv6Address, _ info: IncomingPacket,
    at now: NetworkInstant
  ) {
    guard message.byteCount >= NeighbourMessage.optionsOffset else { return }
    let target = IPv6Address(message, at: 8)
    let option = NeighbourMessage.link(in: message, option: NeighbourMessage.Option.sourceLink)
    guard option.isValid, !target.isMulticast,
      source != .any || option.link == nil && destination == target.solicitedNode
    else {
      statistics.malformedPackets += 1
      return
    }
    guard let own = ipv6?.addresses.first(where: { $0.address == target }) else { return }
    guard own.state == .assigned else {
      // RFC 4862, 5.4.3: somebody else wants the same address at the same time.
      if source == .any { addressIsDuplicate(target, at: now) }
      return
    }
    if let link = option.link {
      neighbours.heard(from: .v6(source), at: link, isAnswer: false, random: &random, at: now)
      handleNeighbourEvents()
    }
    if source == .any {
      announce(target)
    } else {
      advertise(target, flags: NeighbourMessage.isSolicited, to: source, at: option.link ?? info.link)
    }
  }

  /// Says to everybody whose an address is, so that who knew another one for it forgets that (RFC 4861, 7.2.6).
  func announce(_ address: IPv6Address) {
    advertise(address, flags: 0, to: .allNodes, at: MACAddress(multicast: .allNodes))
  }

  private func advertise(_ address: IPv6Address, flags: UInt32, to destination: IPv6Address, at link: MACAddress) {
    sendICMPv6(
      ICMPMessage.V6.neighbourAdvertisement, rest: NeighbourMessage.overrides | flags,
      NeighbourMessage.body(target: address, option: NeighbourMessage.Option.targetLink, link: self.link.address),
      from: address, to: destination, link: link)
  }

  /// RFC 4861, 7.2.5.
  private func receiveAdvertisement(
    _ message: RawSpan, from source: IPv6Address, to destination: IPv6Address, _ info: IncomingPacket,
    at now: NetworkInstant
  ) {
    guard message.byteCount >= NeighbourMessage.optionsOffset else { return }
    let target = IPv6Address(message, at: 8)
    let option = NeighbourMessage.link(in: message, option: NeighbourMessage.Option.targetLink)
    let isSolicited = message.load(4, as: UInt32.self) & NeighbourMessage.isSolicited != 0
    guard option.isValid, !target.isMulticast, source != .any, !isSolicited || !destination.isMulticast else {
      statistics.malformedPackets += 1
      return
    }
    if let own = ipv6?.addresses.first(where: { $0.address == target }) {
      if own.state == .assigned {
        statistics.addressConflicts += 1
      } else {
        addressIsDuplicate(target, at: now)
      }
      return
    }
    neighbours.heard(
      from: .v6(target), at: option.link ?? info.link, isAnswer: isSolicited, random: &random, at: now)
    handleNeighbourEvents()
  }

  /// Asks for a neighbour's address: everybody whose address ends as its does, or the neighbour itself (RFC 4861, 7.2.2).
  func solicit(_ neighbour: IPv6Address, at known: MACAddress?) {
    guard let source = ipv6?.source(for: neighbour) ?? ipv6?.linkLocal else { return }
    let destination = known == nil ? neighbour.solicitedNode : neighbour
    sendICMPv6(
      ICMPMessage.V6.neighbourSolicitation,
      NeighbourMessage.body(target: neighbour, option: NeighbourMessage.Option.sourceLink, link: link.address),
      from: source, to: destination, link: known ?? MACAddress(multicast: destination))
  }

  /// Sends a message that does not leave this link.
  func sendICMPv6(
    _ type: UInt8, rest: UInt32 = 0, _ body: [UInt8], from source: IPv6Address, to destination: IPv6Address,
    link: MACAddress
  ) {
    let message = ICMPMessage.make(
      type: type, rest: rest, body: body.span.bytes, from: .v6(source), to: .v6(destination))
    enqueue(
      OutgoingPacket(
        source: .v6(source), destination: .v6(destination), number: IPProtocol.icmpv6,
        hopLimit: NeighbourMessage.hopLimit, payload: message, link: link))
  }
}
