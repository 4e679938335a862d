import CGuestKernel
import GuestKernel
import MachineABI
import ProbePrimitives
import ProbeSupport

let processorProbes: [Probe] = [
  Probe("processor-mode") { _ in
    print("cs \(probe_cs().hexadecimal)")
    print("ss \(probe_ss().hexadecimal)")
    print("flags \(probe_flags().hexadecimal)")
    print("canary \(probe_fs_word(0x28).hexadecimal)")
  },
  Probe("sse-state") { _ in
    for _ in 0..<rounds {
      guard probe_sse_state(spinTicks()) == 0 else { fatalError("SSE registers were not kept") }
      try? await Task.sleep(for: .milliseconds(1))
    }
    print("kept")
  },
  Probe("avx-state") { _ in
    guard probe_cpuid(1, 0).ecx & Feature.avx != 0 else { return print("no AVX offered") }
    for _ in 0..<rounds {
      guard probe_avx_state(spinTicks()) == 0 else { fatalError("AVX registers were not kept while running") }
      probe_avx_load()
      try? await Task.sleep(for: .milliseconds(1))
      guard probe_avx_upper_differences() == 0 else { fatalError("AVX registers were not kept while sleeping") }
    }
    print("kept")
  },
  Probe("xcr0") { _ in
    guard probe_cpuid(1, 0).ecx & Feature.osxsave != 0 else { return print("no XSAVE offered") }
    let offered = probe_cpuid(0xd, 0)
    print("xcr0 \(probe_xcr0().hexadecimal)")
    print("offered \((UInt64(offered.edx) << 32 | UInt64(offered.eax)).hexadecimal)")
  },
  Probe("cpuid") { _ in
    for (leaf, index) in [(0, 0), (1, 0), (7, 0), (0xd, 0), (0xd, 1), (0x8000_0001, 0)] as [(UInt32, UInt32)] {
      let answer = probe_cpuid(leaf, index)
      print(
        "leaf \(leaf.hexadecimal) \(index) \(answer.eax.hexadecimal) \(answer.ebx.hexadecimal)"
          + " \(answer.ecx.hexadecimal) \(answer.edx.hexadecimal)")
    }
  },
  Probe("idle-call") { _ in
    // The count has moved past -1, so this must not sleep at all; then once until a deadline.
    needletail_idle(0, .max)
    let seen = needletail_interrupts_seen()
    needletail_idle(needletail_read_tsc() + bootInformation().tsc_khz, seen)
    guard needletail_interrupts_seen() > seen else { fatalError("no interrupt was counted") }
    guard probe_cs() & 3 == 3, probe_flags() & 1 << 9 != 0 else { fatalError("not in ring 3 with interrupts on") }
    print("back in ring 3")
  },
]

/// CPUID leaf 1, ECX (Intel SDM volume 2).
private enum Feature {
  static let osxsave: UInt32 = 1 << 27
  static let avx: UInt32 = 1 << 28
}

private let rounds = 20

/// 5 ms: longer than the host's timer tick, so that most rounds are interrupted.
private func spinTicks() -> UInt64 { bootInformation().tsc_khz * 5 }
