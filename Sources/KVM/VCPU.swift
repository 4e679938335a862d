import CKVM
import CLinux

/// A virtual processor.
///
/// Only one thread may use it at a time; `immediateExitFlag` alone may be written by others and by signal handlers.
public struct VCPU: ~Copyable {
  private let file: FileDescriptor
  private let mapping: MemoryMapping

  init(file: consuming FileDescriptor, mapping: consuming MemoryMapping) {
    self.file = file
    self.mapping = mapping
  }

  /// The structure through which KVM and we talk. Invariant: the mapping is at least that large and lives as long as we do.
  private var shared: UnsafeMutablePointer<kvm_run> {
    mapping.baseAddress.assumingMemoryBound(to: kvm_run.self)
  }

  // MARK: Running

  /// Runs the guest until it needs the monitor (KVM API, 4.10 KVM_RUN).
  public func run() throws(SystemCallError) -> VCPUExit {
    if linux_ioctl(file.rawValue, kvm_run_vcpu, 0) < 0 {
      let code = linux_errno()
      if code == EINTR || code == EAGAIN { return .interrupted }
      if code == EFAULT { return .memoryFault }
      throw SystemCallError("KVM_RUN", code: code)
    }
    let run = shared
    switch Int32(run.pointee.exit_reason) {
    case KVM_EXIT_MMIO:
      let access = MMIOAccess(
        address: kvm_run_mmio_address(run), byteCount: Int(kvm_run_mmio_length(run)), data: kvm_run_mmio_data(run))
      return kvm_run_mmio_is_write(run) != 0 ? .mmioWrite(access) : .mmioRead(access)
    case KVM_EXIT_IO:
      return .port(
        PortAccess(
          port: kvm_run_port(run), width: Int(kvm_run_port_width(run)), isWrite: kvm_run_port_is_write(run) != 0))
    case KVM_EXIT_INTR: return .interrupted
    case KVM_EXIT_SHUTDOWN: return .shutdown
    case KVM_EXIT_FAIL_ENTRY: return .entryFailed(reason: kvm_run_entry_failure(run))
    case KVM_EXIT_INTERNAL_ERROR: return .internalError(suberror: kvm_run_internal_suberror(run))
    default: return .other(reason: run.pointee.exit_reason)
    }
  }

  /// The byte that makes `run()` return at once, or as soon as a signal interrupts it, while it is not 0 (KVM API, 5,
  /// `immediate_exit`). It stays valid as long as this value lives.
  public var immediateExitFlag: UnsafeMutablePointer<UInt8> {
    kvm_run_immediate_exit(shared)
  }

  /// What the guest's read gets when it goes on. To be set before `run()` is called again, after an `mmioRead` exit.
  public func answerMMIORead(_ data: UInt64) {
    kvm_run_set_mmio_data(shared, data)
  }

  /// The bytes that went out of the ports, or what is to be read from them, after a `port` exit: the access's width, as
  /// many times as the guest repeats it (KVM API, 5, `io`). Valid until `run()` is called again.
  public var portData: UnsafeMutableRawBufferPointer {
    // KVM puts them into a page of the mapping that it shares with us.
    let offset = Int(kvm_run_port_data_offset(shared))
    let count = Int(kvm_run_port_width(shared)) * Int(kvm_run_port_count(shared))
    precondition(offset >= 0 && offset <= mapping.byteCount && count <= mapping.byteCount - offset)
    return UnsafeMutableRawBufferPointer(start: mapping.baseAddress + offset, count: count)
  }

  // MARK: State

  /// The general registers (KVM API, 4.11 KVM_GET_REGS).
  public func registers() throws(SystemCallError) -> kvm_regs {
    var registers = kvm_regs()
    try call("KVM_GET_REGS", kvm_get_registers, &registers)
    return registers
  }

  /// Sets the general registers (KVM_SET_REGS).
  public func setRegisters(_ registers: kvm_regs) throws(SystemCallError) {
    var registers = registers
    try call("KVM_SET_REGS", kvm_set_registers, &registers)
  }

  /// The segment, control and system registers (KVM API, 4.13 KVM_GET_SREGS).
  public func specialRegisters() throws(SystemCallError) -> kvm_sregs {
    var registers = kvm_sregs()
    try call("KVM_GET_SREGS", kvm_get_special_registers, &registers)
    return registers
  }

  /// Sets segment, control and other special registers (KVM_SET_SREGS).
  public func setSpecialRegisters(_ registers: kvm_sregs) throws(SystemCallError) {
    var registers = registers
    try call("KVM_SET_SREGS", kvm_set_special_registers, &registers)
  }

