import CLinux

/// How much time has gone by, and how much of it a thread had a processor for.
struct ThreadTime: Equatable {
  /// In nanoseconds, of a clock that never goes back.
  var elapsed: UInt64 = 0
  /// In nanoseconds.
  var onProcessor: UInt64 = 0

  /// Of the thread that calls it (clock_gettime(2), CLOCK_THREAD_CPUTIME_ID).
  static func now() -> ThreadTime {
    ThreadTime(elapsed: nanoseconds(CLOCK_MONOTONIC), onProcessor: nanoseconds(CLOCK_THREAD_CPUTIME_ID))
  }

  /// How much of the time since then the thread had no processor for, in percent.
  func waiting(since start: ThreadTime) -> UInt64 {
    let all = elapsed - start.elapsed
    let used = min(onProcessor - start.onProcessor, all)
    return all == 0 ? 0 : (all - used) * 100 / all
  }

  /// What a clock says (clock_gettime(2)).
  static func nanoseconds(_ clock: clockid_t) -> UInt64 {
    var time = timespec()
    clock_gettime(clock, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
  }
}
