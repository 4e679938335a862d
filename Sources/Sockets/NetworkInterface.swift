import GuestKernel
import Network

/// An interface with its stack: what the driver of its device brings goes in here, and tasks wait here for what comes of it.
final class NetworkInterface: FrameEndpoint {
  let name: String
  let stack: NetworkStack
  /// What the stack has told of. Looked at when the stack is done, which is not to be called while it tells.
  var changes = StackChanges()
  /// Tasks that wait for a limited time.
  private var timers = TimerQueue<NetworkWaiter>()
  private(set) var waiterCount = 0
  /// The interface's own addresses as something to wait for.
  private(set) var addressChange: StackClient!

  #if !hasFeature(Embedded)
    /// Held by whoever does anything with the stack.
    let exclusion = Exclusion()
    /// Sends what there is to send. Called with the lock held.
    var flush: () -> Void = {}
  #endif

  init(name: String, stack: NetworkStack) {
    self.name = name
    self.stack = stack
    addressChange = StackClient(self)
    stack.observer = addressChange
  }

  // MARK: For those that use the stack

  /// Begins a use of the stack. In an image there is one thread, and this does nothing.
  @inline(__always)
  func lock() {
    #if !hasFeature(Embedded)
      exclusion.lock()
    #endif
  }

  /// Ends a use of the stack: what came of it wakes tasks, and goes out. (In an image it goes out at the turn's end.)
  @inline(__always)
  func unlock() {
    settle()
    #if !hasFeature(Embedded)
      flush()
      exclusion.unlock()
    #endif
  }

  var now: NetworkInstant { NetworkInstant(nanoseconds: monotonicNanoseconds()) }

  /// So long from now, in nanoseconds of the machine's clock; nil: never.
  func deadline(in timeout: Duration?) -> UInt64? {
    guard let timeout else { return nil }
    let (sum, overflow) = monotonicNanoseconds().addingReportingOverflow(UInt64(max(0, timeout.nanoseconds)))
    return overflow ? nil : sum
  }

  // MARK: For clients of the stack

  func begin(_ waiter: NetworkWaiter) {
    waiterCount += 1
    if waiter.deadline < .max { timers.insert(waiter) }
  }

  func ended(_ waiter: NetworkWaiter) {
    waiterCount -= 1
    if waiter.position >= 0 { timers.remove(waiter) }
  }

  /// Lets all of them go on.
  func end(_ waiters: inout NetworkWaiters) {
    while let waiter = waiters.popLast() {
      ended(waiter)
      waiter.end(.changed)
    }
  }

  // MARK: For the driver

  var frameLimit: Int { stack.frameLimit }
  var hasOutput: Bool { stack.hasOutput }
  var isAwaited: Bool { waiterCount > 0 }

  func transmit(into frame: inout MutableRawSpan) -> OutgoingFrame? {
    stack.transmit(into: &frame, at: now)
  }

  func receive(_ frame: RawSpan, checksumIsValid: Bool) {
    stack.receive(frame, checksumIsValid: checksumIsValid, at: now)
  }

  @inline(__always)
  func settle() {
    if !changes.isEmpty { wakeChanged() }
  }

  private func wakeChanged() {
    while let client = changes.popLast() { client.wake() }
  }

  var deadline: UInt64? {
    guard let due = stack.deadline?.nanoseconds else { return timers.earliestDeadline }
    return min(due, timers.earliestDeadline ?? due)
  }

  func advance() {
    guard let deadline, deadline <= monotonicNanoseconds() else { return }
    let now = now
    stack.advance(to: now)
    while let waiter = timers.removeFirst(dueAt: now.nanoseconds) {
      waiter.client?.remove(waiter)
      waiter.end(.timedOut)
    }
    settle()
  }
}
