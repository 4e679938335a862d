import CKVM
import KVM
import MachineABI

/// The processor's state at the image's first instruction (docs/boot-contract.md, "Registers").
struct BootRegisters {
  let layout: MachineLayout
  /// The guest address of the first instruction.
  let entry: UInt64
  let features: ProcessorFeatures

  // Intel SDM volume 3, 2.5. Protection, FPU present and its errors by exception, ring 0 bound by read-only pages, paging.
  private static let cr0: UInt64 = 1 << 0 | 1 << 1 | 1 << 4 | 1 << 5 | 1 << 16 | 1 << 31
  // PAE, and SSE with its exceptions.
  private static let cr4: UInt64 = 1 << 5 | 1 << 9 | 1 << 10
  private static let cr4WithXSAVE: UInt64 = 1 << 18
  // Long mode enabled and active, no-execute (Intel SDM volume 3, 2.2.1).
  private static let efer: UInt64 = 1 << 8 | 1 << 10 | 1 << 11
  /// Interrupts on; bit 1 is always set (Intel SDM volume 1, 3.4.3). IOPL is 0.
  private static let flags: UInt64 = 1 << 9 | 1 << 1
  // The local APIC's address, enabled, x2APIC mode (Intel SDM volume 3, 11.12.1). This processor booted the machine.
  private static let apicBase: UInt64 = 0xfee0_0000 | 1 << 8 | 1 << 10 | 1 << 11

  func load(into vcpu: borrowing VCPU) throws(SystemCallError) {
    try vcpu.setCPUID(features.leaves)
    if let states = features.extendedStates { try vcpu.setXCR0(states) }
    try loadSpecialRegisters(into: vcpu)
    try loadLocalAPIC(into: vcpu)
    var registers = kvm_regs()
    registers.rip = entry
    // As after a call: what the entry returns to is the zero that is there, and so is the end of the chain of frames.
    registers.rsp = layout.stackTop - 8
    registers.rdi = layout.bootInfo
    registers.rflags = Self.flags
    try vcpu.setRegisters(registers)
  }

  private func loadSpecialRegisters(into vcpu: borrowing VCPU) throws(SystemCallError) {
    let tables = DescriptorTables(address: layout.systemPage)
    var registers = kvm_sregs()
    registers.gdt.base = tables.globalDescriptorBase
    registers.gdt.limit = DescriptorTables.globalDescriptorLimit
    registers.idt.base = tables.interruptDescriptorBase
    registers.idt.limit = DescriptorTables.interruptDescriptorLimit
    registers.tr = .taskState(at: tables.taskStateBase, limit: DescriptorTables.taskStateLimit)
    // A segment that cannot be used, rather than one with all fields zero, which processors refuse.
    registers.ldt.unusable = 1
    registers.cs = Self.code
    registers.ds = Self.data
    registers.es = Self.data
    registers.ss = Self.data
    registers.gs = Self.data
    registers.fs = Self.data
    registers.fs.base = layout.threadControlBlock
    registers.cr0 = Self.cr0
    registers.cr3 = layout.pageTables
    registers.cr4 = Self.cr4 | (features.extendedStates == nil ? 0 : Self.cr4WithXSAVE)
    registers.efer = Self.efer
    registers.apic_base = Self.apicBase
    try vcpu.setSpecialRegisters(registers)
  }

  private static var code: kvm_segment {
    var segment = kvm_segment.flat(DescriptorTables.userCode, type: kvm_segment.codeType, privilegeLevel: 3)
    segment.l = 1
    return segment
  }

  private static var data: kvm_segment {
    var segment = kvm_segment.flat(DescriptorTables.userData, type: kvm_segment.dataType, privilegeLevel: 3)
    segment.db = 1
    return segment
  }

  // Intel SDM volume 3, table 11-1: offsets in the register page.
  private static let spuriousInterrupt = 0xf0
  private static let timerEntry = 0x320
  // Figures 11-23 and 11-8: software-enabled with the highest vector; TSC-deadline mode.
  private static let enabledWithSpuriousVector: UInt32 = 1 << 8 | 0xff
  private static let deadlineMode: UInt32 = 2 << 17

  private func loadLocalAPIC(into vcpu: borrowing VCPU) throws(SystemCallError) {
    var state = try vcpu.localAPIC()
    state[Self.spuriousInterrupt] = Self.enabledWithSpuriousVector
    state[Self.timerEntry] = UInt32(NEEDLETAIL_TIMER_VECTOR) | Self.deadlineMode
    try vcpu.setLocalAPIC(state)
  }
}
