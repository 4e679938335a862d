/// An IPv4 address (RFC 791).
public struct IPv4Address: Hashable, Sendable {
  /// The address as one number: 10.0.0.2 is 0x0a00_0002.
  public var value: UInt32

  public init(_ value: UInt32) {
    self.value = value
  }

  public init(_ a: UInt8, _ b: UInt8, _ c: UInt8, _ d: UInt8) {
    value = UInt32(a) << 24 | UInt32(b) << 16 | UInt32(c) << 8 | UInt32(d)
  }

  /// 0.0.0.0: any address, or none.
  public static let any = IPv4Address(0)
  /// 255.255.255.255: everybody on this link (RFC 919).
  public static let broadcast = IPv4Address(.max)
  /// 127.0.0.1: this host, on no link (RFC 1122, 3.2.1.3 (g)).
  public static let loopback = IPv4Address(127, 0, 0, 1)
}
