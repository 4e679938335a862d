import CKVM
import CLinux

/// The KVM subsystem: an open /dev/kvm.
public struct KVMSystem: ~Copyable {
  let file: FileDescriptor

  /// The device's usual path.
  public static let devicePath = "/dev/kvm"

  /// Opens KVM.
  public init(devicePath: String = KVMSystem.devicePath) throws(SystemCallError) {
    file = try FileDescriptor(opening: devicePath, flags: O_RDWR)
  }

  /// The API version, 12 in every kernel since 2007 (KVM API, 4.1 KVM_GET_API_VERSION).
  public func apiVersion() throws(SystemCallError) -> Int {
    Int(try valueOrErrno("KVM_GET_API_VERSION", linux_ioctl(file.rawValue, kvm_get_api_version, 0)))
  }

  /// What the kernel says of an optional capability, one of the KVM_CAP constants; 0 is "not there" (KVM API, 4.4).
  public func capability(_ number: Int32) throws(SystemCallError) -> Int {
    Int(try valueOrErrno("KVM_CHECK_EXTENSION", linux_ioctl(file.rawValue, kvm_check_extension, UInt(number))))
  }

  /// Creates a virtual machine without memory or processors (KVM API, 4.2 KVM_CREATE_VM).
  public func createVirtualMachine() throws(SystemCallError) -> VirtualMachine {
    var result: Int32
    // Interrupted by a signal, KVM_CREATE_VM fails after having done all its work; that is rare and can be tried again.
    repeat {
      result = linux_ioctl(file.rawValue, kvm_create_vm, 0)
    } while result < 0 && linux_errno() == EINTR
    return VirtualMachine(file: FileDescriptor(owning: try valueOrErrno("KVM_CREATE_VM", result)))
  }

  /// The size in bytes of a virtual processor's `kvm_run` mapping (KVM API, 4.5 KVM_GET_VCPU_MMAP_SIZE).
  public func vcpuMappingSize() throws(SystemCallError) -> Int {
    Int(try valueOrErrno("KVM_GET_VCPU_MMAP_SIZE", linux_ioctl(file.rawValue, kvm_get_vcpu_mmap_size, 0)))
  }

  /// Every CPUID leaf that KVM can offer a guest (KVM API, 4.46 KVM_GET_SUPPORTED_CPUID). Slow: hundreds of microseconds
  /// where the host is itself a virtual machine, because every leaf costs it an exit.
  public func supportedCPUID() throws(SystemCallError) -> [CPUIDLeaf] {
    let table = CPUIDTable(capacity: CPUIDTable.limit)
    _ = try valueOrErrno(
      "KVM_GET_SUPPORTED_CPUID", linux_ioctl_pointer(file.rawValue, kvm_get_supported_cpuid, table.header))
    return table.leaves
  }
}
