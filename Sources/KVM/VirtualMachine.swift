import CKVM
import CLinux

/// A virtual machine: memory slots, an interrupt controller, virtual processors.
///
/// Destroyed by the kernel when this value and every `VCPU` made from it are gone.
public struct VirtualMachine: ~Copyable, Sendable {
  let file: FileDescriptor

  init(file: consuming FileDescriptor) {
    self.file = file
  }

  /// Gives the guest memory (KVM API, 4.35 KVM_SET_USER_MEMORY_REGION). Do it before creating the interrupt controller: each
  /// slot added later waits for a grace period of the kernel's, milliseconds.
  ///
  /// - Important: the host memory that `slot` names must stay mapped as long as this machine exists.
  public func setMemorySlot(_ slot: MemorySlot) throws(SystemCallError) {
    var region = kvm_userspace_memory_region(
      slot: slot.number, flags: slot.isReadOnly ? UInt32(KVM_MEM_READONLY) : 0,
      guest_phys_addr: slot.guestAddress, memory_size: UInt64(slot.byteCount),
      userspace_addr: UInt64(UInt(bitPattern: slot.hostAddress)))
    _ = try valueOrErrno(
      "KVM_SET_USER_MEMORY_REGION", linux_ioctl_pointer(file.rawValue, kvm_set_user_memory_region, &region))
  }

  /// Puts the local APICs into the kernel and nothing else: interrupts arrive as messages, there is no IOAPIC and no PIC
  /// (KVM API, 7.5 KVM_CAP_SPLIT_IRQCHIP).
  public func createSplitInterruptController() throws(SystemCallError) {
    // KVM reserves this many GSIs for a user-space IOAPIC; the usual count, although there is none.
    let pins: UInt64 = 24
    try enable(kvm_capability_with_argument(UInt32(KVM_CAP_SPLIT_IRQCHIP), pins), "KVM_CAP_SPLIT_IRQCHIP")
  }

  /// Puts a PC's whole interrupt hardware into the kernel: two PICs, an IOAPIC, the local APICs (KVM API, 4.24
  /// KVM_CREATE_IRQCHIP), and its interval timer (4.71 KVM_CREATE_PIT2). For guests that are not ours.
  ///
  /// - Parameter taskStateAddress: guest-physical, of three pages below 4 GiB without a memory slot, which KVM needs on
  ///   Intel's processors (KVM API, 4.36 KVM_SET_TSS_ADDR).
  public func createPCInterruptControllers(taskStateAddress: UInt32) throws(SystemCallError) {
    _ = try valueOrErrno(
      "KVM_SET_TSS_ADDR", linux_ioctl(file.rawValue, kvm_set_tss_address, UInt(taskStateAddress)))
    _ = try valueOrErrno("KVM_CREATE_IRQCHIP", linux_ioctl(file.rawValue, kvm_create_irqchip, 0))
    var timer = kvm_pit_config()
    // The speaker's port is the timer's as well: without a speaker of our own, the kernel answers for it.
    timer.flags = UInt32(KVM_PIT_SPEAKER_DUMMY)
    _ = try valueOrErrno("KVM_CREATE_PIT2", linux_ioctl_pointer(file.rawValue, kvm_create_pit2, &timer))
  }

  /// An interrupt line of the PC's, for use on any thread. The caller sees to it that it is not used when this machine is
  /// gone.
  ///
  /// - Parameter number: 0 to 15, as the PICs number them; IOAPIC pins of the same numbers get it as well.
  public func interruptLine(_ number: UInt32) -> InterruptLine {
    InterruptLine(virtualMachine: file.rawValue, number: number)
  }

  /// What interrupts the guest, on any thread. The caller sees to it that it is not used when this machine is gone.
  public var messageSender: InterruptMessageSender { InterruptMessageSender(virtualMachine: file.rawValue) }

  /// What makes writes of the guest's events, on any thread. The caller sees to it that it is not used when this machine is
  /// gone.
  public var writeEvents: WriteEvents { WriteEvents(virtualMachine: file.rawValue) }

  private func enable(_ capability: kvm_enable_cap, _ name: StaticString) throws(SystemCallError) {
    var capability = capability
    _ = try valueOrErrno(name, linux_ioctl_pointer(file.rawValue, kvm_enable_capability, &capability))
  }

  /// Creates a virtual processor (KVM API, 4.7 KVM_CREATE_VCPU).
  ///
  /// - Parameters:
  ///   - number: its local APIC ID.
  ///   - mappingSize: what `KVMSystem.vcpuMappingSize()` says.
  public func createVCPU(number: Int, mappingSize: Int) throws(SystemCallError) -> VCPU {
    let result = linux_ioctl(file.rawValue, kvm_create_vcpu, UInt(number))
    let file = FileDescriptor(owning: try valueOrErrno("KVM_CREATE_VCPU", result))
    let mapping = try MemoryMapping(sharing: file, byteCount: mappingSize)
    return VCPU(file: file, mapping: mapping)
  }

  /// The guest's clock and the host's wall clock at one and the same moment (KVM API, 4.29 KVM_GET_CLOCK).
  public func clock() throws(SystemCallError) -> ClockReading {
    var data = kvm_clock_data()
    _ = try valueOrErrno("KVM_GET_CLOCK", linux_ioctl_pointer(file.rawValue, kvm_get_clock, &data))
    if data.flags & UInt32(KVM_CLOCK_REALTIME) != 0 {
      return ClockReading(nanoseconds: data.clock, wallClock: data.realtime)
    }
    // Hosts whose TSC is not their clock source give no pair: the two are then some nanoseconds apart.
    var now = timespec()
    clock_gettime(CLOCK_REALTIME, &now)
    return ClockReading(
      nanoseconds: data.clock, wallClock: UInt64(now.tv_sec) * 1_000_000_000 + UInt64(now.tv_nsec))
  }
}

/// The guest's clock and the host's wall clock at one moment.
public struct ClockReading: Sendable {
  /// The guest's clock, in nanoseconds since the machine was created.
  public let nanoseconds: UInt64
  /// The host's wall clock, in nanoseconds since 1970-01-01 00:00 UTC.
  public let wallClock: UInt64

  /// The same moment for a guest whose clock starts with it.
  public var startingNow: ClockReading { ClockReading(nanoseconds: 0, wallClock: wallClock) }
}
