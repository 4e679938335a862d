/// Where packets to some destination go next.
enum NextHop {
  /// To an address of the link as it is: a group.
  case link(MACAddress)
  /// To a neighbour, whose address on the link is to be found.
  case neighbour(IPAddress)
}

/// The link's address for a destination, as long as it is certain.
struct CachedRoute {
  var destination: IPAddress
  var link: MACAddress
  var mtu: Int
  var until: NetworkInstant
}

extension NetworkStack {
  /// The addresses that are in use, IPv4 first, link-local ones last.
  public var addresses: [IPAddress] {
    var addresses: [IPAddress] = []
    if let ipv4 { addresses.append(.v4(ipv4.address)) }
    for address in ipv6?.addresses ?? [] where address.state == .assigned && !address.address.isLinkLocal {
      addresses.append(.v6(address.address))
    }
    if let linkLocal = ipv6?.linkLocal { addresses.append(.v6(linkLocal)) }
    return addresses
  }

  /// Whether there is an address that others than those on this link know a way to: what a program waits for before it
  /// begins.
  public var isConfigured: Bool { ipv4 != nil || hasGlobalIPv6Address }

  /// The name servers in use: the configured ones, or else what DHCP and routers told.
  public var nameServers: [IPAddress] {
    guard configuration.nameServers.isEmpty else { return configuration.nameServers }
    var servers: [IPAddress] = lease?.nameServers.map { .v4($0) } ?? []
    for server in ipv6?.nameServers ?? [] where servers.count < ResolverLimits.serverCount {
      servers.append(.v6(server.address))
    }
    return servers
  }

  /// The address that a packet to a destination would have as its source; nil if there is no way to it now.
  public func sourceAddress(for destination: IPAddress) -> IPAddress? {
    switch destination {
    case .v4(let destination):
      guard let ipv4, nextHop(to: destination) != nil else { return nil }
      return .v4(ipv4.address)
    case .v6(let destination):
      guard nextHop(to: destination) != nil else { return nil }
      return ipv6?.source(for: destination).map { .v6($0) }
    }
  }

  /// Whether there is an address of IPv6 that others than those on this link know a way to.
  var hasGlobalIPv6Address: Bool {
    ipv6?.addresses.contains { $0.state == .assigned && !$0.address.isLinkLocal } ?? false
  }

  /// Whether there may be one soon: nobody has had time yet to say that it is theirs (RFC 4862, 5.4), or routers are being
  /// asked, which takes some eight seconds where there are none.
  var expectsGlobalIPv6Address: Bool {
    guard let ipv6, !hasGlobalIPv6Address else { return false }
    return ipv6.solicitation != nil
      || ipv6.addresses.contains { address in
        guard case .tentative = address.state else { return false }
        return !address.address.isLinkLocal
      }
  }

  /// Whether packets to an address are for us alone.
  func isOwn(_ address: IPAddress) -> Bool {
    switch address {
    case .v4(let address): address == ipv4?.address
    case .v6(let address): ipv6?.isAssigned(address) ?? false
    }
  }

  /// The largest packet that the link takes to a destination.
  func mtu(of destination: IPAddress) -> Int {
    if destination.isIPv6 { return ipv6?.mtu ?? link.mtu }
    return min(max(lease?.mtu ?? link.mtu, LinkCapabilities.mtuRange.lowerBound), link.mtu)
  }

  func nextHop(to destination: IPAddress) -> NextHop? {
    switch destination {
    case .v4(let destination): nextHop(to: destination)
    case .v6(let destination): nextHop(to: destination)
    }
  }

  private func nextHop(to destination: IPv4Address) -> NextHop? {
    guard let ipv4 else { return nil }
    if ipv4.isBroadcast(destination) { return .link(.broadcast) }
    // Of IPv4's groups none is joined, and none is sent to.
    guard destination.isUnicast, destination != ipv4.address else { return nil }
    return ipv4.nextHop(to: destination).map { .neighbour(.v4($0)) }
  }

  /// RFC 4861, 5.2. A group is sent to on this link only.
  private func nextHop(to destination: IPv6Address) -> NextHop? {
    guard let ipv6 else { return nil }
    if destination.isMulticast { return .link(MACAddress(multicast: destination)) }
    guard destination.isUnicast, !ipv6.isAssigned(destination) else { return nil }
    if ipv6.isOnLink(destination) { return .neighbour(.v6(destination)) }
    return ipv6.routers.first.map { .neighbour(.v6($0.address)) }
  }

  /// Takes an address with its routes, or what DHCP tells with it, instead of the one before.
  func setIPv4(_ binding: IPv4Binding?, at now: NetworkInstant) {
    let isSameAddress = binding?.address == ipv4?.address
    ipv4 = binding
    routeCache = nil
    if !isSameAddress {
      neighbours.removeIPv4()
      handleNeighbourEvents()
      if let binding { announce(binding.address) }
    }
    observer?.networkDidChange()
  }
}
