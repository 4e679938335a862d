/// How an idle connection is probed (RFC 9293, 3.8.4).
///
/// What is out of range counts as the nearest that is not. The bounds above are those of Linux (tcp(7)).
public struct TCPKeepAlive: Equatable, Sendable {
  var timeMilliseconds: Int
  var intervalMilliseconds: Int
  var probeCount: Int

  private static let times = 1...32_767_000
  private static let probeCounts = 1...127

  /// - Parameters:
  ///   - time: see the property. RFC 9293 wants two hours at least unless the application says otherwise.
  ///   - interval: see the property.
  ///   - probes: see the property.
  public init(time: Duration = .seconds(7200), interval: Duration = .seconds(75), probes: Int = 9) {
    timeMilliseconds = time.milliseconds(in: Self.times)
    intervalMilliseconds = interval.milliseconds(in: Self.times)
    probeCount = min(max(probes, Self.probeCounts.lowerBound), Self.probeCounts.upperBound)
  }

  /// How long nothing must have come from the peer before the first probe: 1 ms to 32,767 s, in whole milliseconds.
  public var time: Duration {
    get { .milliseconds(timeMilliseconds) }
    set { timeMilliseconds = newValue.milliseconds(in: Self.times) }
  }

  /// Between probes: 1 ms to 32,767 s, in whole milliseconds.
  public var interval: Duration {
    get { .milliseconds(intervalMilliseconds) }
    set { intervalMilliseconds = newValue.milliseconds(in: Self.times) }
  }

  /// The connection ends with `.timedOut` when so many were not answered: 1 to 127.
  public var probes: Int {
    get { probeCount }
    set { probeCount = min(max(newValue, Self.probeCounts.lowerBound), Self.probeCounts.upperBound) }
  }
}

extension Duration {
  /// Whole milliseconds, or the nearest of a range's that is not negative.
  func milliseconds(in range: ClosedRange<Int>) -> Int {
    let (seconds, attoseconds) = components
    let most = Int64(range.upperBound) / 1000 + 1
    let milliseconds = Int(min(max(seconds, 0), most)) * 1000 + Int(max(attoseconds, 0) / 1_000_000_000_000_000)
    return min(max(milliseconds, range.lowerBound), range.upperBound)
  }
}
