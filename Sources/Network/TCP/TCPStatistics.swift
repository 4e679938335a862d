/// What TCP has counted since it was made. Names follow RFC 4022 where that has them.
public struct TCPStatistics: Sendable {
  /// Segments that arrived, merged ones counted as one.
  public var segmentsReceived: UInt64 = 0
  /// Segments that were handed down, ones to be cut by the device counted as one.
  public var segmentsSent: UInt64 = 0
  /// Bytes of data that arrived in order.
  public var bytesReceived: UInt64 = 0
  /// Bytes of data that were sent, without retransmissions.
  public var bytesSent: UInt64 = 0
  /// Segments dropped because header, options or checksum are wrong.
  public var malformedSegments: UInt64 = 0
  /// Segments of which a part was sent before.
  public var segmentsRetransmitted: UInt64 = 0
  /// Times that the retransmission timer expired.
  public var retransmissionTimeouts: UInt64 = 0
  /// Times that a loss was repaired without waiting for the timer.
  public var fastRecoveries: UInt64 = 0
  /// Segments with data that came out of order.
  public var segmentsOutOfOrder: UInt64 = 0
  /// Segments dropped because a limit on memory or gaps was reached.
  public var segmentsRefused: UInt64 = 0
  /// Segments dropped because their timestamp was old (RFC 7323, 5).
  public var oldTimestamps: UInt64 = 0
  /// Challenge ACKs sent (RFC 5961).
  public var challengeACKs: UInt64 = 0
  /// RST segments sent.
  public var resetsSent: UInt64 = 0
  /// Connections that this end began.
  public var activeOpens: UInt64 = 0
  /// Connections that a peer began and that came to be.
  public var passiveOpens: UInt64 = 0
  /// Connections that failed to come to be.
  public var failedOpens: UInt64 = 0
  /// Connections that ended by RST or error.
  public var resetConnections: UInt64 = 0
  /// SYN segments dropped, because too many handshakes or unaccepted connections are there.
  public var handshakesDropped: UInt64 = 0
  /// SYN cookies sent.
  public var cookiesSent: UInt64 = 0
  /// Connections made of a SYN cookie.
  public var cookiesAccepted: UInt64 = 0
  /// TIME-WAIT records that gave way to newer ones.
  public var timeWaitRecycled: UInt64 = 0
  /// Probes of a window that is closed.
  public var windowProbes: UInt64 = 0
  /// Probes of a connection that is idle.
  public var keepAliveProbes: UInt64 = 0
  /// Replies dropped because too many waited.
  public var repliesDropped: UInt64 = 0
  /// Connections now, without those in TIME-WAIT and those whose handshake is not complete.
  public var connectionCount = 0
  /// Handshakes under way now that a peer began.
  public var halfOpenCount = 0
  /// Connections in TIME-WAIT now.
  public var timeWaitCount = 0
  /// Connections now that nobody has accepted yet, of all listeners.
  public var unacceptedCount = 0
  /// Bytes now that were written, and that peers have not acknowledged.
  public var unacknowledgedByteCount = 0
  /// Bytes now that have come in order, and that nobody has read.
  public var unreadByteCount = 0
  /// Bytes in buffers now: the two above, what came out of order, and what is left over in buffers that are not full.
  public var bufferByteCount = 0

  public init() {}
}
