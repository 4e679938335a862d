#if hasFeature(Embedded)
  import CGuestKernel
  import MachineABI
#endif

/// A device's register page: each call is one access of exactly that width, and none is left out or merged. Offsets are
/// those of virtio-1.2 §4.2.2, and naturally aligned.
///
/// The seam between drivers and devices: in an image it is memory-mapped, in tests a device in the same process.
package protocol RegisterPage: SendableMetatype {
  func load8(_ offset: Int) -> UInt8
  func load16(_ offset: Int) -> UInt16
  func load32(_ offset: Int) -> UInt32
  func store32(_ value: UInt32, at offset: Int)
  /// A store that need not take effect before the next `store32`, but does so ahead of it.
  func post32(_ value: UInt32, at offset: Int)
}

extension RegisterPage {
  /// For devices that take none: at once is early enough.
  package func post32(_ value: UInt32, at offset: Int) { store32(value, at: offset) }
}

#if hasFeature(Embedded)
  /// The registers of a device of the machine.
  ///
  /// Invariant: `base` is the register page of an attached device, from the boot information.
  package struct MappedRegisterPage: RegisterPage {
    private let base: UInt64
    /// The machine's first register page if the device takes posted writes (docs/boot-contract.md, "Posted writes").
    private let postingBase: UInt64?

    package init(_ device: DeviceRecord) {
      base = device.registers
      postingBase = device.takesPostedWrites ? DeviceTable.attached.firstRegisters : nil
    }

    package func load8(_ offset: Int) -> UInt8 { needletail_register_load8(base, UInt32(offset)) }
    package func load16(_ offset: Int) -> UInt16 { needletail_register_load16(base, UInt32(offset)) }
    package func load32(_ offset: Int) -> UInt32 { needletail_register_load32(base, UInt32(offset)) }
    package func store32(_ value: UInt32, at offset: Int) { needletail_register_store32(base, UInt32(offset), value) }

    package func post32(_ value: UInt32, at offset: Int) {
      let count = Int(sharedPage.pointee.posted_count)
      // What is posted goes first, so a full page is emptied by an ordinary store, this one.
      guard let postingBase, count < Int(NEEDLETAIL_POSTED_WRITE_LIMIT) else { return store32(value, at: offset) }
      needletail_shared_posted_writes(sharedPage)[count] = PostedWrite(
        offset: UInt32(base - postingBase) + UInt32(offset), value: value)
      sharedPage.pointee.posted_count = UInt32(count + 1)
    }
  }
#endif
