import KVM

/// What a Linux machine sees of CPUID: all that KVM offers, its own leaves with kvmclock included, less what speaks of
/// processors that are not there and of what this monitor does not provide.
///
/// Unlike `ProcessorFeatures` it asks KVM, however long that takes: a kernel wants more than a list of ours has.
struct LinuxProcessorFeatures {
  let leaves: [CPUIDLeaf]

  /// - Parameters:
  ///   - supported: KVM's own list.
  ///   - hasDeadlineTimer: whether the local APIC has the TSC-deadline mode, which the list never says (KVM API, 4.46).
  init(_ supported: [CPUIDLeaf], hasDeadlineTimer: Bool) {
    leaves = supported.compactMap { Self.filtered($0, hasDeadlineTimer: hasDeadlineTimer) }
  }

  // Intel SDM volume 2, CPUID; AMD manual volume 3, appendix E.
  private static let virtualMachineExtensions: UInt32 = 1 << 5  // leaf 1 ECX
  private static let deadlineTimer: UInt32 = 1 << 24  // leaf 1 ECX
  private static let hypervisor: UInt32 = 1 << 31  // leaf 1 ECX
  private static let secureVirtualMachine: UInt32 = 1 << 2  // leaf 0x8000_0001 ECX
  private static let coreTopology: UInt32 = 1 << 22  // leaf 0x8000_0001 ECX

  private static func filtered(_ leaf: CPUIDLeaf, hasDeadlineTimer: Bool) -> CPUIDLeaf? {
    var leaf = leaf
    switch leaf.function {
    case 1:
      // One logical processor, and its local APIC's ID is 0; the rest of EBX is the host's.
      leaf.ebx = leaf.ebx & 0xff00 | 1 << 16
      // Machines within the machine are not provided for.
      leaf.ecx &= ~(virtualMachineExtensions | deadlineTimer)
      if hasDeadlineTimer { leaf.ecx |= deadlineTimer }
      // Without it a kernel does not look for the leaves of KVM's own, from 0x4000_0000 on.
      leaf.ecx |= hypervisor
    case 4, 0x8000_001d:
      // Caches are the host's, but nobody shares them: cores, and threads for each cache, less one.
      leaf.eax &= 0x3fff
    case 0xb, 0x1f, 0x8000_001e, 0x8000_0026:
      // The host's topology. Without these, a kernel takes leaf 1's word.
      return nil
    case 0xa, 0x8000_0022:
      // Performance counters.
      return nil
    case 0x12, 0x14, 0x8000_000a, 0x8000_001f:
      // SGX, processor trace, SVM, SEV.
      return nil
    case 0x8000_0001:
      leaf.ecx &= ~(secureVirtualMachine | coreTopology)
    case 0x8000_0008:
      // One core.
      leaf.ecx = 0
    default: break
    }
    return leaf
  }
}
