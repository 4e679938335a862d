import MachineABI

/// What a Linux machine's kernel is told of its hardware (ACPI 6.5, section 5.2): one processor, an IOAPIC, the serial port,
/// the virtio devices, and how to end the machine. The hardware-reduced kind of ACPI, in which nothing of the PC's own has to
/// be there that is not described.
struct ACPITables {
  /// How many virtio devices there are.
  let deviceCount: Int

  /// Where the tables begin, with the root pointer: where a PC has its firmware.
  static let address: UInt64 = 0xe_0000

  /// The port whose write turns the machine off: SLEEP_CONTROL_REG, and SLEEP_STATUS_REG behind it (section 4.8.3.7).
  static let sleepControl: UInt16 = 0x600
  static let sleepEnable: UInt8 = 1 << 5
  /// The type of sleep that is off, `\_S5`, as this machine numbers it.
  static let powerOffType: UInt8 = 5

  /// All tables, as they are to be at `address`.
  func bytes() -> [UInt8] {
    var memory = [UInt8](repeating: 0, count: Self.rootPointerSize)
    /// Appends a table; returns its address.
    func place(_ table: [UInt8]) -> UInt64 {
      while memory.count % 16 != 0 { memory.append(0) }
      defer { memory += table }
      return Self.address + UInt64(memory.count)
    }
    let description = place(Self.table("DSDT", revision: 2, describedDevices))
    let fixed = place(Self.table("FACP", revision: 6, Self.fixedDescription(devices: description)))
    let interrupts = place(Self.table("APIC", revision: 5, Self.interruptControllers))
    let root = place(
      Self.table("XSDT", revision: 1, AML.littleEndian(fixed) + AML.littleEndian(interrupts)))
    memory.replaceSubrange(0..<Self.rootPointerSize, with: Self.rootPointer(to: root))
    return memory
  }

  // MARK: Tables

  private static let rootPointerSize = 36
  private static let manufacturer: StaticString = "NDLTL "  // six bytes

  /// Section 5.2.5.3
  private static func rootPointer(to root: UInt64) -> [UInt8] {
    // The first part, with a checksum of its own, is revision 1's.
    var pointer = AML.bytes(of: "RSD PTR ") + [0] + AML.bytes(of: manufacturer) + [2] + AML.littleEndian(UInt32(0))
    pointer[8] = checksum(pointer)
    pointer += AML.littleEndian(UInt32(rootPointerSize)) + AML.littleEndian(root) + [0, 0, 0, 0]
    pointer[32] = checksum(pointer)
    return pointer
  }

  /// A table with its header (section 5.2.6).
  private static func table(_ signature: StaticString, revision: UInt8, _ contents: [UInt8]) -> [UInt8] {
    let headerSize = 36
    var table = AML.bytes(of: signature) + AML.littleEndian(UInt32(headerSize + contents.count)) + [revision, 0]
    table += AML.bytes(of: manufacturer) + AML.bytes(of: "NEEDLTL ") + AML.littleEndian(UInt32(1))
    table += AML.bytes(of: "NDLT") + AML.littleEndian(UInt32(1))
    table += contents
    table[9] = checksum(table)
    return table
  }

  /// What makes the sum of all bytes zero.
  private static func checksum(_ bytes: [UInt8]) -> UInt8 { 0 &- bytes.reduce(0, &+) }

  // Section 5.2.9, tables 5.10 and 5.11: no VGA, no clock; i8042 and legacy devices are bits that are not set.
  private static let bootArchitecture: UInt16 = 1 << 2 | 1 << 5
  // WBINVD works; no fixed buttons; there is a reset register; hardware-reduced.
  private static let featureFlags: UInt32 = 1 << 0 | 1 << 4 | 1 << 5 | 1 << 10 | 1 << 20

  /// Section 5.2.9, behind the header.
  private static func fixedDescription(devices: UInt64) -> [UInt8] {
    var fields = [UInt8](repeating: 0, count: 276 - 36)
    /// - Parameter offset: from the start of the table.
    func set(_ offset: Int, _ bytes: [UInt8]) {
      fields.replaceSubrange(offset - 36..<offset - 36 + bytes.count, with: bytes)
    }
    set(109, AML.littleEndian(bootArchitecture))
    set(112, AML.littleEndian(featureFlags))
    set(116, port(LegacyPorts.keyboardController))  // RESET_REG
    set(128, [LegacyPorts.resetCommand])  // RESET_VALUE
    set(131, [5])  // minor version
    set(140, AML.littleEndian(devices))  // X_DSDT
    set(244, port(sleepControl))  // SLEEP_CONTROL_REG
    set(256, port(sleepControl + 1))  // SLEEP_STATUS_REG
    set(268, AML.bytes(of: "NDLTL"))  // hypervisor vendor identity
    return fields
  }

  /// A generic address structure for a port of one byte (section 5.2.3.2).
  private static func port(_ port: UInt16) -> [UInt8] { [1, 8, 0, 1] + AML.littleEndian(UInt64(port)) }

  /// Section 5.2.12, behind the header.
  private static var interruptControllers: [UInt8] {
    let ioAPICAddress: UInt32 = 0xfec0_0000, localAPICAddress: UInt32 = 0xfee0_0000
    let hasPICs: UInt32 = 1, isEnabled: UInt32 = 1
    // The processor's local APIC, which is number 0; the IOAPIC, for interrupts from 0 on.
    let processor: [UInt8] = [0, 8, 0, 0] + AML.littleEndian(isEnabled)
    let ioAPIC: [UInt8] = [1, 12, 0, 0] + AML.littleEndian(ioAPICAddress) + AML.littleEndian(UInt32(0))
    return AML.littleEndian(localAPICAddress) + AML.littleEndian(hasPICs) + processor + ioAPIC
  }

  // MARK: Devices

  /// The definition block of the DSDT, without its header.
  private var describedDevices: [UInt8] {
    let serial =
      AML.name("_HID", AML.string("PNP0501"))
      + AML.name("_UID", AML.integer(0))
      + AML.name(
        "_CRS",
        AML.resources(
          AML.ports(LegacyPorts.serial, count: UInt8(Serial8250.portCount))
            + AML.interrupt(LegacyPorts.serialLine)))
    var devices = AML.device(AML.bytes(of: "COM1"), serial)
    for index in 0..<deviceCount { devices += Self.virtioDevice(index) }
    let off = AML.package([AML.integer(Self.powerOffType), AML.integer(0), AML.integer(0), AML.integer(0)])
    return AML.name("_S5_", off) + AML.scope("_SB_", devices)
  }

  /// A device that Linux's virtio-mmio driver takes for its own by this identifier.
  private static func virtioDevice(_ index: Int) -> [UInt8] {
    let address = UInt32(LinuxMemoryMap.registers(ofDevice: index))
    let digits = [UInt8(ascii: "0") + UInt8(index / 10), UInt8(ascii: "0") + UInt8(index % 10)]
    return AML.device(
      AML.bytes(of: "VR") + digits,
      AML.name("_HID", AML.string("LNRO0005"))
        + AML.name("_UID", AML.integer(UInt8(index)))
        // What devices write is seen by the processor.
        + AML.name("_CCA", AML.integer(1))
        + AML.name(
          "_CRS",
          AML.resources(
            AML.memory(address, size: UInt32(pageSize)) + AML.interrupt(LinuxMemoryMap.deviceLines[index]))))
  }
}
