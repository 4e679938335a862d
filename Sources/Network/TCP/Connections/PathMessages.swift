// What ICMP says of segments. Anybody can send such messages, so they count only if they quote what is in flight (RFC 5927).
extension TCP {
  /// A packet was too big (RFC 1191, RFC 8201). What is in flight is sent again, in the segments that `path` allows then.
  ///
  /// - Parameters:
  ///   - sequence: of the segment that the message quotes.
  ///   - mtu: that it tells.
  /// - Returns: whether such a segment is in flight, so that the message is to be believed (RFC 5927, 7).
  public func pathMTUChanged(from local: SocketAddress, to remote: SocketAddress, sequence: UInt32, mtu: Int) -> Bool {
    guard let socket = socket(from: local, to: remote, sending: sequence) else { return false }
    // Not a sign of congestion (RFC 8899, 3, item 7): the window stays.
    let largest = mtu - TCPPath.internetHeaderByteCount(to: remote.address) - TCPHeader.minimumByteCount
    if largest < socket.segmentByteCount, socket.state.isSynchronized { socket.repeatAll() }
    return true
  }

  /// A packet did not arrive. Ignored unless the quoted segment is in flight (RFC 5927, 4.1), and only a connection that is not
  /// established yet ends by it (RFC 5927, 5.2); for others it is the reason that is given if they end otherwise.
  ///
  /// - Parameter isHard: the message says that it is so for good (RFC 9293, 3.9.2.2).
  public func destinationUnreachable(
    from local: SocketAddress, to remote: SocketAddress, sequence: UInt32, isHard: Bool
  ) {
    guard let socket = socket(from: local, to: remote, sending: sequence) else { return }
    socket.wasUnreachable = true
    guard isHard, !socket.state.isSynchronized else { return }
    socket.end(.unreachable)
    socket.notify()
    settle()
  }

  private func socket(from local: SocketAddress, to remote: SocketAddress, sending sequence: UInt32) -> TCPSocket? {
    guard case .socket(let number) = context.table[ConnectionKey(local: local, remote: remote)],
      let socket = sockets[number]
    else { return nil }
    let place = SequenceNumber(sequence, near: socket.unacknowledged)
    return place >= socket.unacknowledged && place < socket.sendNext ? socket : nil
  }
}

extension TCPSocket {
  /// What is in flight did not arrive, and not because of congestion.
  fileprivate func repeatAll() {
    scoreboard.loseAll(from: unacknowledged, to: sendNext, forgettingRanges: false)
    timedSegment = nil
    becomeReady()
  }
}
