import Synchronization

/// What a server has done since it was made. Each number only grows.
public final class HTTPServerStatistics: Sendable {
  let accepted = Counter()
  let turnedAway = Counter()
  let requests = Counter()
  let faults = Counter()
  let timeouts = Counter()

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

  final class Counter: Sendable {
    private let number = Atomic<Int>(0)

    var value: Int { number.load(ordering: .relaxed) }

    func increment() { number.wrappingAdd(1, ordering: .relaxed) }
  }
}
