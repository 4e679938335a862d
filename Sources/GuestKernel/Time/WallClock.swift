#if hasFeature(Embedded)
  import MachineABI
#else
  import Glibc
#endif

/// The time of day, in Coordinated Universal Time.
public enum WallClock {
  /// The time since 1970-01-01 00:00 UTC, without leap seconds. It is the host's time when the machine started, carried on
  /// by the machine's own clock: later corrections of the host's clock do not reach it.
  public static var now: Duration {
    #if hasFeature(Embedded)
      return .nanoseconds(Int64(bootInfo.pointee.wall_clock &+ monotonicNanoseconds()))
    #else
      var time = timespec()
      clock_gettime(CLOCK_REALTIME, &time)
      return .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec)
    #endif
  }
}
