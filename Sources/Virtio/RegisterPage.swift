import MachineABI

/// A device's page of registers as the guest reads it, without an exit (virtio-1.2 §4.2.2).
///
/// The guest cannot write it, and the monitor reads nothing back from it. Every store is atomic: the guest may look
/// meanwhile.
struct RegisterPage {
  /// Invariant: `pageSize` writable bytes, aligned to four, mapped as long as the device's transport exists.
  private let base: UnsafeMutableRawPointer

  /// - Parameter base: the host address of the page, which is all zero.
  init(_ base: UnsafeMutableRawPointer) {
    precondition(UInt(bitPattern: base) % 4 == 0, "registers are aligned")
    self.base = base
  }

  /// The most bytes of configuration that fit behind the registers.
  static let configurationLimit = pageSize - Int(VIRTIO_MMIO_CONFIG)

  /// Sets what the guest reads from a register.
  func set(_ register: Int32, to value: UInt32) {
    precondition(register >= 0 && register < VIRTIO_MMIO_CONFIG && register % 4 == 0, "a register")
    virtq_store32(base + Int(register), value)
  }

  /// Sets the configuration space, a word at a time, so that no field of up to 32 bits is ever seen half written.
  func setConfiguration(_ bytes: [UInt8]) {
    precondition(bytes.count <= Self.configurationLimit, "the configuration fits the page")
    var offset = 0
    while offset < bytes.count {
      var word: UInt32 = 0
      for (index, byte) in bytes[offset..<min(offset + 4, bytes.count)].enumerated() {
        word |= UInt32(byte) << UInt32(8 * index)
      }
      virtq_store32(base + Int(VIRTIO_MMIO_CONFIG) + offset, word)
      offset += 4
    }
  }
}
