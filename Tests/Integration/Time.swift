import CLinux

/// The host's clocks, in nanoseconds.
enum MonotonicTime {
  static func nanoseconds() -> UInt64 { read(CLOCK_MONOTONIC) }
}

enum TimeOfDay {
  /// Since 1970-01-01 00:00 UTC.
  static func nanoseconds() -> UInt64 { read(CLOCK_REALTIME) }
}

private func read(_ clock: clockid_t) -> UInt64 {
  var time = timespec()
  clock_gettime(clock, &time)
  return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
}
