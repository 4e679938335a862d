import CKVM

/// What is known of a guest that trapped or gave up, copied out of it before anything is made of it.
public struct GuestPanic: Equatable, Sendable {
  /// Why.
  public enum Cause: Equatable, Sendable {
    /// An exception of the processor's: its vector, its error code where it has one, and, for a page fault, the address.
    case exception(vector: UInt8, errorCode: UInt64, address: UInt64)
    /// The host side of the memory that was touched did not allow it.
    case memoryFault
    /// KVM could not emulate an access to the control page.
    case emulationFailure(suberror: UInt32)
    /// An exception while delivering an exception while delivering an exception.
    case tripleFault
    /// An access to the control page other than a 32-bit write to one of its registers.
    case controlPageMisuse(offset: UInt64, byteCount: Int, isWrite: Bool)
    /// The processor refused the state that the guest got itself into.
    case entryFailure(reason: UInt64)
  }

  /// What ended the guest.
  public let cause: Cause
  /// What the guest itself said, in UTF-8 with anything else replaced; empty if nothing.
  public let message: String
  /// The general registers at that moment.
  public let registers: GuestRegisters
  /// Code addresses, innermost first: where it trapped, then where each frame returns to.
  public let frames: [UInt64]
}

/// The general registers at a panic.
public struct GuestRegisters: Equatable, Sendable {
  public var rip: UInt64 = 0, rflags: UInt64 = 0
  public var rax: UInt64 = 0, rbx: UInt64 = 0, rcx: UInt64 = 0, rdx: UInt64 = 0
  public var rsi: UInt64 = 0, rdi: UInt64 = 0, rbp: UInt64 = 0, rsp: UInt64 = 0
  public var r8: UInt64 = 0, r9: UInt64 = 0, r10: UInt64 = 0, r11: UInt64 = 0
  public var r12: UInt64 = 0, r13: UInt64 = 0, r14: UInt64 = 0, r15: UInt64 = 0

  init(_ registers: kvm_regs) {
    rip = registers.rip
    rflags = registers.rflags
    rax = registers.rax
    rbx = registers.rbx
    rcx = registers.rcx
    rdx = registers.rdx
    rsi = registers.rsi
    rdi = registers.rdi
    rbp = registers.rbp
    rsp = registers.rsp
    r8 = registers.r8
    r9 = registers.r9
    r10 = registers.r10
    r11 = registers.r11
    r12 = registers.r12
    r13 = registers.r13
    r14 = registers.r14
    r15 = registers.r15
  }
}
