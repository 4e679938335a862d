/// An IPv4 network (RFC 4632): the addresses whose first `length` bits are the same.
public struct IPv4Prefix: Hashable, Sendable {
  /// The first address of the network: all bits after the prefix are 0.
  public let network: IPv4Address
  /// 0...32
  public let length: Int

  /// - Parameters:
  ///   - address: any address of the network.
  ///   - length: 0...32; a trap otherwise.
  public init(_ address: IPv4Address, length: Int) {
    precondition((0...32).contains(length), "an IPv4 prefix has 0 to 32 bits")
    self.length = length
    network = IPv4Address(address.value & Self.mask(length))
  }

  /// The network that an address is in by a mask; nil for a mask that is not ones followed by zeros.
  init?(_ address: IPv4Address, mask: IPv4Address) {
    guard (~mask.value).leadingZeroBitCount + (~mask.value).nonzeroBitCount == 32 else { return nil }
    self.init(address, length: mask.value.nonzeroBitCount)
  }

  public func contains(_ address: IPv4Address) -> Bool {
    address.value & Self.mask(length) == network.value
  }

  /// The address that means everybody in the network (RFC 919); nil in networks of one or two addresses (RFC 3021).
  public var broadcast: IPv4Address? {
    length < 31 ? IPv4Address(network.value | ~Self.mask(length)) : nil
  }

  private static func mask(_ length: Int) -> UInt32 {
    length == 0 ? 0 : UInt32.max << UInt32(32 - length)
  }
}

extension IPv4Prefix: CustomStringConvertible {
  public var description: String { "\(network)/\(length)" }
}
