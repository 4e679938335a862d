import CKVM
import KVM

/// The processor's state at a PVH entry point: 32-bit protected mode without paging, flat segments (Xen,
/// docs/misc/pvh.pandoc, "Boot protocol").
struct PVHRegisters {
  let entry: UInt32
  /// The start information's address.
  let startInfo: UInt64

  /// Protected mode, and the bit that is always one (Intel SDM volume 3, 2.5).
  private static let cr0: UInt64 = 1 << 0 | 1 << 4
  /// RFLAGS with nothing but the bit that is always one (Intel SDM volume 1, 3.4.3).
  private static let flags: UInt64 = 1 << 1
  // The protocol leaves selectors open; these are what Linux itself uses.
  private static let codeSelector: UInt16 = 0x10
  private static let dataSelector: UInt16 = 0x18
  private static let taskStateSelector: UInt16 = 0x20
  private static let taskStateLimit: UInt32 = 0x67

  func load(into vcpu: borrowing VCPU) throws(SystemCallError) {
    var special = try vcpu.specialRegisters()
    special.cs = Self.segment(Self.codeSelector, type: kvm_segment.codeType)
    let data = Self.segment(Self.dataSelector, type: kvm_segment.dataType)
    special.ds = data
    special.es = data
    special.ss = data
    special.fs = data
    special.gs = data
    special.tr = .taskState(Self.taskStateSelector, limit: Self.taskStateLimit)
    special.cr0 = Self.cr0
    special.cr4 = 0
    special.efer = 0
    try vcpu.setSpecialRegisters(special)

    var registers = kvm_regs()
    registers.rip = UInt64(entry)
    registers.rbx = startInfo
    registers.rflags = Self.flags
    try vcpu.setRegisters(registers)
  }

  /// A flat segment of 32 bits.
  private static func segment(_ selector: UInt16, type: UInt8) -> kvm_segment {
    var segment = kvm_segment.flat(selector, type: type, privilegeLevel: 0)
    segment.db = 1
    return segment
  }
}
