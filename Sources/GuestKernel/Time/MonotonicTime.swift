#if hasFeature(Embedded)
  import CGuestKernel
  import MachineABI

  /// Nanoseconds of the machine's clock, from the page that KVM keeps current: no exit, no system call.
  ///
  /// The arithmetic is that of KVM's x86 MSR documentation, MSR_KVM_SYSTEM_TIME_NEW.
  package func monotonicNanoseconds() -> UInt64 {
    // KVM writes this page while we read it, hence the version and the barriers.
    let clock = UnsafePointer<ClockPage>(bitPattern: UInt(bootInfo.pointee.clock))!
    while true {
      let version = clock.pointee.version
      needletail_compiler_barrier()
      let tsc = needletail_read_tsc()
      var elapsed = tsc &- clock.pointee.tsc_timestamp
      let shift = clock.pointee.tsc_shift
      if shift >= 0 { elapsed <<= UInt64(shift) } else { elapsed >>= UInt64(-Int(shift)) }
      let scaled = elapsed.multipliedFullWidth(by: UInt64(clock.pointee.tsc_to_system_mul))
      let nanoseconds = clock.pointee.system_time &+ (scaled.high << 32 | scaled.low >> 32)
      needletail_compiler_barrier()
      if version & 1 == 0, clock.pointee.version == version { return nanoseconds }
    }
  }

  /// The time-stamp counter's value when the machine's clock will read `nanoseconds`, rounded up; not 0, which means "none".
  func timeStamp(at nanoseconds: UInt64) -> UInt64 {
    let now = monotonicNanoseconds()
    let tsc = needletail_read_tsc()
    guard nanoseconds > now else { return tsc }
    // A wait longer than this wakes up early and waits again: the product below stays inside 64 bits up to 18 GHz.
    let longestWait: UInt64 = 1_000_000_000
    let wait = min(nanoseconds - now, longestWait)
    return tsc + (wait * bootInfo.pointee.tsc_khz + 999_999) / 1_000_000
  }
#else
  import Glibc

  /// Nanoseconds of a clock that never goes back.
  package func monotonicNanoseconds() -> UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
  }
#endif