  /// XCR0, the extended states that the guest may use (KVM API, 4.46 KVM_SET_XCRS; Intel SDM volume 1, 13.3).
  public func setXCR0(_ value: UInt64) throws(SystemCallError) {
    var registers = kvm_xcrs()
    registers.nr_xcrs = 1
    registers.xcrs.0.value = value
    try call("KVM_SET_XCRS", kvm_set_extended_control_registers, &registers)
  }

  /// Sets one model-specific register; false if this KVM does not have it (KVM API, 4.19 KVM_SET_MSRS).
  public func setMSR(_ index: UInt32, to value: UInt64) throws(SystemCallError) -> Bool {
    var list = msr_list()
    list.header.nmsrs = 1
    list.entry.index = index
    list.entry.data = value
    // The result is how many were set.
    return try valueOrErrno("KVM_SET_MSRS", linux_ioctl_pointer(file.rawValue, kvm_set_msrs, &list)) == 1
  }

  /// What the guest sees of CPUID (KVM API, 4.20 KVM_SET_CPUID2). At most `CPUIDTable.limit` leaves, 256.
  public func setCPUID(_ leaves: [CPUIDLeaf]) throws(SystemCallError) {
    let table = CPUIDTable(leaves)
    try call("KVM_SET_CPUID2", kvm_set_cpuid2, table.header)
  }

  /// The local APIC (KVM API, 4.57 KVM_GET_LAPIC).
  public func localAPIC() throws(SystemCallError) -> LocalAPICState {
    var state = LocalAPICState()
    try withUnsafeMutablePointer(to: &state.registers) { registers throws(SystemCallError) in
      try call("KVM_GET_LAPIC", kvm_get_lapic, registers)
    }
    return state
  }

  /// Sets the local APIC's registers (KVM_SET_LAPIC).
  public func setLocalAPIC(_ state: borrowing LocalAPICState) throws(SystemCallError) {
    try withUnsafePointer(to: state.registers) { registers throws(SystemCallError) in
      try call("KVM_SET_LAPIC", kvm_set_lapic, UnsafeMutableRawPointer(mutating: registers))
    }
  }

  /// The frequency of the guest's time-stamp counter, in kHz (KVM API, 4.56 KVM_GET_TSC_KHZ).
  public func timeStampCounterFrequency() throws(SystemCallError) -> Int {
    Int(try valueOrErrno("KVM_GET_TSC_KHZ", linux_ioctl(file.rawValue, kvm_get_tsc_khz, 0)))
  }

  /// What the guest's time-stamp counter is ahead of the host's, modulo 2^64; nil where KVM does not tell (KVM vcpu devices,
  /// 4.1 KVM_VCPU_TSC_OFFSET).
  public func timeStampCounterOffset() -> UInt64? {
    var offset: UInt64 = 0
    let result = withUnsafeMutablePointer(to: &offset) { pointer in
      var attribute = kvm_device_attr(
        flags: 0, group: UInt32(KVM_VCPU_TSC_CTRL), attr: UInt64(KVM_VCPU_TSC_OFFSET),
        addr: UInt64(UInt(bitPattern: pointer)))
      return linux_ioctl_pointer(file.rawValue, kvm_get_device_attr, &attribute)
    }
    return result < 0 ? nil : offset
  }

  private func call(
    _ name: StaticString, _ request: UInt, _ argument: UnsafeMutableRawPointer
  ) throws(SystemCallError) {
    _ = try valueOrErrno(name, linux_ioctl_pointer(file.rawValue, request, argument))
  }
}

/// Why a virtual processor stopped running.
public enum VCPUExit {
  /// The guest wrote where there is no memory, or to a read-only slot.
  case mmioWrite(MMIOAccess)
  /// The guest read where there is no memory; it gets zeros unless something else is put into `kvm_run`.
  case mmioRead(MMIOAccess)
  /// The guest accessed I/O ports; the bytes are `VCPU.portData`.
  case port(PortAccess)
  /// A signal, or a set `immediateExitFlag`.
  case interrupted
  /// The guest touched memory whose host side does not allow it: a write to what is mapped read-only, or a file that has
  /// become shorter than what is mapped of it.
  case memoryFault
  /// A triple fault.
  case shutdown
  /// The processor refused the guest's state.
  case entryFailed(reason: UInt64)
  /// KVM could not go on, mostly because it could not emulate an instruction.
  case internalError(suberror: UInt32)
  /// One of the exits that this monitor never asked for.
  case other(reason: UInt32)
}

/// An access to an address without memory.
public struct MMIOAccess {
  /// Guest-physical.
  public let address: UInt64
  /// 1, 2, 4 or 8.
  public let byteCount: Int
  /// What was written, in the low bytes.
  public let data: UInt64
}

/// An access to I/O ports.
public struct PortAccess {
  /// The first port's address.
  public let port: UInt16
  /// Bytes at once: 1, 2 or 4.
  public let width: Int
  public let isWrite: Bool
}
