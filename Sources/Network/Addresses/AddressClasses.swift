extension IPv4Address {
  /// 224.0.0.0/4 (RFC 1112, 4).
  public var isMulticast: Bool { value >> 28 == 0xe }
  /// 127.0.0.0/8 (RFC 1122, 3.2.1.3 (g)): never on a wire.
  public var isLoopback: Bool { value >> 24 == 127 }
  /// 169.254.0.0/16 (RFC 3927).
  public var isLinkLocal: Bool { value >> 16 == 0xa9fe }

  /// Whether one host can have the address: not "this network" 0.0.0.0/8, loopback, multicast, nor what was class E and
  /// the broadcast address (RFC 1122, 3.2.1.3; RFC 6890).
  public var isUnicast: Bool { value >> 24 != 0 && !isLoopback && value >> 28 < 0xe }
}

extension IPv6Address {
  /// ff00::/8
  public var isMulticast: Bool { high >> 56 == 0xff }
  /// ::1
  public var isLoopback: Bool { high == 0 && low == 1 }
  /// fe80::/10
  public var isLinkLocal: Bool { high >> 54 == 0x3fa }
  /// ::ffff:0:0/96, which has no place on a wire (RFC 4291, 2.5.5.2).
  public var isIPv4Mapped: Bool { high == 0 && low >> 32 == 0xffff }

  /// Whether one host can have the address.
  public var isUnicast: Bool { !isMulticast && !isLoopback && !isIPv4Mapped && self != .any }

  /// Where neighbour solicitations for this address go: ff02::1:ffXX:XXXX (RFC 4291, 2.7.1).
  var solicitedNode: IPv6Address {
    IPv6Address(high: 0xff02_0000_0000_0000, low: 0x0000_0001_ff00_0000 | low & 0xff_ffff)
  }

  /// ff02::1 (RFC 4291, 2.7.1).
  static let allNodes = IPv6Address(high: 0xff02_0000_0000_0000, low: 1)
  /// ff02::2
  static let allRouters = IPv6Address(high: 0xff02_0000_0000_0000, low: 2)
  /// ff02::16: routers that hear multicast reports (RFC 3810, 5.2.14).
  static let allMulticastRouters = IPv6Address(high: 0xff02_0000_0000_0000, low: 0x16)
}

extension IPAddress {
  public var isIPv6: Bool {
    switch self {
    case .v4: false
    case .v6: true
    }
  }

  public var isMulticast: Bool {
    switch self {
    case .v4(let address): address.isMulticast
    case .v6(let address): address.isMulticast
    }
  }

  /// Whether one host can have the address.
  public var isUnicast: Bool {
    switch self {
    case .v4(let address): address.isUnicast
    case .v6(let address): address.isUnicast
    }
  }
}

extension MACAddress {
  /// Whether it addresses a group, broadcast included (IEEE 802: the lowest bit of the first byte).
  var isGroup: Bool { value >> 40 & 1 != 0 }

  /// Where packets to an IPv6 multicast address go: 33:33 and its last 32 bits (RFC 2464, 7).
  init(multicast address: IPv6Address) {
    self.init(0x3333_0000_0000 | address.low & 0xffff_ffff)
  }
}
