/// An IPv6 prefix (RFC 4291, 2.3): the addresses whose first `length` bits are the same.
public struct IPv6Prefix: Hashable, Sendable {
  /// The first address: all bits after the prefix are 0.
  public let network: IPv6Address
  /// 0...128
  public let length: Int

  /// - Parameters:
  ///   - address: any address with the prefix.
  ///   - length: 0...128; a trap otherwise.
  public init(_ address: IPv6Address, length: Int) {
    precondition((0...128).contains(length), "an IPv6 prefix has 0 to 128 bits")
    self.length = length
    network = Self.masked(address, length)
  }

  public func contains(_ address: IPv6Address) -> Bool {
    Self.masked(address, length) == network
  }

  private static func masked(_ address: IPv6Address, _ length: Int) -> IPv6Address {
    // A shift by the whole width gives 0 in Swift.
    IPv6Address(
      high: address.high & (UInt64.max << UInt64(max(64 - length, 0))),
      low: address.low & (UInt64.max << UInt64(min(128 - length, 64))))
  }
}

extension IPv6Prefix: CustomStringConvertible {
  public var description: String { "\(network)/\(length)" }
}
