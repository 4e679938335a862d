import CKVM
import CLinux

/// The least that a program must do to have run a guest: one machine, one memory slot, one processor, one instruction.
///
/// No loader, no long mode, no clock, no interrupt: what a monitor takes above this is what it adds. The local APIC is in
/// the kernel because creating a processor without one takes longer.
@main
struct Floor {
  static func main() {
    let page = mmap(nil, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)!
    // out %al, $0x10
    page.storeBytes(of: 0x10e6, as: UInt16.self)

    let kvm = check("open /dev/kvm", linux_open("/dev/kvm", O_RDWR | O_CLOEXEC, 0))
    let machine = check("KVM_CREATE_VM", linux_ioctl(kvm, kvm_create_vm, 0))
    var slot = kvm_userspace_memory_region(
      slot: 0, flags: 0, guest_phys_addr: 0, memory_size: 4096, userspace_addr: UInt64(UInt(bitPattern: page)))
    check("KVM_SET_USER_MEMORY_REGION", linux_ioctl_pointer(machine, kvm_set_user_memory_region, &slot))
    var controller = kvm_capability_with_argument(UInt32(KVM_CAP_SPLIT_IRQCHIP), 24)
    check("KVM_CAP_SPLIT_IRQCHIP", linux_ioctl_pointer(machine, kvm_enable_capability, &controller))
    let processor = check("KVM_CREATE_VCPU", linux_ioctl(machine, kvm_create_vcpu, 0))
    let size = check("KVM_GET_VCPU_MMAP_SIZE", linux_ioctl(kvm, kvm_get_vcpu_mmap_size, 0))
    let run = mmap(nil, Int(size), PROT_READ | PROT_WRITE, MAP_SHARED, processor, 0)!
      .assumingMemoryBound(to: kvm_run.self)

    // A processor starts in real mode; its code segment is to start at the page.
    var special = kvm_sregs()
    check("KVM_GET_SREGS", linux_ioctl_pointer(processor, kvm_get_special_registers, &special))
    special.cs.base = 0
    special.cs.selector = 0
    check("KVM_SET_SREGS", linux_ioctl_pointer(processor, kvm_set_special_registers, &special))
    var registers = kvm_regs()
    registers.rflags = 2
    check("KVM_SET_REGS", linux_ioctl_pointer(processor, kvm_set_registers, &registers))
    check("KVM_RUN", linux_ioctl(processor, kvm_run_vcpu, 0))
    _exit(run.pointee.exit_reason == UInt32(KVM_EXIT_IO) ? 0 : 1)
  }

  @discardableResult
  static func check(_ operation: StaticString, _ result: Int32) -> Int32 {
    guard result >= 0 else {
      perror(operation.utf8Start)
      _exit(1)
    }
    return result
  }
}
