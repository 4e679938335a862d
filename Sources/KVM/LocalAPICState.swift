import CKVM

/// The registers of a local APIC, as a copy of its register page (KVM API, 4.57 KVM_GET_LAPIC).
public struct LocalAPICState: ~Copyable {
  /// Not a `kvm_lapic_state`, which Swift sees as a tuple of 1024 elements. On the stack: freeing memory may unmap it, which KVM
  /// is told of once there is a machine.
  var registers: InlineArray<256, UInt32> = InlineArray(repeating: 0)

  init() {
    precondition(MemoryLayout.size(ofValue: registers) == Int(lapic_state_size))
  }

  /// A register by its offset in the page (Intel SDM volume 3, table 11-1), a multiple of 16.
  public subscript(offset: Int) -> UInt32 {
    get { registers[offset / MemoryLayout<UInt32>.size] }
    set { registers[offset / MemoryLayout<UInt32>.size] = newValue }
  }
}
