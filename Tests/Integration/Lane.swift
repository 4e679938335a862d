import CLinux

/// Where the cases run.
enum Lane {
  /// The machine's own /dev/kvm.
  case kvm
  /// kvm_amd on a processor that QEMU emulates; Tests/HardwareLane/README.md.
  case hardware

  /// After how many seconds a process that has not ended is taken to hang. It decides nothing else.
  var watchdogSeconds: Int {
    switch self {
    case .kvm: 60
    case .hardware: 180
    }
  }
}

/// The one place that says which cases are different where, and why.
enum LaneExceptions {
  /// Why a case cannot hold here; nil if it can.
  static func reason(for name: String, in lane: Lane) -> String? {
    if lane == .hardware, name.hasPrefix("hosted-") { return "the hosted builds need the host's libraries" }
    if lane == .hardware, ["terminal-suspend", "terminal-background"].contains(name) {
      return "the lane's guest has no bash, whose job control this is about"
    }
    // Without hardware virtualisation, CPUID and XGETBV in ring 3 do not trap: they tell of the host.
    if isPVM, ["cpuid", "extended-control-register"].contains(name) {
      return "kvm_pvm lets ring 3 see the host's own CPUID and XCR0; the hardware lane proves it"
    }
    return nil
  }

  /// The same for the cases against Linux's stack, of which the hardware lane has those that need no tools but busybox's, and
  /// not much time.
  static func reason(forNetworkCase name: String, in lane: Lane) -> String? {
    guard lane == .hardware, !networkCasesOnHardware.contains(name) else { return nil }
    return "the lane's guest has not the tools for it, or not the time; `make test-network` proves it"
  }

  private static let networkCasesOnHardware = [
    "network-tcp-echo", "network-tcp-refused", "network-tcp-half-close", "network-tcp-window", "network-tcp-reset",
    "network-tcp-outward", "network-tcp-crossing", "network-udp-echo", "network-udp-refused", "network-impaired-short",
    "network-pipelining",
    "network-notes-killed", "network-killed", "network-wire-removed",
  ]

  /// How many wake-ups the idle stress makes.
  static func wakeUps(in lane: Lane) -> Int {
    switch lane {
    case .kvm: 100_000
    // Each takes ten times as long in the emulator.
    case .hardware: 20_000
    }
  }

  /// How many machines are killed while they commit.
  static func kills(in lane: Lane) -> Int {
    switch lane {
    case .kvm: 300
    // Each takes a second in the emulator.
    case .hardware: 20
    }
  }

  /// Whether guests run on KVM's back end for processors without virtualisation.
  private static var isPVM: Bool { access("/sys/module/kvm_pvm", F_OK) == 0 }
}
