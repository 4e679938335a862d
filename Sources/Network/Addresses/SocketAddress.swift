/// An IP address and a port: one end of a connection, or where a datagram comes from or goes to.
public struct SocketAddress: Hashable, Sendable {
  public var address: IPAddress
  public var port: UInt16

  public init(_ address: IPAddress, port: UInt16) {
    self.address = address
    self.port = port
  }
}
