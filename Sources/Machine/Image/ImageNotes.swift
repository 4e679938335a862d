import MachineABI

/// Finds Needletail's notes among an image's notes.
struct ImageNotes {
  private(set) var contract: ImageNote?
  /// As the file has them, in its order; at most `NEEDLETAIL_DEVICE_LIMIT`.
  private(set) var declarations: [DeviceDeclaration] = []

  /// Reads every `PT_NOTE`. Notes of other owners are passed over: build IDs, properties, a PVH entry.
  init(_ headers: borrowing ImageHeaders, of image: borrowing ImageFile) throws(Refusal) {
    try headers.forEachNote(of: image) { note throws(Refusal) in
      guard note.isOwned(by: Self.owner) else { return }
      switch note.type {
      case UInt32(NEEDLETAIL_NOTE_CONTRACT): try readContract(note.descriptor)
      case UInt32(NEEDLETAIL_NOTE_DEVICE): try readDevice(note.descriptor)
      default: return
      }
    }
  }

  /// Whose notes these are.
  static let owner: StaticString = "Needletail"

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
      guard device.kind.mayBeMany || !devices.contains(where: { $0.kind == device.kind }) else {
        throw Refusal("device note count of kind \(device.kind.name)", "2 or more", expected: "at most 1")
      }
      devices.append(device)
    }
    return devices
  }
}
