import CLinux
import KVM

/// Waits for the files of all devices, on one thread of its own that starts with the first of them; and holds the lock under
/// which everything about devices happens, on that thread and on the vCPU's.
///
/// A machine whose devices never have to wait never has the thread.
public final class DeviceLoop: @unchecked Sendable {
  /// What to wait for.
  public enum Readiness: Sendable {
    /// There is something to read, or an end or error to find out by reading (epoll_ctl(2), EPOLLIN).
    case readable
    /// Writing does not wait (epoll_ctl(2), EPOLLOUT).
    case writable
  }

  private struct Watch {
    let descriptor: Int32
    let handler: () -> Void
  }

  private struct Delayed {
    /// Of CLOCK_MONOTONIC, in nanoseconds.
    let deadline: UInt64
    let handler: () -> Void
  }

  // All of it is used under the lock only, but for `poller` and `wake`, which do not change once the thread runs, and
  // `nextDeadline`, which is the thread's own.
  private let lock: UnsafeMutablePointer<pthread_mutex_t>
  /// Held by the one who gets `lock` next. A mutex goes to whoever comes first, and who has just given it back is on a
  /// processor already: without this, a flood at one device would keep all others, and the guest's own writes, waiting.
  private let turnstile: UnsafeMutablePointer<pthread_mutex_t>
  private var poller: Int32 = -1
  /// Wakes the thread for it to end, or to look at `delayed` again.
  private var wake: Int32 = -1
  private var watches: [Watch] = []
  private var delayed: [Delayed] = []
  /// The earliest deadline of `delayed`, as of the latest turn.
  private var nextDeadline: UInt64?
  private var thread: pthread_t?
  private var isEnding = false
  /// Whether it is a handler that holds the lock. For who holds the lock.
  public private(set) var isServing = false
  private var isYielding = false
  private let startsThread: Bool

  /// - Parameter startsThread: false for tests, which call `poll` themselves.
  public init(startsThread: Bool = true) {
    lock = .allocate(capacity: 1)
    turnstile = .allocate(capacity: 1)
    pthread_mutex_init(lock, nil)
    pthread_mutex_init(turnstile, nil)
    self.startsThread = startsThread
  }

  deinit {
    end()
    pthread_mutex_destroy(turnstile)
    pthread_mutex_destroy(lock)
    turnstile.deallocate()
    lock.deallocate()
  }

  /// Runs `body` while nothing else happens to any device. Not reentrant. Of two threads that want it again and again, each
  /// has its turn.
  public func withLock<Result: ~Copyable, Failure>(_ body: () throws(Failure) -> Result) throws(Failure) -> Result {
    pthread_mutex_lock(turnstile)
    pthread_mutex_lock(lock)
    pthread_mutex_unlock(turnstile)
    defer { pthread_mutex_unlock(lock) }
    return try body()
  }

  /// Makes what the thread waits with, and starts it: afterwards `watch` needs no descriptor and no thread any more, and `after`
  /// can be called. Call with the lock held.
  public func prepare() throws(SystemCallError) {
    if poller < 0 { try makePoller() }
    if startsThread, thread == nil { try start() }
  }

  /// Calls `handler` once, with the lock held, when so many milliseconds have passed. Call with the lock held, after `prepare`
  /// or `watch`.
  func after(milliseconds: Int, _ handler: @escaping () -> Void) {
    let deadline = Self.now + UInt64(milliseconds) * Self.nanosecondsPerMillisecond
    delayed.append(Delayed(deadline: deadline, handler: handler))
    // A handler is followed by a look at the deadlines.
    if !isServing { wakeThread() }
  }

  private static let nanosecondsPerMillisecond: UInt64 = 1_000_000

