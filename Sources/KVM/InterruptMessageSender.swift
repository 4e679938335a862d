import CKVM
import CLinux

/// Sends interrupts to a machine's local APIC as messages (KVM API, 4.71 KVM_SIGNAL_MSI).
///
/// A system call for each, like an irqfd's, but nothing to set up and nothing for the kernel to take down with the machine.
public struct InterruptMessageSender: Sendable {
  /// Invariant: the machine's file, which its owner keeps open as long as this is used.
  let virtualMachine: Int32

  /// Where the messages for local APIC 0 go (Intel SDM volume 3, 11.11.1).
  private static let address: UInt32 = 0xfee0_0000

  /// Raises an interrupt, edge-triggered.
  ///
  /// - Parameter vector: from 16 up.
  public func send(vector: UInt8) throws(SystemCallError) {
    var message = kvm_msi()
    message.address_lo = Self.address
    // Fixed delivery, edge-triggered (Intel SDM volume 3, 11.11.2).
    message.data = UInt32(vector)
    _ = try valueOrErrno("KVM_SIGNAL_MSI", linux_ioctl_pointer(virtualMachine, kvm_signal_msi, &message))
  }
}
