/// The bounds within which TCP works, whatever its peers do. Each says what it stops.
public struct TCPLimits: Sendable {
  /// Connections at a time, without those in TIME-WAIT. Stops: a peer that opens connections until memory is gone.
  public var connectionCount = 16_384

  /// The bytes of all buffers of all connections together. Stops: many peers that each send what nobody reads yet, or do
  /// not acknowledge what they are sent. Receiving may use all of it; sending only three quarters, so that writers cannot
  /// keep what frees their memory, an acknowledgement with data, from being taken.
  public var bufferByteCount = 32 << 20

  /// What one connection keeps of what its application has not read, with the gaps in it: the largest receive window. A scaled
  /// window is announced in whole steps, and what was announced is taken, so up to 4 KiB more are kept, or one step if that is
  /// more (RFC 7323, 2.4). Stops: one peer that takes all of `bufferByteCount`.
  public var receiveByteCount = 1 << 20

  /// What one connection keeps of what its peer has not acknowledged. Stops: one peer that never acknowledges.
  public var sendByteCount = 512 << 10

  /// The receive window at the start of a connection; it grows up to `receiveByteCount` while the application keeps up.
  public var initialWindowByteCount = 64 << 10

  /// Connections whose handshake is not complete; beyond it, SYN cookies take over, which need no memory. Stops: a SYN
  /// flood (RFC 4987).
  public var halfOpenCount = 512

  /// Connections that are remembered in TIME-WAIT; the oldest makes room for a new one. Stops: many short connections,
  /// each of which would otherwise cost a record for a minute.
  public var timeWaitCount = 4096

  /// The largest `backlog` of a listener: connections that nobody accepted yet. Stops: a flood of complete connections.
  public var backlog = 4096

  /// Replies that belong to no connection (RST, SYN+ACK) and wait to be sent; more are dropped. Stops: a flood of segments
  /// to closed ports that takes memory, or uses this end as an amplifier.
  public var replyCount = 256

  /// Gaps in what one connection received. A segment that would make one more is dropped. Stops: tiny segments out of
  /// order, which would make every segment's handling a long search.
  public var gapCount = 64

  public init() {}
}
