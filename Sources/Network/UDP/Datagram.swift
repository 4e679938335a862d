/// A UDP datagram that was received.
public struct Datagram: Equatable, Sendable {
  public var payload: [UInt8]
  public var source: SocketAddress
  /// The address and port of ours that it was sent to.
  public var destination: SocketAddress
}

/// Why a UDP function could not do what it was asked for.
public enum UDPError: Error, Equatable, Sendable {
  case addressInUse
  /// All ports of the ephemeral range are taken, or `UDPLimits.portCount` of all.
  case noFreePort
  /// The datagram is longer than 65,507 bytes (IPv4) or 65,527 (IPv6).
  case tooLong
  /// As much waits to be sent as may: wait for the observer.
  case queueFull
  /// The destination is no address to send to.
  case badAddress
  case closed
}

/// The network's answer to a datagram that was sent.
public struct UDPFailure: Equatable, Sendable {
  public enum Reason: Equatable, Sendable {
    /// Nobody listens at that port.
    case refused
    /// No way to the host.
    case unreachable
  }

  public var destination: SocketAddress
  public var reason: Reason
}

public enum UDPLimits {
  /// Open ports. Bounds what a program that forgets to close them costs.
  public static let portCount = 1024
  /// Datagrams that wait for one port's reader. A flood to a port that is not read costs this and no more.
  public static let queuedDatagramCount = 128
  /// Payload that waits for one port's reader, in bytes: the same against large datagrams. Twice the largest.
  public static let queuedByteCount = 262_144
  /// Datagrams of all ports that wait to be sent, in bytes. A sender faster than the link waits at this.
  public static let unsentByteCount = 262_144
  /// Where ports for those who do not name one are drawn from (RFC 6335, 6; RFC 6056 for drawing at random).
  public static let ephemeralPorts: ClosedRange<UInt16> = 49152...65535
}
