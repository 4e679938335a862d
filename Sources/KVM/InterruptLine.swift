import CKVM
import CLinux

/// A line into a machine's in-kernel PICs and IOAPIC (KVM API, 4.25 KVM_IRQ_LINE).
public struct InterruptLine: Sendable {
  /// Invariant: the machine's file, which its owner keeps open as long as this is used.
  let virtualMachine: Int32
  let number: UInt32

  /// Drives the line high or low. An edge-triggered input takes an interrupt from each change to high.
  public func set(_ isHigh: Bool) throws(SystemCallError) {
    var level = kvm_interrupt_level(number, isHigh ? 1 : 0)
    _ = try valueOrErrno("KVM_IRQ_LINE", linux_ioctl_pointer(virtualMachine, kvm_irq_line, &level))
  }

  /// Drives the line high and low again: one interrupt for an edge-triggered input, which keeps it until it is taken.
  public func pulse() throws(SystemCallError) {
    try set(true)
    try set(false)
  }
}
