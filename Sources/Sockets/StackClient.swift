import GuestKernel
import Network

/// Something of the stack's that tasks wait for: a connection, a listener, a port, a lookup.
///
/// In the hosted build all of it is used with the interface's lock held.
class StackClient: NetworkObserver {
  /// What a task waits for.
  enum Side {
    case input
    case output
  }

  final let interface: NetworkInterface
  /// How often the stack has told of a change: who has looked and then waits would otherwise miss one in between.
  private(set) final var changeCount: UInt = 0
  /// The next one that has changed since the stack was last let alone.
  fileprivate(set) final var nextChanged: StackClient?
  fileprivate(set) final var hasChanged = false
  private final var readers = NetworkWaiters()
  private final var writers = NetworkWaiters()

  init(_ interface: NetworkInterface) {
    self.interface = interface
  }

  /// Whether tasks that wait for input have something to look at. To override.
  var hasInput: Bool { true }
  /// Whether tasks that wait to write have something to look at. To override.
  var hasRoom: Bool { true }

  /// From within the stack, which is not to be called now.
  final func networkDidChange() {
    changeCount &+= 1
    interface.changes.append(self)
  }

  /// Lets the tasks go on that have something to look at.
  final func wake() {
    if !readers.isEmpty, hasInput { interface.end(&readers) }
    if !writers.isEmpty, hasRoom { interface.end(&writers) }
  }

  /// Lets all tasks go on.
  final func wakeAll() {
    changeCount &+= 1
    interface.end(&readers)
    interface.end(&writers)
  }

  /// Suspends the task until there is something to look at.
  ///
  /// - Parameters:
  ///   - count: `changeCount` when the task looked last.
  ///   - deadline: until when, in nanoseconds of the machine's clock; nil: as long as it takes.
  final nonisolated(nonsending) func wait(
    for side: Side, since count: UInt, until deadline: UInt64? = nil
  ) async -> NetworkWaiter.Reason {
    // In an image everything happens in one thread, the cancellation handler included; elsewhere there is the lock.
    nonisolated(unsafe) let waiter = NetworkWaiter(deadline: deadline ?? .max)
    nonisolated(unsafe) let client = self
    await withTaskCancellationHandler {
      await withUnsafeContinuation { (continuation: UnsafeContinuation<Void, Never>) in
        client.interface.lock()
        defer { client.interface.unlock() }
        guard waiter.reason == nil else { return continuation.resume() }
        waiter.continuation = continuation
        if client.changeCount == count { client.add(waiter, side) } else { waiter.end(.changed) }
      }
    } onCancel: {
      client.interface.lock()
      defer { client.interface.unlock() }
      client.remove(waiter)
      waiter.end(.cancelled)
    }
    return waiter.reason!
  }

  private final func add(_ waiter: NetworkWaiter, _ side: Side) {
    if side == .input { readers.append(waiter, of: self) } else { writers.append(waiter, of: self) }
    interface.begin(waiter)
  }

  /// A task goes on without anything having changed.
  final func remove(_ waiter: NetworkWaiter) {
    if readers.remove(waiter) || writers.remove(waiter) { interface.ended(waiter) }
  }
}

/// What has changed since the stack was last let alone.
struct StackChanges {
  private var first: StackClient?

  var isEmpty: Bool { first == nil }

  mutating func append(_ client: StackClient) {
    guard !client.hasChanged else { return }
    client.hasChanged = true
    client.nextChanged = first
    first = client
  }

  mutating func popLast() -> StackClient? {
    guard let client = first else { return nil }
    first = client.nextChanged
    client.nextChanged = nil
    client.hasChanged = false
    return client
  }
}
