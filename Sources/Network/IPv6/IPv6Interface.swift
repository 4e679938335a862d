/// What the interface has of IPv6: addresses, what is on the link, routers (RFC 4861, 5.1; RFC 4862).
struct IPv6Interface {
  struct Address {
    var address: IPv6Address
    var state: State
    /// nil: for ever, or over.
    var preferredUntil: NetworkInstant?
    /// Not for what is new, if there is another one (RFC 4862, 5.5.4).
    var isDeprecated = false
    /// nil: for ever.
    var validUntil: NetworkInstant?
    /// Whether a router's advertisement made it.
    var isAutomatic = false

    enum State: Equatable {
      /// Not used until this moment, in case somebody else answers for it (RFC 4862, 5.4).
      case tentative(until: NetworkInstant)
      case assigned
      /// Somebody else has it. It stays here so that it is not taken again.
      case duplicate
    }
  }

  struct Prefix {
    var prefix: IPv6Prefix
    var until: NetworkInstant?
  }

  struct Router {
    var address: IPv6Address
    var until: NetworkInstant?
  }

  struct NameServer {
    var address: IPv6Address
    var until: NetworkInstant?
  }

  var addresses: [Address] = []
  /// What is on this link (RFC 4861, 5.1: Prefix List), without fe80::/64, which always is.
  var prefixes: [Prefix] = []
  /// The first is used.
  var routers: [Router] = []
  var nameServers: [NameServer] = []
  /// What routers say; nil: the link's own.
  var mtu: Int?
  /// Whether routers' advertisements count.
  var hearsRouters: Bool
  /// When routers are asked next, and how often they were (RFC 4861, 6.3.7).
  var solicitation: NetworkInstant?
  var solicitationCount = 0
  /// When routers are told once more what groups are listened to.
  var report: NetworkInstant?

  var deadline: NetworkInstant? {
    var deadline = earliest(solicitation, report)
    for address in addresses {
      if case .tentative(let until) = address.state { deadline = earliest(deadline, until) }
      deadline = earliest(deadline, earliest(address.preferredUntil, address.validUntil))
    }
    for prefix in prefixes { deadline = earliest(deadline, prefix.until) }
    for router in routers { deadline = earliest(deadline, router.until) }
    for server in nameServers { deadline = earliest(deadline, server.until) }
    return deadline
  }

  func isAssigned(_ address: IPv6Address) -> Bool {
    addresses.contains { $0.address == address && $0.state == .assigned }
  }

  var linkLocal: IPv6Address? {
    addresses.first { $0.address.isLinkLocal && $0.state == .assigned }?.address
  }

  /// Whether packets to a group are for us (RFC 4861, 7.2.1; RFC 4291, 2.8).
  func isMember(of group: IPv6Address) -> Bool {
    group == .allNodes || addresses.contains { $0.state != .duplicate && $0.address.solicitedNode == group }
  }

  func isOnLink(_ address: IPv6Address) -> Bool {
    address.isLinkLocal || prefixes.contains { $0.prefix.contains(address) }
  }

  /// The address for packets to a destination (RFC 6724, 5, as far as one interface without temporary addresses has
  /// choices): of its scope (rule 2), not deprecated (rule 3), with the longest common prefix (rule 8).
  func source(for destination: IPv6Address) -> IPv6Address? {
    if destination.isLinkLocal || destination.isMulticast { return linkLocal }
    var best: (address: IPv6Address, isPreferred: Bool, common: Int)?
    for candidate in addresses where candidate.state == .assigned && !candidate.address.isLinkLocal {
      let isPreferred = !candidate.isDeprecated
      let difference = candidate.address.high ^ destination.high
      let common =
        difference != 0
        ? difference.leadingZeroBitCount : 64 + (candidate.address.low ^ destination.low).leadingZeroBitCount
      if let best, (best.isPreferred ? 1 : 0, best.common) >= (isPreferred ? 1 : 0, common) { continue }
      best = (candidate.address, isPreferred, common)
    }
    return best?.address
  }
}

extension IPv6Address {
  /// fe80::, the modified EUI-64 of the link's address (RFC 4291, appendix A).
  ///
  /// Not a stable opaque number as RFC 7217 has it: that needs a secret that outlives the machine, which has nothing that
  /// does. The address of its interface is what the operator gave it, and its IPv6 address can be told from that.
  init(linkLocal link: MACAddress) {
    let value = link.value ^ 0x0200_0000_0000
    self.init(
      high: 0xfe80_0000_0000_0000, low: (value >> 24) << 40 | 0xff_fe00_0000 | value & 0xff_ffff)
  }
}

enum IPv6Limits {
  /// Addresses, prefixes and routers that advertisements make. A flood of advertisements with ever new ones
  /// (RFC 6104) costs this and no more.
  static let addressCount = 8
  static let prefixCount = 8
  static let routerCount = 4
  /// Extension headers of one packet. A long chain makes each packet a long work (RFC 8504, 5.3 allows a limit).
  static let extensionHeaderCount = 8
  /// Options of one extension header (RFC 8504, 5.3).
  static let optionCount = 8
  /// RFC 4862, 5.4 with RETRANS_TIMER of RFC 4861, 10.
  static let duplicateMilliseconds = 1_000
  /// RFC 4861, 10: MAX_RTR_SOLICITATIONS and RTR_SOLICITATION_INTERVAL.
  static let solicitationCount = 3
  static let solicitationMilliseconds = 4_000
  /// RFC 4862, 5.5.3 (e): what an advertisement cannot shorten a valid address's life below, as who forges one could
  /// otherwise take the address away.
  static let shortestValidMilliseconds = 7_200_000
}
