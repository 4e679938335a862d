extension NetworkStack {
  /// Takes an address and a router as configured, and asks for the rest.
  func startIPv6(at now: NetworkInstant) {
    // RFC 8200, 5: no link of less carries it.
    guard configuration.ipv6 != .none, link.mtu >= PathMTULimits.minimum(.v6(.any)) else { return }
    var interface = IPv6Interface(hearsRouters: true)
    var fixed: IPv6Address?
    if case .fixed(let address, let length, let gateway) = configuration.ipv6 {
      fixed = address
      interface.prefixes = [IPv6Interface.Prefix(prefix: IPv6Prefix(address, length: length))]
      if let gateway {
        interface.routers = [IPv6Interface.Router(address: gateway)]
        interface.hearsRouters = false
      }
    }
    if interface.hearsRouters { interface.solicitation = now }
    ipv6 = interface
    addAddress(IPv6Address(linkLocal: link.address), at: now)
    if let fixed, !fixed.isLinkLocal { addAddress(fixed, at: now) }
    advanceIPv6(to: now)
  }

  // MARK: Addresses

  private func addAddress(
    _ address: IPv6Address, preferredUntil: NetworkInstant? = nil, validUntil: NetworkInstant? = nil,
    isAutomatic: Bool = false, at now: NetworkInstant
  ) {
    let until = now.advanced(byMilliseconds: IPv6Limits.duplicateMilliseconds)
    ipv6?.addresses.append(
      IPv6Interface.Address(
        address: address, state: .tentative(until: until), preferredUntil: preferredUntil, validUntil: validUntil,
        isAutomatic: isAutomatic))
    // The group first, or a switch that looks for members keeps the answer from us (RFC 4862, 5.4.2).
    reportGroups()
    ipv6?.report = until
    // RFC 4862, 5.4.2: from nobody.
    sendICMPv6(
      ICMPMessage.V6.neighbourSolicitation, NeighbourMessage.body(target: address, option: 0, link: nil), from: .any,
      to: address.solicitedNode, link: MACAddress(multicast: address.solicitedNode))
  }

  /// RFC 4862, 5.4.5: without a link-local address that is its own, there is no IPv6 on an interface.
  func addressIsDuplicate(_ address: IPv6Address, at now: NetworkInstant) {
    guard let index = ipv6?.addresses.firstIndex(where: { $0.address == address }),
      ipv6?.addresses[index].state != .duplicate
    else { return }
    statistics.addressConflicts += 1
    if address.isLinkLocal {
      ipv6 = nil
    } else {
      ipv6?.addresses[index].state = .duplicate
    }
    ipv6DidChange()
  }

  // MARK: Time

  func advanceIPv6(to now: NetworkInstant) {
    guard var interface = ipv6, let deadline = interface.deadline, deadline <= now else { return }
    var assigned: [IPv6Address] = []
    for index in interface.addresses.indices {
      if case .tentative(let until) = interface.addresses[index].state, until <= now {
        interface.addresses[index].state = .assigned
        assigned.append(interface.addresses[index].address)
      }
    }
    var isChanged = !assigned.isEmpty
    let isDue = { (until: NetworkInstant?) in until.map { $0 <= now } ?? false }
    for index in interface.addresses.indices where isDue(interface.addresses[index].preferredUntil) {
      interface.addresses[index].preferredUntil = nil
      interface.addresses[index].isDeprecated = true
    }
    let count =
      interface.addresses.count + interface.prefixes.count + interface.routers.count + interface.nameServers.count
    interface.addresses.removeAll { isDue($0.validUntil) }
    interface.prefixes.removeAll { isDue($0.until) }
    interface.routers.removeAll { isDue($0.until) }
    interface.nameServers.removeAll { isDue($0.until) }
    isChanged =
      isChanged
      || count
        != interface.addresses.count + interface.prefixes.count + interface.routers.count
        + interface.nameServers.count
    let isSoliciting = isDue(interface.solicitation)
    if isSoliciting {
      interface.solicitationCount += 1
      interface.solicitation =
        interface.solicitationCount < IPv6Limits.solicitationCount
        ? now.advanced(byMilliseconds: IPv6Limits.solicitationMilliseconds) : nil
    }
    let isReporting = isDue(interface.report)
    if isReporting { interface.report = nil }
    ipv6 = interface
    for address in assigned { announce(address) }
    if isSoliciting { solicitRouters() }
    if isReporting { reportGroups() }
    if isChanged { ipv6DidChange() }
  }

  private func ipv6DidChange() {
    routeCache = nil
    resolver.addressesDidChange()
    observer?.networkDidChange()
  }

  /// RFC 4861, 4.1: from nobody before there is an address.
  private func solicitRouters() {
    let source = ipv6?.linkLocal
    sendICMPv6(
      ICMPMessage.V6.routerSolicitation,
      NeighbourMessage.body(
        target: nil, option: NeighbourMessage.Option.sourceLink, link: source == nil ? nil : link.address),
      from: source ?? .any, to: .allRouters, link: MACAddress(multicast: .allRouters))
  }

  // MARK: Advertisements

  /// RFC 4861, 6.3.4.
  func receiveRouterAdvertisement(_ message: RawSpan, from source: IPv6Address, at now: NetworkInstant) {
    guard message.byteCount >= NeighbourMessage.routerOptionsOffset, source.isLinkLocal else {
      statistics.malformedPackets += 1
      return
    }
    guard let interface = ipv6, interface.hearsRouters else { return }
    // Looked through before anything is believed.
    guard NeighbourMessage.forEachOption(in: message, from: NeighbourMessage.routerOptionsOffset, { _, _ in }) else {
      statistics.malformedPackets += 1
      return
    }
    ipv6?.solicitation = nil
    // The hop limit, reachable time and retransmission time that it says are not taken over: whoever forges a message could
    // otherwise let our packets end at the next router (RFC 6105, 1), and what is gained is small.
    let seconds = Int(message.load(6, as: UInt16.self))
    setRouter(source, until: seconds == 0 ? now : now.advanced(byMilliseconds: seconds * 1000), isThere: seconds != 0)
    _ = NeighbourMessage.forEachOption(in: message, from: NeighbourMessage.routerOptionsOffset) { type, option in
      switch type {
      case NeighbourMessage.Option.sourceLink:
        let link = MACAddress(option, at: 2)
        guard !link.isGroup else { return }
        neighbours.heard(from: .v6(source), at: link, isAnswer: false, random: &random, at: now)
      case NeighbourMessage.Option.prefix: takePrefix(option, at: now)
      case NeighbourMessage.Option.mtu:
        let mtu = Int(option.load(4, as: UInt32.self))
        if (PathMTULimits.minimum(.v6(source))...link.mtu).contains(mtu) { ipv6?.mtu = mtu }
      case NeighbourMessage.Option.nameServers: takeNameServers(option, at: now)
      default: break
      }
    }
    handleNeighbourEvents()
    ipv6DidChange()
  }

  private func setRouter(_ address: IPv6Address, until: NetworkInstant, isThere: Bool) {
    guard isThere else {
      ipv6?.routers.removeAll { $0.address == address }
      return
    }
    if let index = ipv6?.routers.firstIndex(where: { $0.address == address }) {
      ipv6?.routers[index].until = until
    } else if let count = ipv6?.routers.count, count < IPv6Limits.routerCount {
      ipv6?.routers.append(IPv6Interface.Router(address: address, until: until))
    }
  }

  /// A router did not answer: the next one's turn (RFC 4861, 6.3.6).
  func routerFailed(_ address: IPAddress) {
    guard case .v6(let address) = address, let first = ipv6?.routers.first, first.address == address,
      let router = ipv6?.routers.removeFirst()
    else { return }
    ipv6?.routers.append(router)
  }

  /// RFC 4861, 4.6.2; RFC 4862, 5.5.3.
  private func takePrefix(_ option: RawSpan, at now: NetworkInstant) {
    guard option.byteCount == 32, option[2] <= 128 else { return }
    let length = Int(option[2])
    let isOnLink = option[3] & 0x80 != 0
    let isAutonomous = option[3] & 0x40 != 0
    let valid: UInt32 = option.load(4)
    let preferred: UInt32 = option.load(8)
    let prefix = IPv6Prefix(IPv6Address(option, at: 16), length: length)
    guard !prefix.network.isLinkLocal, !prefix.network.isMulticast else { return }
    let validUntil = Self.instant(seconds: valid, from: now)
    if isOnLink { setPrefix(prefix, seconds: valid, until: validUntil) }
    // An interface identifier of 64 bits fits a prefix of 64 only.
    guard isAutonomous, length == 64, preferred <= valid else { return }
    let address = IPv6Address(high: prefix.network.high, low: IPv6Address(linkLocal: link.address).low)
    let preferredUntil = Self.instant(seconds: preferred, from: now)
    guard let index = ipv6?.addresses.firstIndex(where: { $0.address == address }) else {
      guard valid != 0, let count = ipv6?.addresses.count, count < IPv6Limits.addressCount else { return }
      addAddress(
        address, preferredUntil: preferredUntil, validUntil: validUntil, isAutomatic: true, at: now)
      return
    }
    guard let known = ipv6?.addresses[index], known.isAutomatic else { return }
    ipv6?.addresses[index].preferredUntil = preferredUntil
    ipv6?.addresses[index].isDeprecated = false
    let floor = now.advanced(byMilliseconds: IPv6Limits.shortestValidMilliseconds)
    if let until = validUntil, until < floor {
      // What is left is not lengthened either, if it is less.
      if known.validUntil.map({ $0 > floor }) ?? true {
        ipv6?.addresses[index].validUntil = floor
      } else if let left = known.validUntil, left < until {
        ipv6?.addresses[index].validUntil = until
      }
    } else {
      ipv6?.addresses[index].validUntil = validUntil
    }
  }

  private func setPrefix(_ prefix: IPv6Prefix, seconds: UInt32, until: NetworkInstant?) {
    guard seconds != 0 else {
      // A fixed one does not go.
      ipv6?.prefixes.removeAll { $0.prefix == prefix && $0.until != nil }
      return
    }
    if let index = ipv6?.prefixes.firstIndex(where: { $0.prefix == prefix }) {
      if ipv6?.prefixes[index].until != nil { ipv6?.prefixes[index].until = until }
    } else if let count = ipv6?.prefixes.count, count < IPv6Limits.prefixCount {
      ipv6?.prefixes.append(IPv6Interface.Prefix(prefix: prefix, until: until))
    }
  }

  /// RFC 8106, 5.1.
  private func takeNameServers(_ option: RawSpan, at now: NetworkInstant) {
    let seconds: UInt32 = option.load(4)
    for offset in stride(from: 8, to: option.byteCount - 15, by: 16) {
      let address = IPv6Address(option, at: offset)
      ipv6?.nameServers.removeAll { $0.address == address }
      guard seconds != 0, address.isUnicast, let count = ipv6?.nameServers.count,
        count < ResolverLimits.serverCount
      else { continue }
      ipv6?.nameServers.append(
        IPv6Interface.NameServer(address: address, until: Self.instant(seconds: seconds, from: now)))
    }
  }

  /// RFC 4861, 4.6.2: all ones are for ever.
  private static func instant(seconds: UInt32, from now: NetworkInstant) -> NetworkInstant? {
    seconds == .max ? nil : now.advanced(byMilliseconds: Int(seconds) * 1000)
  }
}
