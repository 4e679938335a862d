import Synchronization

/// What a server has done since it was made. Each number only grows.
public final class HTTPServerStatistics: Sendable {
  let accepted = Counter()
  let turnedAway = Counter()
  let requests = Counter()
  let faults = Counter()
  let timeouts = Counter()
  private let misuses = Counter()
  private let latestMisuse = Guarded<HTTPMisuse?>(nil)

  /// Connections that were accepted.
  public var acceptedCount: Int { accepted.value }
  /// Connections that were answered with 503 because there were too many.
  public var turnedAwayCount: Int { turnedAway.value }
  /// Requests that reached a handler.
  public var requestCount: Int { requests.value }
  /// Requests that were refused because they are malformed or too large.
  public var faultCount: Int { faults.value }
  /// Connections that were closed because the other side was too slow.
  public var timeoutCount: Int { timeouts.value }
  /// Requests whose handler did what HTTP does not allow, and that were answered with 500 or with a reset for that.
  public var misuseCount: Int { misuses.value }
  /// What the last one of those handlers did.
  public var lastMisuse: HTTPMisuse? { latestMisuse.withLock { $0 } }

  func note(_ misuse: HTTPMisuse) {
    misuses.increment()
    latestMisuse.withLock { $0 = misuse }
  }

  final class Counter: Sendable {
    private let number = Atomic<Int>(0)

    var value: Int { number.load(ordering: .relaxed) }

    func increment() { number.wrappingAdd(1, ordering: .relaxed) }
  }
}
