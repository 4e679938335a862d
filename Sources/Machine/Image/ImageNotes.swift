import CELF
import CLinux
import KVM
import MachineABI

/// Finds Needletail's notes among an image's notes.
struct ImageNotes {
  private(set) var contract: ImageNote?
  /// As the file has them, in its order; at most `NEEDLETAIL_DEVICE_LIMIT`.
  private(set) var declarations: [DeviceDeclaration] = []

  /// Reads every `PT_NOTE`. Notes of other owners are passed over: build IDs, properties, a PVH entry.
  init(_ headers: borrowing ImageHeaders, of image: borrowing ImageFile) throws(Refusal) {
    for header in headers.program where header.p_type == UInt32(PT_NOTE) && header.p_filesz > 0 {
      try image.requireRange("PT_NOTE p_offset, p_filesz", at: header.p_offset, count: header.p_filesz)
      guard header.p_filesz <= ImageLimits.noteSize else {
        throw Refusal("PT_NOTE p_filesz", header.p_filesz, expected: "at most \(ImageLimits.noteSize.hexadecimal)")
      }
      // libelf knows two note layouts; gABI 8-byte notes are those in a segment of that alignment.
      let type = header.p_align == 8 ? ELF_T_NHDR8 : ELF_T_NHDR
      if let bytes = headers.firstPage.slice(at: header.p_offset, count: header.p_filesz) {
        try search(bytes, type)
      } else {
        let excerpt = try FileExcerpt(of: image.descriptor, at: header.p_offset, count: Int(header.p_filesz))
        guard excerpt.count == Int(header.p_filesz) else { throw Refusal("PT_NOTE: the file became shorter") }
        try search(excerpt.bytes, type)
      }
    }
  }

  private mutating func search(_ bytes: UnsafeRawBufferPointer, _ type: Elf_Type) throws(Refusal) {
    var data = Elf_Data()
    data.d_buf = UnsafeMutableRawPointer(mutating: bytes.baseAddress)
    data.d_size = bytes.count
    data.d_type = type
    data.d_version = UInt32(EV_CURRENT)
    var offset = 0
    while offset < bytes.count {
      var note = GElf_Nhdr()
      var name = 0
      var descriptor = 0
      let next = gelf_getnote(&data, offset, &note, &name, &descriptor)
      guard next > offset, next <= bytes.count, name <= bytes.count, Int(note.n_namesz) <= bytes.count - name,
        descriptor <= bytes.count, Int(note.n_descsz) <= bytes.count - descriptor
      else {
        throw Refusal(
          "PT_NOTE entry", "malformed at \(UInt64(offset).hexadecimal)",
          expected: "to lie within the segment's \(UInt64(bytes.count).hexadecimal) bytes")
      }
      offset = next
      guard isOwner(UnsafeRawBufferPointer(rebasing: bytes[name..<name + Int(note.n_namesz)])) else { continue }
      let value = UnsafeRawBufferPointer(rebasing: bytes[descriptor..<descriptor + Int(note.n_descsz)])
      switch note.n_type {
      case UInt32(NEEDLETAIL_NOTE_CONTRACT): try readContract(value)
      case UInt32(NEEDLETAIL_NOTE_DEVICE): try readDevice(value)
      default: continue
      }
    }
  }

  private mutating func readContract(_ descriptor: UnsafeRawBufferPointer) throws(Refusal) {
    guard contract == nil else { throw Refusal("Needletail note count", "2 or more", expected: "1") }
    guard descriptor.count == MemoryLayout<ImageNote>.size else {
      throw Refusal("note n_descsz", "\(descriptor.count)", expected: "\(MemoryLayout<ImageNote>.size)")
    }
    contract = descriptor.loadUnaligned(as: ImageNote.self)
  }

  private mutating func readDevice(_ descriptor: UnsafeRawBufferPointer) throws(Refusal) {
    guard descriptor.count == MemoryLayout<DeviceDeclaration>.size else {
      throw Refusal("device note n_descsz", "\(descriptor.count)", expected: "\(MemoryLayout<DeviceDeclaration>.size)")
    }
    guard declarations.count < Int(NEEDLETAIL_DEVICE_LIMIT) else {
      throw Refusal(
        "device note count", "\(NEEDLETAIL_DEVICE_LIMIT + 1) or more", expected: "at most \(NEEDLETAIL_DEVICE_LIMIT)")
    }
    declarations.append(descriptor.loadUnaligned(as: DeviceDeclaration.self))
  }

  /// Whether a note's name is ours, its terminator included.
  private func isOwner(_ name: UnsafeRawBufferPointer) -> Bool {
    let owner: StaticString = "Needletail"
    guard name.count == owner.utf8CodeUnitCount + 1, name[name.count - 1] == 0 else { return false }
    return memcmp(name.baseAddress!, owner.utf8Start, owner.utf8CodeUnitCount) == 0
  }

  /// The contract's note, with every field checked that can be checked without the segments.
  func requireContract() throws(Refusal) -> ImageNote {
    guard let note = contract else {
      throw Refusal("Needletail note", "missing", expected: "1 (the image was not linked for this monitor)")
    }
    guard note.contract_version == UInt32(NEEDLETAIL_CONTRACT_VERSION) else {
      throw Refusal("note contract_version", "\(note.contract_version)", expected: "\(NEEDLETAIL_CONTRACT_VERSION)")
    }
    guard note.flags == 0 else { throw Refusal("note flags", UInt64(note.flags), expected: "0") }
    guard note.stack_size.isPageAligned, note.stack_size >= ImageLimits.leastStackSize,
      note.stack_size <= ImageLimits.stackSize
    else {
      throw Refusal(
        "note stack_size", "\(note.stack_size)",
        expected: "a multiple of \(pageSize) from \(ImageLimits.leastStackSize) to \(ImageLimits.stackSize)")
    }
    return note
  }

  /// The devices that the image declares, in its order.
  func requireDevices() throws(Refusal) -> [DeclaredDevice] {
    var devices: [DeclaredDevice] = []
    devices.reserveCapacity(declarations.count)
    for (index, declaration) in declarations.enumerated() {
      let device = try DeclaredDevice(declaration, number: index + 1)
      guard !devices.contains(where: { $0.name == device.name }) else {
        throw Refusal("device name", "'\(device.name)' in two device notes", expected: "a name in one")
      }
      guard device.kind == .block || !devices.contains(where: { $0.kind == device.kind }) else {
        throw Refusal("device note count of kind \(device.kind.name)", "2 or more", expected: "at most 1")
      }
      devices.append(device)
    }
    return devices
  }
}
