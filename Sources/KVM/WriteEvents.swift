import CKVM
import CLinux

/// Makes writes of the guest's events that a thread waits for, in place of exits (KVM API, 4.59 KVM_IOEVENTFD).
///
/// The guest goes on at once. The kernel forgets an event with the machine, for which the end of a machine waits some 15 ms
/// where the event is younger than about 20 ms.
public struct WriteEvents: Sendable {
  /// Invariant: the machine's file, which its owner keeps open as long as this is used.
  let virtualMachine: Int32

  /// From now on, an aligned write of four bytes that has one value is no exit.
  ///
  /// - Parameters:
  ///   - address: guest-physical, in no writable slot.
  ///   - value: other values written there are exits as before.
  /// - Returns: an eventfd(2) that does not block. It may be closed at any time; such writes then have no effect at all.
  public func event(address: UInt64, value: UInt32) throws(SystemCallError) -> FileDescriptor {
    let event = FileDescriptor(
      owning: try valueOrErrno("eventfd", eventfd(0, Int32(EFD_CLOEXEC) | Int32(EFD_NONBLOCK))))
    var registration = kvm_ioeventfd()
    registration.datamatch = UInt64(value)
    registration.addr = address
    registration.len = UInt32(MemoryLayout<UInt32>.size)
    registration.fd = event.rawValue
    registration.flags = kvm_ioeventfd_datamatch
    _ = try valueOrErrno(
      "KVM_IOEVENTFD", linux_ioctl_pointer(virtualMachine, kvm_ioeventfd_register, &registration))
    return event
  }
}
