import MachineABI

/// How long frames are.
enum NetworkFrame {
  /// The header of Ethernet: two addresses and a type.
  static let shortest = 14
  /// The same with a VLAN's tag (IEEE 802.1Q).
  static let headerLimit = shortest + 4
  /// The longest packet: its length is a field of 16 bits (RFC 791, RFC 8200).
  static let packetLimit = 65535
  /// The longest packet that a link has whose MTU nobody knows.
  static let usualMTU = 1500
}

/// What a network device did since the machine began.
public struct NetworkCounters: Equatable, Sendable {
  /// Frames that the driver received, and their bytes without headers of virtio's.
  public var receivedFrames: UInt64 = 0
  public var receivedBytes: UInt64 = 0
  /// Frames that came and had no room in the driver's buffers, or were none.
  public var lostReceives: UInt64 = 0
  /// Frames that the driver sent, and their bytes without headers of virtio's.
  public var sentFrames: UInt64 = 0
  public var sentBytes: UInt64 = 0
  /// Frames of the driver's that were none, or that the other side did not take.
  public var refusedSends: UInt64 = 0

  /// Nothing yet.
  public init() {}
}
