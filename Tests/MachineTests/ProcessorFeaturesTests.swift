import CKVM
import CLinux
import KVM
import Testing

@testable import Machine

/// What the guest sees of CPUID.
@Suite struct ProcessorFeaturesTests {
  private let features = ProcessorFeatures()

  private func leaf(_ function: UInt32, _ index: UInt32? = nil) throws -> CPUIDLeaf {
    try #require(features.leaves.first { $0.function == function && $0.index == index })
  }

  // Intel SDM volume 2, CPUID, tables 3-10 and 3-11.
  private static let xsave: UInt32 = 1 << 26
  private static let avx: UInt32 = 1 << 28
  private static let fma: UInt32 = 1 << 12
  private static let f16c: UInt32 = 1 << 29
  private static let avx2: UInt32 = 1 << 5
  private static let x2APIC: UInt32 = 1 << 21
  private static let deadlineTimer: UInt32 = 1 << 24

  @Test func eachLeafOnce() {
    for (number, leaf) in features.leaves.enumerated() {
      #expect(
        !features.leaves[..<number].contains { $0.function == leaf.function && $0.index == leaf.index }, "\(leaf)")
    }
  }

  @Test func largestLeaves() throws {
    let basic = features.leaves.map(\.function).filter { $0 < 0x8000_0000 }.max()
    let extended = features.leaves.map(\.function).filter { $0 >= 0x8000_0000 }.max()
    #expect(try leaf(0).eax == basic)
    #expect(try leaf(0x8000_0000).eax == extended)
  }

  @Test func whatTheContractStandsOn() throws {
    let first = try leaf(1)
    #expect(first.ecx & (Self.x2APIC | Self.deadlineTimer) == Self.x2APIC | Self.deadlineTimer)
    // TSC, MSR, PAE, APIC, FXSR, SSE, SSE2.
    let needed: UInt32 = 1 << 4 | 1 << 5 | 1 << 6 | 1 << 9 | 1 << 24 | 1 << 25 | 1 << 26
    #expect(first.edx & needed == needed)
    // No-execute pages and long mode.
    #expect(try leaf(0x8000_0001).edx & (1 << 20 | 1 << 29) == 1 << 20 | 1 << 29)
    #expect(try leaf(0x8000_0008).eax == 36 | 48 << 8)
  }

  @Test func vectorExtensionsNeedTheirState() throws {
    let first = try leaf(1), seventh = try leaf(7, 0)
    let hasXSAVE = first.ecx & Self.xsave != 0, hasAVX = first.ecx & Self.avx != 0
    #expect(!hasAVX || hasXSAVE)
    if !hasAVX {
      #expect(first.ecx & (Self.fma | Self.f16c) == 0)
      #expect(seventh.ebx & Self.avx2 == 0)
    }
    #expect(features.extendedStates == (hasAVX ? 0b111 : hasXSAVE ? 0b011 : nil))
    // AVX-512 and MPX would need states that the guest has not got.
    #expect(seventh.ebx & (1 << 16 | 1 << 14) == 0)
    // OSXSAVE (bit 27) is the processor's own, by CR4.
    #expect(first.ecx & (1 << 27) == 0)
  }

  private func expectSubset(_ features: UInt32, of supported: UInt32, _ name: String) {
    let missing = (0..<32).filter { (features & ~supported) >> $0 & 1 != 0 }
    #expect(missing.isEmpty, "KVM does not support these bits of \(name): \(missing)")
  }

  /// Intel SDM volume 1, 13.2.
  @Test func areaSizes() throws {
    guard let states = features.extendedStates else {
      #expect(!features.leaves.contains { $0.function == 0xd })
      return
    }
    let first = try leaf(0xd, 0)
    #expect(UInt64(first.eax) | UInt64(first.edx) << 32 == states)
    let legacyAndHeader: UInt32 = 512 + 64
    if states & 0b100 != 0 {
      let avx = try leaf(0xd, 2)
      #expect(avx.ebx == legacyAndHeader)
      #expect(avx.eax == 256)
      #expect(first.ebx == avx.ebx + avx.eax)
    } else {
      #expect(first.ebx == legacyAndHeader)
    }
    #expect(first.ecx == first.ebx)
  }

  /// Whether KVM's back end is kvm_pvm: guests' programs run on the processor as it is, and what KVM says that it supports
  /// (no SSE3, for one) tells nothing of them.
  private static let isParavirtual = access("/sys/module/kvm_pvm", F_OK) == 0

  // Needs /dev/kvm, on hardware virtualisation.
  @Test(.enabled(if: hasKVM && !isParavirtual, "/dev/kvm is missing, not ours to use, or kvm_pvm"))
  func kvmSupportsAllOfIt() throws {
    let system = try KVMSystem()
    let supported = try system.supportedCPUID()
    func kvm(_ function: UInt32, _ index: UInt32? = nil) throws -> CPUIDLeaf {
      try #require(supported.first { $0.function == function && $0.index == index })
    }
    // KVM leaves the deadline timer out of its list and says it by a capability (KVM API, 4.46).
    expectSubset(try leaf(1).ecx & ~Self.deadlineTimer, of: try kvm(1).ecx, "leaf 1 ECX")
    expectSubset(try leaf(1).edx, of: try kvm(1).edx, "leaf 1 EDX")
    expectSubset(try leaf(7, 0).ebx, of: try kvm(7, 0).ebx, "leaf 7 EBX")
    expectSubset(try leaf(0x8000_0001).ecx, of: try kvm(0x8000_0001).ecx, "leaf 0x80000001 ECX")
    expectSubset(try leaf(0x8000_0001).edx, of: try kvm(0x8000_0001).edx, "leaf 0x80000001 EDX")
  }

  // Needs /dev/kvm.
  @Test(.enabled(if: hasKVM, "/dev/kvm is missing or not ours to use")) func kvmSupportsWhatTheContractStandsOn() throws
  {
    let system = try KVMSystem()
    let supported = try system.supportedCPUID()
    func kvm(_ function: UInt32, _ index: UInt32? = nil) throws -> CPUIDLeaf {
      try #require(supported.first { $0.function == function && $0.index == index })
    }
    let hasDeadlineTimer = try system.capability(KVM_CAP_TSC_DEADLINE_TIMER) > 0
    #expect(hasDeadlineTimer)
    expectSubset(Self.x2APIC, of: try kvm(1).ecx, "leaf 1 ECX")
    expectSubset(try leaf(1).edx, of: try kvm(1).edx, "leaf 1 EDX")
    expectSubset(try leaf(0x8000_0001).edx, of: try kvm(0x8000_0001).edx, "leaf 0x80000001 EDX")
    #expect(try kvm(0x8000_0008).eax & 0xff >= 36)
    guard let states = features.extendedStates else { return }
    #expect(states & ~UInt64(try kvm(0xd, 0).eax) == 0)
    if states & 0b100 != 0 {
      #expect(try leaf(0xd, 2).eax == kvm(0xd, 2).eax)
      #expect(try leaf(0xd, 2).ebx == kvm(0xd, 2).ebx)
    }
  }
}
