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

  /// What an acknowledgement gives.
  ///
  /// A first lease is what its acknowledgement says (RFC 2131, 4.4.1): nothing of the offer before it is taken over, which
  /// other clients do not do either (dhclient, systemd-networkd). A renewal is about a lease that is in use, and some
  /// servers say no more in it than how long that goes on: what it does not say stays as it was.
  ///
  /// - Parameter known: the lease that is renewed; nil: this is a first one.
  /// - Returns: nil: not a lease that can be used.
  init?(_ message: DHCPMessage, renewing known: DHCPLease? = nil) {
    let address = message.offered
    guard let server = message.server ?? known?.server, address.isUnicast,
      let prefix = message.mask.map({ IPv4Prefix(address, mask: $0) })
        ?? IPv4Prefix(address, length: known?.binding.prefix.length ?? Self.usualPrefixLength),
      (1...32).contains(prefix.length), address != prefix.broadcast
    else { return nil }
    self.server = server
    // RFC 3442: with routes the router is not looked at. Together they are one thing that a renewal says or does not.
    let routes = message.routes ?? message.router.map { [.toEverywhere(by: $0)] } ?? known?.binding.routes ?? []
    binding = IPv4Binding(address: address, prefix: prefix, routes: routes)
    let nameServers = message.nameServers.filter { $0.isUnicast }
    self.nameServers = nameServers.isEmpty ? known?.nameServers ?? [] : nameServers
    // Some servers end the domain with a zero.
    domain = DNSName(text: message.domain.prefix { $0 != 0 }) ?? known?.domain
    mtu = message.mtu ?? known?.mtu
    switch (message.lease, known) {
    case (nil, let known?): seconds = known.seconds
    case (nil, nil), (0, _): return nil
    case (let lease?, _): seconds = Self.times(message, Int(lease), known?.seconds)
    }
  }

  /// Of servers that tell none.
  private static let usualPrefixLength = 24

  /// RFC 2131, 4.4.5: when to renew, if the server does not say it, follows from how long the lease lasts. It is as before if
  /// that is as long as before.
  private static func times(
    _ message: DHCPMessage, _ expiry: Int, _ known: (renewal: Int, rebinding: Int, expiry: Int)?
  ) -> (renewal: Int, rebinding: Int, expiry: Int)? {
    guard expiry != UInt32.max else { return nil }
    let known = known?.expiry == expiry ? known : nil
    let rebinding =
      message.rebinding.map(Int.init).flatMap { $0 > 0 && $0 < expiry ? $0 : nil } ?? known?.rebinding
      ?? expiry * 7 / 8
    let renewal =
      message.renewal.map(Int.init).flatMap { $0 > 0 && $0 <= rebinding ? $0 : nil }
      ?? min(known?.renewal ?? expiry / 2, rebinding)
    return (renewal, rebinding, expiry)
  }
}
