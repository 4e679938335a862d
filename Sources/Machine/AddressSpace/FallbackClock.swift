import MachineABI

/// A clock page for a KVM that has no kvmclock: it starts at the machine's first instruction and runs at the TSC's rate.
struct FallbackClock {
  /// Writes a page from which a TSC of this frequency reads 0 at `timeStamp`.
  static func write(to page: UnsafeMutableRawPointer, khz: Int, timeStamp: UInt64) {
    // nanoseconds = (ticks << shift) * multiplier / 2^32; shift such that the multiplier uses its 32 bits well.
    var shift: Int8 = 0
    var ticksPerMillisecond = UInt64(max(khz, 1))
    while ticksPerMillisecond > 2_000_000 {
      ticksPerMillisecond >>= 1
      shift -= 1
    }
    while ticksPerMillisecond <= 1_000_000 {
      ticksPerMillisecond <<= 1
      shift += 1
    }
    var clock = ClockPage()
    clock.tsc_timestamp = timeStamp
    clock.tsc_to_system_mul = UInt32(truncatingIfNeeded: (1_000_000 << 32) / ticksPerMillisecond)
    clock.tsc_shift = shift
    page.storeBytes(of: clock, as: ClockPage.self)
  }
}
