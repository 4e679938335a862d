// Connections that this end begins.
extension TCP {
  /// IANA's dynamic ports (RFC 6335, 6).
  private static let ephemeralPorts: ClosedRange<UInt16> = 49_152...65_535

  /// Begins a connection. The socket is `.synSent`; its observer is told when it is `.established` or `.closed`.
  public func connect(to remote: SocketAddress, from local: IPAddress, at now: NetworkInstant) throws(TCPError)
    -> TCPSocket
  {
    settle()
    guard remote.address.isIPv4 == local.isIPv4, remote.port != 0 else { throw .badAddress }
    guard let port = ephemeralPort(from: local, to: remote) else { throw .noPorts }
    let end = SocketAddress(local, port: port)
    let key = ConnectionKey(local: end, remote: remote)
    let sequence = context.initialSequence(for: key, at: now)
    let socket = addSocket { number in
      TCPSocket(
        local: end, remote: remote, state: .synSent, number: number, sequence: sequence, context: context, at: now)
    }
    guard let socket else { throw .tooManyConnections }
    context.statistics.activeOpens += 1
    socket.pending.insert(.syn)
    socket.becomeReady()
    return socket
  }

  /// A port that an outsider cannot guess, and that is not used again soon: RFC 6056, 3.3.4, the double-hash algorithm.
  private func ephemeralPort(from local: IPAddress, to remote: SocketAddress) -> UInt16? {
    let key = ConnectionKey(local: SocketAddress(local, port: 0), remote: remote)
    let offset = key.secureHash(context.random, HashPurpose.port)
    let counter = Int(key.secureHash(context.random, HashPurpose.portCounter) % UInt64(portCounters.count))
    let count = UInt64(Self.ephemeralPorts.count)
    for _ in Self.ephemeralPorts {
      let port = Self.ephemeralPorts.lowerBound + UInt16((offset % count + UInt64(portCounters[counter])) % count)
      portCounters[counter] &+= 1
      let end = SocketAddress(local, port: port)
      if context.table[ConnectionKey(local: end, remote: remote)] == nil, listener(on: end) == nil { return port }
    }
    return nil
  }
}
