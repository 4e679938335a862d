import GuestKernel

/// A task that waits for something of the network, possibly for a limited time.
final class NetworkWaiter: TimerWaiter {
  let deadline: UInt64
  var sequence: UInt64 = 0
  var position = -1
  /// Why it goes on.
  enum Reason {
    case changed
    case timedOut
    case cancelled
  }

  private(set) var reason: Reason?
  /// What it waits at, while it waits.
  fileprivate(set) var client: StackClient?
  var continuation: UnsafeContinuation<Void, Never>?
  fileprivate(set) var next: NetworkWaiter?

  init(deadline: UInt64) {
    self.deadline = deadline
  }

  /// Lets the task go on; the first reason counts.
  func end(_ reason: Reason) {
    guard self.reason == nil else { return }
    self.reason = reason
    let continuation = continuation
    self.continuation = nil
    continuation?.resume()
  }
}

/// Tasks that wait for the same thing, the last one first.
struct NetworkWaiters {
  private var first: NetworkWaiter?

  var isEmpty: Bool { first == nil }

  /// - Parameter client: what it waits at.
  mutating func append(_ waiter: NetworkWaiter, of client: StackClient) {
    waiter.client = client
    waiter.next = first
    first = waiter
  }

  mutating func popLast() -> NetworkWaiter? {
    guard let waiter = first else { return nil }
    first = waiter.next
    waiter.next = nil
    waiter.client = nil
    return waiter
  }

  /// - Returns: whether it was among them.
  mutating func remove(_ removed: NetworkWaiter) -> Bool {
    var waiter = first
    if first === removed {
      first = removed.next
    } else {
      while let current = waiter, current.next !== removed { waiter = current.next }
      guard let waiter else { return false }
      waiter.next = removed.next
    }
    removed.next = nil
    removed.client = nil
    return true
  }
}
