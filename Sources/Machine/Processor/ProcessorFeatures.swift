import CLinux
import KVM

/// What the guest sees of CPUID.
///
/// Asking KVM what it supports costs hundreds of microseconds where the host is itself virtual, because the kernel executes
/// CPUID for every leaf. So the leaves are made from four that are asked for here, cut down to a list of features that
/// KVM passes through to every guest whose host has them; a test holds the result against KVM's own list.
struct ProcessorFeatures {
  let leaves: [CPUIDLeaf]
  /// The extended states that the guest may use; nil without XSAVE.
  let extendedStates: UInt64?

  // Intel SDM volume 2, CPUID, tables 3-10 and 3-11; bit numbers by register.
  private enum Leaf1 {
    // SSE3 PCLMULQDQ SSSE3 FMA CX16 SSE4.1 SSE4.2 MOVBE POPCNT AES F16C RDRAND
    static let ecx: UInt32 = bits(0, 1, 9, 12, 13, 19, 20, 22, 23, 25, 29, 30)
    static let xsave: UInt32 = bits(26)
    static let osxsave: UInt32 = bits(27)
    static let avx: UInt32 = bits(28)
    // Of KVM's own making, whatever the host has: x2APIC, TSC-deadline timer.
    static let virtual: UInt32 = bits(21, 24)
    // FPU TSC MSR PAE CX8 APIC CMOV CLFSH MMX FXSR SSE SSE2: every 64-bit processor (x86-64 psABI, table 3.1).
    static let edx: UInt32 = bits(0, 4, 5, 6, 8, 9, 15, 19, 23, 24, 25, 26)
  }
  private enum Leaf7 {
    // BMI1 BMI2 ERMS RDSEED ADX CLFLUSHOPT SHA
    static let ebx: UInt32 = bits(3, 8, 9, 18, 19, 23, 29)
    static let avx2: UInt32 = bits(5)
  }
  private enum Leaf8000_0001 {
    // LAHF LZCNT
    static let ecx: UInt32 = bits(0, 5)
    // NX and long mode, which the boot contract stands on.
    static let edx: UInt32 = bits(20, 29)
  }

  /// x87 and SSE, and AVX's upper halves (Intel SDM volume 1, 13.1).
  private static let sseStates: UInt64 = 0b011
  private static let avxStates: UInt64 = 0b111
  /// The legacy area and the header of an XSAVE area, and with AVX's part (Intel SDM volume 1, 13.4).
  private static let sseAreaSize: UInt32 = 512 + 64
  private static let avxAreaSize: UInt32 = 512 + 64 + 256

  init() {
    // On some processors a leaf above the highest answers what another one would (Intel SDM volume 2, CPUID).
    let highestLeaf = linux_cpuid(0, 0).eax
    let leaf1 = linux_cpuid(1, 0), leaf8000_0001 = linux_cpuid(0x8000_0001, 0)
    let leaf7 = highestLeaf >= 7 ? linux_cpuid(7, 0) : linux_cpuid_result()
    // What has registers of its own is of use where the kernel has enabled them.
    let enabledStates = leaf1.ecx & Leaf1.osxsave != 0 ? linux_enabled_states() : 0
    let hasXSAVE = enabledStates & Self.sseStates == Self.sseStates
    let hasAVX = leaf1.ecx & Leaf1.avx != 0 && enabledStates & Self.avxStates == Self.avxStates
    let states: UInt64? = hasXSAVE ? (hasAVX ? Self.avxStates : Self.sseStates) : nil
    extendedStates = states

    let vendor = (ebx: UInt32(0x756e_6547), edx: UInt32(0x4965_6e69), ecx: UInt32(0x6c65_746e))  // "GenuineIntel"
    // With VEX-encoded instructions where their registers' upper halves are not kept, a program would go wrong in silence.
    let needingAVX: UInt32 = bits(12, 29)
    let leaf1ECX = Leaf1.ecx & ~(hasAVX ? 0 : needingAVX) | (hasXSAVE ? Leaf1.xsave : 0) | (hasAVX ? Leaf1.avx : 0)
    let leaf7EBX = Leaf7.ebx | (hasAVX ? Leaf7.avx2 : 0)
    var leaves = [
      CPUIDLeaf(
        function: 0, eax: hasXSAVE ? 0xd : 7, ebx: vendor.ebx, ecx: vendor.ecx, edx: vendor.edx),
      CPUIDLeaf(
        function: 1, eax: leaf1.eax, ebx: Self.cacheLineFlushSize, ecx: leaf1.ecx & leaf1ECX | Leaf1.virtual,
        edx: Leaf1.edx),
      CPUIDLeaf(function: 7, index: 0, ebx: leaf7.ebx & leaf7EBX),
      CPUIDLeaf(function: 0x8000_0000, eax: 0x8000_0008),
      CPUIDLeaf(
        function: 0x8000_0001, ecx: leaf8000_0001.ecx & Leaf8000_0001.ecx,
        edx: Leaf8000_0001.edx),
      CPUIDLeaf(
        function: 0x8000_0008, eax: UInt32(MachineLayout.physicalAddressBits | Self.virtualAddressBits << 8)),
    ]
    if let states {
      let size = hasAVX ? Self.avxAreaSize : Self.sseAreaSize
      leaves.append(CPUIDLeaf(function: 0xd, index: 0, eax: UInt32(states), ebx: size, ecx: size))
      if hasAVX {
        // Where AVX's part begins, and how long it is.
        leaves.append(
          CPUIDLeaf(function: 0xd, index: 2, eax: Self.avxAreaSize - Self.sseAreaSize, ebx: Self.sseAreaSize))
      }
    }
    self.leaves = leaves
  }

  /// CLFLUSH works on 64 bytes (units of 8, in bits 15 to 8).
  private static let cacheLineFlushSize: UInt32 = 8 << 8
  private static let virtualAddressBits: UInt64 = 48
}

private func bits(_ numbers: UInt32...) -> UInt32 {
  var mask: UInt32 = 0
  for number in numbers { mask |= 1 << number }
  return mask
}
