import KVM

/// The processor as the guest has it: its mode, its registers, what it says it can do.
func processorCases() -> [Case] {
  [
    Case("processor-mode", "the guest is in ring 3 with interrupts on and no I/O privilege") {
      session throws(Verdict) in
      let run = try session.monitor.run("probe", ["processor-mode"]).expect(status: 0)
      let cs = try run.number("cs"), ss = try run.number("ss"), flags = try run.number("flags")
      try run.expect(cs & 3 == 3, "privilege level 3 in CS", got: cs.hexadecimal)
      try run.expect(ss & 3 == 3, "privilege level 3 in SS", got: ss.hexadecimal)
      // RFLAGS: IF is bit 9, IOPL bits 12 and 13 (Intel SDM volume 1, 3.4.3).
      try run.expect(flags & 1 << 9 != 0, "IF 1", got: flags.hexadecimal)
      try run.expect(flags & 3 << 12 == 0, "IOPL 0", got: flags.hexadecimal)
    },
    Case("canary", "the stack protector's canary is random, not zero, and ends in a zero byte") {
      session throws(Verdict) in
      var previous: UInt64 = 0
      for _ in 0..<3 {
        let run = try session.monitor.run("probe", ["processor-mode"]).expect(status: 0)
        let canary = try run.number("canary")
        try run.expect(canary != 0 && canary & 0xff == 0, "a canary with a zero byte", got: canary.hexadecimal)
        try run.expect(canary != previous, "another canary", got: "the same")
        previous = canary
      }
    },
    Case("sse-state", "all of SSE's registers survive sleeping and being interrupted") { session throws(Verdict) in
      try session.monitor.run("probe", ["sse-state"]).expect(status: 0).expect(stdout: "kept\n")
    },
    Case("avx-state", "where AVX is offered, its registers' upper halves survive sleeping and being interrupted") {
      session throws(Verdict) in
      let run = try session.monitor.run("probe", ["avx-state"]).expect(status: 0)
      if run.stdout == "no AVX offered\n" { throw .skipped("this processor has no AVX, or KVM does not offer it") }
      try run.expect(stdout: "kept\n")
    },
    Case("extended-control-register", "XCR0 has the states that CPUID offers") { session throws(Verdict) in
      let run = try session.monitor.run("probe", ["xcr0"]).expect(status: 0)
      if run.stdout == "no XSAVE offered\n" { throw .skipped("this processor has no XSAVE, or KVM does not offer it") }
      let enabled = try run.number("xcr0"), offered = try run.number("offered")
      try run.expect(
        enabled & ~offered == 0 && enabled & 3 == 3, "a part of \(offered.hexadecimal) with x87 and SSE",
        got: enabled.hexadecimal)
    },
    Case("cpuid", "CPUID offers nothing that KVM does not support") { session throws(Verdict) in
      let run = try session.monitor.run("probe", ["cpuid"]).expect(status: 0)
      let supported = try SupportedCPUID()
      for line in run.stdout.lines where line.hasPrefix("leaf ") {
        let words = line.words.dropFirst().compactMap { UInt64(numeral: $0) }
        try run.expect(words.count == 6, "six numbers in '\(line)'", got: "\(words.count)")
        try supported.check(words.map { UInt32(truncatingIfNeeded: $0) }, run)
      }
    },
    Case("trap-table", "nothing but a fault or the idle call enters ring 0, and it always comes back to ring 3") {
      session throws(Verdict) in
      try session.monitor.run("probe", ["idle-call"]).expect(status: 0).expectOutput(containing: "back in ring 3\n")
    },
  ]
}

/// What KVM can offer a guest (KVM API, 4.46 KVM_GET_SUPPORTED_CPUID).
private struct SupportedCPUID {
  private let leaves: [CPUIDLeaf]

  init() throws(Verdict) {
    do throws(SystemCallError) {
      leaves = try KVMSystem().supportedCPUID()
    } catch {
      throw .failed(error.description)
    }
  }

  // Intel SDM volume 2, CPUID, leaf 1, ECX.
  private static let tscDeadlineTimer: UInt32 = 1 << 24
  private static let xsave: UInt32 = 1 << 26
  private static let osxsave: UInt32 = 1 << 27
  // No feature of the processor's but the sign that there is a hypervisor (Linux, x86 KVM CPUID documentation).
  private static let hypervisor: UInt32 = 1 << 31

  /// - Parameter leaf: function, index, EAX, EBX, ECX, EDX as the guest saw them.
  func check(_ leaf: [UInt32], _ run: Run) throws(Verdict) {
    let function = leaf[0], index = leaf[1]
    // What KVM does not list, it does not support.
    let entry =
      leaves.first { $0.function == function && ($0.index == nil || $0.index == index) }
      ?? CPUIDLeaf(function: function)
    var features: [(register: String, guest: UInt32, supported: UInt32)] = []
    switch function {
    case 1:
      // KVM leaves out the deadline timer because it needs the in-kernel local APIC, which this monitor makes (KVM API,
      // 4.46); OSXSAVE only mirrors CR4.
      let ecx =
        entry.ecx | Self.tscDeadlineTimer | Self.hypervisor | (entry.ecx & Self.xsave != 0 ? Self.osxsave : 0)
      features = [("ecx", leaf[4], ecx), ("edx", leaf[5], entry.edx)]
    case 7: features = [("ebx", leaf[3], entry.ebx), ("ecx", leaf[4], entry.ecx), ("edx", leaf[5], entry.edx)]
    case 0xd where index == 0: features = [("eax", leaf[2], entry.eax), ("edx", leaf[5], entry.edx)]
    case 0xd where index == 1: features = [("eax", leaf[2], entry.eax)]
    case 0x8000_0001: features = [("ecx", leaf[4], entry.ecx), ("edx", leaf[5], entry.edx)]
    default: break
    }
    for feature in features {
      let excess = feature.guest & ~feature.supported
      try run.expect(
        excess == 0,
        "leaf \(UInt64(function).hexadecimal).\(index) \(feature.register) within \(UInt64(feature.supported).hexadecimal)",
        got: "\(UInt64(feature.guest).hexadecimal), of which \(UInt64(excess).hexadecimal) is not supported")
    }
  }
}
