#if hasFeature(Embedded)
  import CGuestKernel
  import MachineABI

  /// What the monitor told this machine, valid from the first instruction to the last.
  ///
  /// Invariant: set once, before anything else runs; the page is mapped read-only and never moves.
  nonisolated(unsafe) var bootInfo: UnsafePointer<BootInfo>! = nil

  /// The page shared with the monitor; see `SharedPage`.
  ///
  /// Invariant: as for `bootInfo`; only this guest writes it while it runs.
  nonisolated(unsafe) var sharedPage: UnsafeMutablePointer<SharedPage>! = nil

  /// The image's entry point: the monitor jumps here with everything set up (docs/boot-contract.md, "Registers").
  @c(needletail_start)
  func start(_ info: UnsafePointer<BootInfo>) {
    let entered = needletail_read_tsc()
    bootInfo = info
    sharedPage = UnsafeMutablePointer(bitPattern: UInt(info.pointee.shared_page))
    sharedPage.pointee.milestones.0 = entered
    heap = Heap(
      base: UnsafeMutableRawPointer(bitPattern: UInt(info.pointee.heap_base))!, size: Int(info.pointee.heap_size))
    sharedPage.pointee.milestones.1 = needletail_read_tsc()
    exitMachine(code: main(0, nil))
  }

  /// Hands the console's bytes over and ends the machine.
  func exitMachine(code: Int32) -> Never {
    LastWords.release()
    sharedPage.pointee.milestones.2 = needletail_read_tsc()
    needletail_control_write(bootInfo.pointee.control_page, UInt32(NEEDLETAIL_CONTROL_EXIT), UInt32(bitPattern: code))
    panic("the monitor went on after an exit request")
  }

  /// The libc function that the compiler calls when an asynchronous `main` returns.
  @c(exit)
  func exitFromMain(_ code: Int32) {
    exitMachine(code: code)
  }
#endif
