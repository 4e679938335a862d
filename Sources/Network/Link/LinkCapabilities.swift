/// What the device below a stack is and offers.
public struct LinkCapabilities: Sendable {
  public var address: MACAddress
  /// The largest IP packet, in bytes: what follows the Ethernet header.
  public var mtu: Int
  /// Whether the device completes the checksum of a TCP or UDP packet whose field has the pseudo-header's sum
  /// (virtio-1.2, 5.1.3: VIRTIO_NET_F_CSUM).
  public var completesChecksums: Bool
  /// Whether the device cuts TCP over IPv4 into segments (VIRTIO_NET_F_HOST_TSO4). Only together with
  /// `completesChecksums`.
  public var segmentsIPv4: Bool
  /// The same over IPv6 (VIRTIO_NET_F_HOST_TSO6).
  public var segmentsIPv6: Bool

  /// - Parameter mtu: clamped to `mtuRange`.
  public init(
    address: MACAddress, mtu: Int = 1500, completesChecksums: Bool = false, segmentsIPv4: Bool = false,
    segmentsIPv6: Bool = false
  ) {
    self.address = address
    self.mtu = min(max(mtu, Self.mtuRange.lowerBound), Self.mtuRange.upperBound)
    self.completesChecksums = completesChecksums
    self.segmentsIPv4 = segmentsIPv4 && completesChecksums
    self.segmentsIPv6 = segmentsIPv6 && completesChecksums
  }

  /// What an MTU may be: from what every IPv4 host takes (RFC 791, 3.2) to what its length field can say.
  public static let mtuRange = 576...65535
}
