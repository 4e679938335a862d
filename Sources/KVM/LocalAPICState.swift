import CKVM

/// The registers of a local APIC, as a copy of its register page (KVM API, 4.57 KVM_GET_LAPIC).
public struct LocalAPICState: ~Copyable {
  /// Invariant: `lapic_state_size` bytes, and ours. Not a `kvm_lapic_state`, which Swift sees as a tuple of 1024 elements.
  let registers: UnsafeMutableRawBufferPointer

  init() {
    registers = .allocate(byteCount: Int(lapic_state_size), alignment: 16)
  }

  deinit {
    registers.deallocate()
  }

  /// A register by its offset in the page (Intel SDM volume 3, table 11-1), a multiple of 16.
  public subscript(offset: Int) -> UInt32 {
    get { registers.load(fromByteOffset: offset, as: UInt32.self) }
    nonmutating set { registers.storeBytes(of: newValue, toByteOffset: offset, as: UInt32.self) }
  }
}
