/// An IPv6 address (RFC 4291), without a zone.
public struct IPv6Address: Hashable, Sendable {
  /// The first eight bytes.
  public var high: UInt64
  /// The last eight bytes.
  public var low: UInt64

  public init(high: UInt64, low: UInt64) {
    self.high = high
    self.low = low
  }

  /// `::`: any address, or none.
  public static let any = IPv6Address(high: 0, low: 0)
  /// `::1`: this host, on no link (RFC 4291, 2.5.3).
  public static let loopback = IPv6Address(high: 0, low: 1)
}
