import MachineABI

/// An attached device as the machine describes it (docs/boot-contract.md, "Boot information").
package struct DeviceRecord: Equatable {
  package var name: String
  /// The virtio device ID (virtio-1.2 §5).
  package var kind: UInt32
  /// The address of its register page.
  package var registers: UInt64
  /// Status, DeviceFeaturesSel and QueueSel are 0, as a reset leaves them.
  package var isReset: Bool
  /// Interrupts need no acknowledgement.
  package var sendsMessages: Bool
  /// The features from 32 to 63 that it offers; 0: not known.
  var highFeatures: UInt32 = 0
  /// Its registers may be written through the shared page.
  var takesPostedWrites = false
  /// Not virtio, but a serial port that is read through the control page.
  var isSerial = false
}

/// The devices of this machine.
package struct DeviceTable {
  /// Invariant: mapped and unchanged as long as the table is used.
  private let entries: UnsafeBufferPointer<DeviceEntry>

  init(_ entries: UnsafeBufferPointer<DeviceEntry>) {
    self.entries = entries
  }

  /// - Throws: when there is no device of this name, or it is of another kind.
  package func device(named name: String, kind: UInt32) throws(DeviceError) -> DeviceRecord {
    for entry in entries where Self.name(of: entry).utf8.elementsEqual(name.utf8) {
      guard entry.kind == kind else {
        throw DeviceError(device: name, reason: .wrongKind(expected: kind, found: entry.kind))
      }
      return Self.record(entry)
    }
    throw DeviceError(device: name, reason: .notAttached)
  }

  /// The first device of a kind of which an image needs no more than one.
  func device(ofKind kind: UInt32) -> DeviceRecord? {
    for entry in entries where entry.kind == kind { return Self.record(entry) }
    return nil
  }

  /// What the devices of a kind are called.
  package func names(ofKind kind: UInt32) -> [String] {
    var names: [String] = []
    for entry in entries where entry.kind == kind { names.append(Self.name(of: entry)) }
    return names
  }

  /// From where posted writes count; nil without devices.
  var firstRegisters: UInt64? { entries.first?.registers }

  private static func record(_ entry: DeviceEntry) -> DeviceRecord {
    DeviceRecord(
      name: name(of: entry), kind: entry.kind, registers: entry.registers,
      isReset: entry.flags & UInt32(NEEDLETAIL_DEVICE_IS_RESET) != 0,
      sendsMessages: entry.flags & UInt32(NEEDLETAIL_DEVICE_SENDS_MESSAGES) != 0,
      highFeatures: entry.high_features,
      takesPostedWrites: entry.flags & UInt32(NEEDLETAIL_DEVICE_TAKES_POSTED_WRITES) != 0,
      isSerial: entry.flags & UInt32(NEEDLETAIL_DEVICE_IS_SERIAL) != 0)
  }

  private static func name(of entry: DeviceEntry) -> String {
    withUnsafeBytes(of: entry.name) { bytes in
      String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
    }
  }
}

#if hasFeature(Embedded)
  extension DeviceTable {
    /// The devices that the monitor attached.
    package static var attached: DeviceTable {
      DeviceTable(
        UnsafeBufferPointer(
          start: UnsafePointer(bitPattern: UInt(bootInfo.pointee.devices)), count: Int(bootInfo.pointee.device_count)))
    }
  }
#endif
