/// An Ethernet address (IEEE 802).
public struct MACAddress: Hashable, Sendable {
  /// The 48 bits as one number: 02:00:00:00:00:01 is 0x0200_0000_0001.
  public let value: UInt64

  /// - Parameter value: the low 48 bits count.
  public init(_ value: UInt64) {
    self.value = value & 0xffff_ffff_ffff
  }

  /// ff:ff:ff:ff:ff:ff: everybody on this link.
  public static let broadcast = MACAddress(0xffff_ffff_ffff)
}
