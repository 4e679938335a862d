import CELF

/// A libelf handle over bytes in memory, ended with its owner. The bytes must outlive it and must not change.
struct ELFObject: ~Copyable {
  let handle: OpaquePointer

  init(_ bytes: UnsafeMutableRawBufferPointer) throws(Refusal) {
    // libelf does nothing before it has been told which version its caller knows.
    guard elf_version(UInt32(EV_CURRENT)) != UInt32(EV_NONE) else { throw ELFObject.refusal("libelf") }
    guard let base = bytes.baseAddress,
      let handle = elf_memory(base.assumingMemoryBound(to: CChar.self), bytes.count)
    else { throw ELFObject.refusal("ELF file") }
    guard elf_kind(handle) == ELF_K_ELF else {
      elf_end(handle)
      throw Refusal("ELF file", "of another kind", expected: "an ELF object")
    }
    self.handle = handle
  }

  deinit {
    elf_end(handle)
  }

  /// The reason that libelf gives for its last failure.
  static func refusal(_ field: String) -> Refusal {
    guard let message = elf_errmsg(-1) else { return Refusal("\(field): not readable") }
    return Refusal("\(field): \(String(cString: message))")
  }
}
