/// What a DHCP server gave, checked.
struct DHCPLease: Equatable {
  var binding: IPv4Binding
  var server: IPv4Address
  var nameServers: [IPv4Address]
  /// Behind names of one label.
  var domain: DNSName?
  var mtu: Int?
  /// How long it lasts, and when it is to be renewed by the same server, and by any, in seconds (RFC 2131, 4.4.5). nil: for
  /// ever.
  var seconds: (renewal: Int, rebinding: Int, expiry: Int)?

  static func == (a: Self, b: Self) -> Bool {
    a.binding == b.binding && a.server == b.server && a.nameServers == b.nameServers && a.domain == b.domain
      && a.mtu == b.mtu
  }

  /// nil: not a lease that can be used.
  init?(_ message: DHCPMessage) {
    guard let server = message.server, message.offered.isUnicast, let lease = message.lease, lease > 0 else {
      return nil
    }
    let address = message.offered
    guard
      let prefix = message.mask.map({ IPv4Prefix(address, mask: $0) }) ?? IPv4Prefix(address, length: 24),
      (1...32).contains(prefix.length), address != prefix.broadcast
    else { return nil }
    self.server = server
    // A router outside the network is taken as a neighbour all the same: clouds give leases of /32.
    let router = message.router.flatMap { $0.isUnicast && $0 != address ? $0 : nil }
    binding = IPv4Binding(address: address, prefix: prefix, gateway: router)
    nameServers = message.nameServers.filter { $0.isUnicast }
    // Some servers end the domain with a zero.
    domain = DNSName(text: message.domain.prefix { $0 != 0 })
    mtu = message.mtu
    guard lease != .max else { return }
    let expiry = Int(lease)
    let rebinding = message.rebinding.map(Int.init).flatMap { $0 > 0 && $0 < expiry ? $0 : nil } ?? expiry * 7 / 8
    let renewal =
      message.renewal.map(Int.init).flatMap { $0 > 0 && $0 <= rebinding ? $0 : nil } ?? min(expiry / 2, rebinding)
    seconds = (renewal, rebinding, expiry)
  }
}
