import CKVM

/// One leaf of what a virtual processor answers to the CPUID instruction (Intel SDM volume 2, CPUID).
public struct CPUIDLeaf: Equatable, Sendable {
  /// The leaf: what the instruction finds in EAX.
  public var function: UInt32
  /// The sub-leaf; nil where the leaf has none.
  public var index: UInt32?
  /// What it leaves in each register.
  public var eax: UInt32
  /// See `eax`.
  public var ebx: UInt32
  /// See `eax`.
  public var ecx: UInt32
  /// See `eax`.
  public var edx: UInt32

  /// A leaf of these values; see them.
  public init(
    function: UInt32, index: UInt32? = nil, eax: UInt32 = 0, ebx: UInt32 = 0, ecx: UInt32 = 0, edx: UInt32 = 0
  ) {
    self.function = function
    self.index = index
    self.eax = eax
    self.ebx = ebx
    self.ecx = ecx
    self.edx = edx
  }

  init(_ entry: kvm_cpuid_entry2) {
    let hasIndex = entry.flags & UInt32(KVM_CPUID_FLAG_SIGNIFCANT_INDEX) != 0
    self.init(
      function: entry.function, index: hasIndex ? entry.index : nil, eax: entry.eax, ebx: entry.ebx, ecx: entry.ecx,
      edx: entry.edx)
  }

  func store(to entry: UnsafeMutablePointer<kvm_cpuid_entry2>) {
    entry.pointee = kvm_cpuid_entry2()
    entry.pointee.function = function
    if let index {
      entry.pointee.index = index
      entry.pointee.flags = UInt32(KVM_CPUID_FLAG_SIGNIFCANT_INDEX)
    }
    entry.pointee.eax = eax
    entry.pointee.ebx = ebx
    entry.pointee.ecx = ecx
    entry.pointee.edx = edx
  }
}