  private static var now: UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
  }

  private func wakeThread() {
    var one: UInt64 = 1
    _ = write(wake, &one, MemoryLayout<UInt64>.size)
  }

  /// Calls `handler`, with the lock held, whenever a descriptor is ready. Call with the lock held.
  ///
  /// - Parameters:
  ///   - descriptor: stays the caller's, who stops watching it before closing it. One watch each.
  ///   - handler: must take away what made the descriptor ready, or stop watching.
  /// - Throws: EPERM for regular files, which are always ready (epoll_ctl(2)).
  public func watch(
    _ descriptor: Int32, for readiness: Readiness, handler: @escaping () -> Void
  ) throws(SystemCallError) {
    precondition(!watches.contains { $0.descriptor == descriptor }, "one watch for each descriptor")
    // First, so that nothing is watched if there can be no thread.
    try prepare()
    _ = try valueOrErrno("epoll_ctl", linux_epoll_add(poller, descriptor, readiness == .readable ? 1 : 0))
    watches.append(Watch(descriptor: descriptor, handler: handler))
  }

  /// Forgets a descriptor. Call with the lock held; its handler is not called any more once this has returned.
  public func stopWatching(_ descriptor: Int32) {
    guard let index = watches.firstIndex(where: { $0.descriptor == descriptor }) else { return }
    watches.remove(at: index)
    _ = linux_epoll_remove(poller, descriptor)
  }

  /// Waits up to `timeout` milliseconds (-1: for ever) and serves what is ready or due; returns how much that was.
  @discardableResult
  public func poll(timeout: Int32) -> Int {
    guard poller >= 0 else { return 0 }
    var ready = InlineArray<16, Int32>(repeating: -1)
    var span = ready.mutableSpan
    let count = span.withUnsafeMutableBufferPointer {
      linux_epoll_wait(poller, $0.baseAddress, Int32($0.count), untilNextDeadline(atMost: timeout))
    }
    guard count > 0 || nextDeadline != nil else { return 0 }
    var served = Int(max(count, 0))
    let yields = withLock {
      isServing = true
      isYielding = false
      defer { isServing = false }
      // Looked up one by one: a handler may have stopped watching another descriptor.
      for index in 0..<served {
        if ready[index] == wake {
          var value: UInt64 = 0
          _ = read(wake, &value, MemoryLayout<UInt64>.size)
        } else {
          watches.first { $0.descriptor == ready[index] }?.handler()
        }
      }
      served += serveDelayed()
      return isYielding
    }
    // Without the lock, which others may want on this processor.
    if yields { sched_yield() }
    return served
  }

  /// Calls the handlers that are due; returns how many were.
  private func serveDelayed() -> Int {
    guard !delayed.isEmpty else {
      nextDeadline = nil
      return 0
    }
    let now = Self.now
    let due = delayed.filter { $0.deadline <= now }
    delayed.removeAll { $0.deadline <= now }
    for one in due { one.handler() }
    nextDeadline = delayed.lazy.map { $0.deadline }.min()
    return due.count
  }

  /// A time to wait, in milliseconds as epoll_wait(2) has it, that is over when the next of `delayed` is due.
  private func untilNextDeadline(atMost timeout: Int32) -> Int32 {
    guard let nextDeadline else { return timeout }
    let now = Self.now
    guard nextDeadline > now else { return 0 }
    let left = Int32(
      clamping: (nextDeadline - now + Self.nanosecondsPerMillisecond - 1) / Self.nanosecondsPerMillisecond)
    return timeout < 0 ? left : min(timeout, left)
  }

  /// Leaves the processor to others after this turn, if there are any that want it. For a handler that will be called again at
  /// once, and has found nothing to do: who it waits for may be waiting for this processor.
  func yield() { isYielding = true }

  /// Ends the thread. Call without the lock; nothing is watched any more when this returns.
  public func end() {
    if let thread {
      withLock { isEnding = true }
      wakeThread()
      pthread_join(thread, nil)
      self.thread = nil
    }
    watches = []
    delayed = []
    if wake >= 0 { close(wake) }
    if poller >= 0 { close(poller) }
    wake = -1
    poller = -1
  }

  /// Makes what the thread waits with, and what wakes it.
  private func makePoller() throws(SystemCallError) {
    let poller = try valueOrErrno("epoll_create1", epoll_create1(Int32(EPOLL_CLOEXEC)))
    let wake = eventfd(0, Int32(EFD_CLOEXEC))
    guard wake >= 0, linux_epoll_add(poller, wake, 1) == 0 else {
      let error = SystemCallError(wake < 0 ? "eventfd" : "epoll_ctl")
      if wake >= 0 { close(wake) }
      close(poller)
      throw error
    }
    self.poller = poller
    self.wake = wake
  }

  private func start() throws(SystemCallError) {
    var created = pthread_t()
    // The thread ends before this object does: `end()` waits for it.
    let result = linux_start_thread(
      &created,
      { argument in
        Unmanaged<DeviceLoop>.fromOpaque(argument!).takeUnretainedValue().runThread()
        return nil
      }, Unmanaged.passUnretained(self).toOpaque())
    guard result == 0 else { throw SystemCallError("pthread_create", code: result) }
    thread = created
  }

  /// Waits first: whoever starts the thread holds the lock.
  private func runThread() {
    repeat { poll(timeout: -1) } while !withLock { isEnding }
  }
}
