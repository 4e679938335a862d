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
    special.cs = Self.segment(Self.codeSelector, type: 11)  // execute, read, accessed
    let data = Self.segment(Self.dataSelector, type: 3)  // read, write, accessed
    special.ds = data
    special.es = data
    special.ss = data
    special.fs = data
    special.gs = data
    special.tr = Self.taskState
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

  private static func segment(_ selector: UInt16, type: UInt8) -> kvm_segment {
    var segment = kvm_segment()
    segment.limit = .max
    segment.selector = selector
    segment.type = type
    segment.present = 1
    segment.db = 1
    segment.s = 1
    segment.g = 1
    return segment
  }

  private static var taskState: kvm_segment {
    var segment = kvm_segment()
    segment.limit = taskStateLimit
    segment.selector = taskStateSelector
    segment.type = 11  // a busy 32-bit TSS
    segment.present = 1
    return segment
  }
}
