#if hasFeature(Embedded)
  // Embedded Swift leaves `Task.sleep` to whoever supplies the executor.

  /// A task that sleeps.
  final class Sleeper: TimerWaiter {
    let deadline: UInt64
    var sequence: UInt64 = 0
    var position = -1
    var continuation: UnsafeContinuation<Void, Never>?
    var isCancelled = false

    init(deadline: UInt64) {
      self.deadline = deadline
    }

    /// Ends the sleep early.
    func cancel() {
      isCancelled = true
      guard let continuation else { return }
      self.continuation = nil
      EventLoop.timers.remove(self)
      continuation.resume()
    }
  }

  extension Task where Success == Never, Failure == Never {
    /// Suspends the current task for at least `duration`. See Swift's `Task.sleep(for:)`.
    ///
    /// - Throws: `CancellationError` as soon as the task is cancelled.
    public static func sleep(for duration: Duration) async throws(_Concurrency.CancellationError) {
      try await sleep(until: .now + duration)
    }

    /// Suspends the current task for at least this many nanoseconds. See Swift's `Task.sleep(nanoseconds:)`.
    ///
    /// - Throws: `CancellationError` as soon as the task is cancelled.
    public static func sleep(nanoseconds: UInt64) async throws(_Concurrency.CancellationError) {
      try await sleep(for: .nanoseconds(Int64(clamping: nanoseconds)))
    }

    /// Suspends the current task until `deadline`. See Swift's `Task.sleep(until:)`.
    ///
    /// - Throws: `CancellationError` as soon as the task is cancelled.
    public static func sleep(
      until deadline: ContinuousClock.Instant
    ) async throws(_Concurrency.CancellationError) {
      // One processor and no preemption: nothing runs between these lines but what they call themselves.
      nonisolated(unsafe) let sleeper = Sleeper(deadline: deadline.nanoseconds)
      await withTaskCancellationHandler {
        await withUnsafeContinuation { (continuation: UnsafeContinuation<Void, Never>) in
          if sleeper.isCancelled {
            continuation.resume()
          } else {
            sleeper.continuation = continuation
            EventLoop.timers.insert(sleeper)
          }
        }
      } onCancel: {
        sleeper.cancel()
      }
      if sleeper.isCancelled { throw _Concurrency.CancellationError() }
    }
  }
#endif
