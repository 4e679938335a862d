#if hasFeature(Embedded)
  import CGuestKernel
#endif

/// A device's register page: each call is one access of exactly that width, and none is left out or merged. Offsets are
/// those of virtio-1.2 §4.2.2, and naturally aligned.
///
/// The seam between drivers and devices: in an image it is memory-mapped, in tests a device in the same process.
protocol RegisterPage {
  func load8(_ offset: Int) -> UInt8
  func load16(_ offset: Int) -> UInt16
  func load32(_ offset: Int) -> UInt32
  func store32(_ value: UInt32, at offset: Int)
}

#if hasFeature(Embedded)
  /// The registers of a device of the machine.
  ///
  /// Invariant: `base` is the register page of an attached device, from the boot information.
  struct MappedRegisterPage: RegisterPage {
    let base: UInt64

    func load8(_ offset: Int) -> UInt8 { needletail_register_load8(base, UInt32(offset)) }
    func load16(_ offset: Int) -> UInt16 { needletail_register_load16(base, UInt32(offset)) }
    func load32(_ offset: Int) -> UInt32 { needletail_register_load32(base, UInt32(offset)) }
    func store32(_ value: UInt32, at offset: Int) { needletail_register_store32(base, UInt32(offset), value) }
  }
#endif
