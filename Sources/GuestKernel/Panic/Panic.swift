#if hasFeature(Embedded)
  import CGuestKernel
  import MachineABI

  /// Ends the machine: leaves the words where the monitor looks for them and traps, so that it prints them with a backtrace.
  @inline(never)
  func panic(_ message: StaticString) -> Never {
    LastWords.clear()
    LastWords.append(message)
    trap()
  }

  @inline(never)
  func panic(_ message: String) -> Never {
    LastWords.clear()
    for byte in message.utf8 { LastWords.append(byte: byte) }
    trap()
  }

  /// Raises #UD, as every Swift runtime failure does.
  @inline(__always)
  func trap() -> Never {
    needletail_compiler_barrier()
    Swift.fatalError()
  }

  /// The libc function that the concurrency runtime calls after having said why.
  @c(abort)
  func abort() {
    if sharedPage.pointee.panic_length == 0 { panic("abort() was called") }
    trap()
  }

  /// Called by code compiled with a stack protector when a function's frame was overrun.
  @c(__stack_chk_fail)
  func stackCheckFailed() {
    panic("stack buffer overrun: a function wrote past the end of its frame")
  }

  /// Called through the virtual table of a C++ object under construction; the concurrency runtime is C++.
  @c(__cxa_pure_virtual)
  func pureVirtualCalled() {
    panic("a pure virtual C++ function was called")
  }
#endif
