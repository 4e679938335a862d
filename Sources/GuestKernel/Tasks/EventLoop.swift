#if hasFeature(Embedded)
  import CGuestKernel
  import MachineABI

  /// The executor: runs ready jobs, serves devices, wakes sleepers, and otherwise idles until the next deadline or interrupt.
  ///
  /// Invariant: the guest has one processor, and interrupt stubs do nothing but count; so this state has one user.
  package enum EventLoop {
    nonisolated(unsafe) static var ready = ReadyQueue()
    nonisolated(unsafe) static var timers = TimerQueue<Sleeper>()
    nonisolated(unsafe) static var devices = OpenedDevices()
    /// How many jobs have run.
    nonisolated(unsafe) static var turnCount: UInt64 = 0

    /// How many jobs run between two looks at the clock, so that tasks that keep each other ready starve no sleeper
    /// and no device.
    private static let batchSize = 64

    /// Never inlined, so that it stands in a backtrace under its name.
    @inline(never)
    static func run() -> Never {
      while true {
        // Read before looking for work: an interrupt that comes after the look makes the idle call return at once.
        let seen = needletail_interrupts_seen()
        runBatch()
        serveDevices()
        wakeSleepers()
        if ready.isEmpty { idle(seen: seen) }
      }
    }

    private static func runBatch() {
      for _ in 0..<batchSize {
        guard let job = ready.removeFirst() else { return }
        turnCount &+= 1
        job.runSynchronously(on: genericExecutor)
      }
    }

    private static func wakeSleepers() {
      guard timers.count > 0 else { return }
      let now = monotonicNanoseconds()
      while let sleeper = timers.removeFirst(dueAt: now) {
        let continuation = sleeper.continuation!
        sleeper.continuation = nil
        continuation.resume()
      }
    }

    private static func serveDevices() {
      var driver = devices.first
      while let current = driver {
        current.serve()
        driver = current.next
      }
    }

    private static func idle(seen: UInt64) {
      LastWords.release()
      var isAwaited = false
      var deadline = timers.earliestDeadline
      var driver = devices.first
      while let current = driver {
        switch current.prepareToIdle() {
        case .nobodyWaits: break
        case .awaitsInterrupt: isAwaited = true
        case .hasWork: return
        }
        if let due = current.deadline { deadline = min(due, deadline ?? due) }
        driver = current.next
      }
      guard isAwaited || timers.count > 0 else {
        panic("deadlock: every task waits, and there is no timer or device left that could wake one")
      }
      needletail_idle(deadline.map(timeStamp(at:)) ?? 0, seen)
    }

    /// The executor that stands for "no particular one": two null words (`swift_executor_generic` in ExecutorImpl.h).
    private static var genericExecutor: UnownedSerialExecutor {
      unsafeBitCast((0, 0) as (UInt, UInt), to: UnownedSerialExecutor.self)
    }
  }

  // MARK: What the concurrency runtime asks of an executor (swift/ExecutorImpl.h in the toolchain)

  @_silgen_name("swift_task_enqueueGlobalImpl")
  func enqueueGlobal(_ job: UnownedJob) {
    EventLoop.ready.append(job)
  }

  @_silgen_name("swift_task_enqueueMainExecutorImpl")
  func enqueueMain(_ job: UnownedJob) {
    EventLoop.ready.append(job)
  }

  @_silgen_name("swift_task_asyncMainDrainQueueImpl")
  func drainMainQueue() -> Never {
    EventLoop.run()
  }

  @_silgen_name("swift_task_getMainExecutorImpl")
  func mainExecutor() -> UnownedSerialExecutor {
    unsafeBitCast((0, 0) as (UInt, UInt), to: UnownedSerialExecutor.self)
  }

  @_silgen_name("swift_task_isMainExecutorImpl")
  func isMainExecutor(_ executor: UnownedSerialExecutor) -> Bool {
    unsafeBitCast(executor, to: (UInt, UInt).self).0 == 0
  }
#endif
