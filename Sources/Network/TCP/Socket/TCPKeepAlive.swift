/// How an idle connection is probed (RFC 9293, 3.8.4).
public struct TCPKeepAlive: Sendable {
  /// How long nothing must have come from the peer before the first probe. RFC 9293 wants two hours at least unless the
  /// application says otherwise.
  public var idleMilliseconds: Int
  /// Between probes.
  public var intervalMilliseconds: Int
  /// The connection ends with `.timedOut` when so many were not answered.
  public var probeCount: Int

  public init(idleMilliseconds: Int = 7_200_000, intervalMilliseconds: Int = 75_000, probeCount: Int = 9) {
    self.idleMilliseconds = idleMilliseconds
    self.intervalMilliseconds = intervalMilliseconds
    self.probeCount = probeCount
  }
}
