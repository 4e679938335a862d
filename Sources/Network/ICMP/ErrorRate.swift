/// How often ICMP errors may be sent (RFC 1812, 4.3.2.8; RFC 4443, 2.4 (f)): a bucket of tokens, so that a traceroute's
/// few packets are all answered, and a flood makes no flood of answers.
struct ErrorRate {
  private var tokens = burst
  private var last: NetworkInstant

  static let burst = 50
  private static let millisecondsPerToken = 10

  init(at now: NetworkInstant) {
    last = now
  }

  /// Whether an error may be sent now; counts it if so.
  mutating func take(at now: NetworkInstant) -> Bool {
    let earned = now.milliseconds(since: last) / Self.millisecondsPerToken
    if earned > 0 {
      tokens = min(tokens + earned, Self.burst)
      last = now
    }
    guard tokens > 0 else { return false }
    tokens -= 1
    return true
  }
}
