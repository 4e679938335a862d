/// Where a stack gets its addresses from.
public struct NetworkConfiguration: Equatable, Sendable {
  public enum IPv4: Equatable, Sendable {
    /// No IPv4 on this interface.
    case none
    /// Address, gateway and name servers come from a DHCP server (RFC 2131).
    case dhcp
    case fixed(IPv4Address, prefixLength: Int, gateway: IPv4Address?)
  }

  public enum IPv6: Equatable, Sendable {
    /// No IPv6 on this interface.
    case none
    /// A link-local address, and what routers advertise (RFC 4862).
    case automatic
    /// A link-local address and this one; routers' advertisements count only as routers if no gateway is given.
    case fixed(IPv6Address, prefixLength: Int, gateway: IPv6Address?)
  }

  public var ipv4: IPv4
  public var ipv6: IPv6
  /// In order of preference. Empty: what DHCP and routers tell.
  public var nameServers: [IPAddress]
  /// Told to the DHCP server.
  public var hostname: String?

  public init(
    ipv4: IPv4 = .dhcp, ipv6: IPv6 = .automatic, nameServers: [IPAddress] = [], hostname: String? = nil
  ) {
    self.ipv4 = ipv4
    self.ipv6 = ipv6
    self.nameServers = nameServers
    self.hostname = hostname
  }
}
