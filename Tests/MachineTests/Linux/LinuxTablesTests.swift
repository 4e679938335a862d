import Foundation
import Testing

@testable import Machine

/// What a kernel finds in memory: start information and ACPI's tables.
@Suite struct LinuxTablesTests {
  private func load<Value: FixedWidthInteger>(_ bytes: [UInt8], _ offset: Int, as type: Value.Type) -> Value {
    bytes.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: offset, as: type) }
  }

  @Test func startInformation() {
    let info = StartInfo(
      commandLine: 0x2000, rootPointer: 0xe0000, initrd: 0x700_0000..<0x700_1234,
      memory: [.init(0..<0xa_0000, .memory), .init(0xa_0000..<0x10_0000, .reserved)])
    let bytes = info.bytes(at: 0x1000)
    #expect(bytes.count == 56 + 32 + 2 * 24)
    #expect(load(bytes, 0, as: UInt32.self) == 0x336e_c578)
    #expect(load(bytes, 4, as: UInt32.self) == 1)
    #expect(load(bytes, 8, as: UInt32.self) == 0)
    #expect(load(bytes, 12, as: UInt32.self) == 1)
    #expect(load(bytes, 16, as: UInt64.self) == 0x1000 + 56)
    #expect(load(bytes, 24, as: UInt64.self) == 0x2000)
    #expect(load(bytes, 32, as: UInt64.self) == 0xe0000)
    #expect(load(bytes, 40, as: UInt64.self) == 0x1000 + 56 + 32)
    #expect(load(bytes, 48, as: UInt32.self) == 2)
    // The module.
    #expect(load(bytes, 56, as: UInt64.self) == 0x700_0000)
    #expect(load(bytes, 64, as: UInt64.self) == 0x1234)
    #expect(load(bytes, 72, as: UInt64.self) == 0)
    // The second range.
    #expect(load(bytes, 56 + 32 + 24, as: UInt64.self) == 0xa_0000)
    #expect(load(bytes, 56 + 32 + 32, as: UInt64.self) == 0x6_0000)
    #expect(load(bytes, 56 + 32 + 40, as: UInt32.self) == 2)
  }

  @Test func startInformationWithoutModules() {
    let bytes = StartInfo(commandLine: 0x2000, rootPointer: 0, initrd: 0..<0, memory: [.init(0..<4096, .memory)])
      .bytes(at: 0x1000)
    #expect(bytes.count == 56 + 24)
    #expect(load(bytes, 12, as: UInt32.self) == 0)
    #expect(load(bytes, 16, as: UInt64.self) == 0)
    #expect(load(bytes, 40, as: UInt64.self) == 0x1000 + 56)
  }

  @Test(arguments: [1, 4, LinuxMemoryMap.deviceLines.count]) func tables(deviceCount: Int) throws {
    let bytes = ACPITables(deviceCount: deviceCount).bytes()
    #expect(bytes.count <= Int(LinuxMemoryMap.kernelStart - ACPITables.address))
    #expect(String(decoding: bytes[0..<8], as: UTF8.self) == "RSD PTR ")
    #expect(bytes[0..<20].reduce(0, &+) == 0)
    #expect(bytes[0..<36].reduce(0, &+) == 0)

    func table(_ address: UInt64) throws -> (name: String, bytes: [UInt8]) {
      let offset = try #require(Int(exactly: address - ACPITables.address))
      let size = Int(load(bytes, offset + 4, as: UInt32.self))
      try #require(size >= 36 && offset + size <= bytes.count)
      let table = Array(bytes[offset..<offset + size])
      #expect(table.reduce(0, &+) == 0)
      return (String(decoding: table[0..<4], as: UTF8.self), table)
    }
    let root = try table(load(bytes, 24, as: UInt64.self))
    #expect(root.name == "XSDT")
    #expect(root.bytes.count == 36 + 2 * 8)
    let fixed = try table(load(root.bytes, 36, as: UInt64.self))
    #expect(fixed.name == "FACP")
    #expect(fixed.bytes.count == 276)
    // The reset register, and its value.
    #expect(Array(fixed.bytes[116..<129]) == [1, 8, 0, 1, 0x64, 0, 0, 0, 0, 0, 0, 0, 0xfe])
    #expect(try table(load(root.bytes, 44, as: UInt64.self)).name == "APIC")
    let devices = try table(load(fixed.bytes, 140, as: UInt64.self))
    #expect(devices.name == "DSDT")
    // Each device has its identifier once.
    let text = String(decoding: devices.bytes, as: Unicode.ASCII.self)
    #expect(text.components(separatedBy: "LNRO0005").count == deviceCount + 1)
    #expect(text.components(separatedBy: "PNP0501").count == 2)
  }

  @Test func deviceResources() {
    #expect(AML.memory(0xd000_0000, size: 0x1000) == [0x86, 9, 0, 1, 0, 0, 0, 0xd0, 0, 0x10, 0, 0])
    #expect(AML.interrupt(5) == [0x89, 6, 0, 3, 1, 5, 0, 0, 0])
    #expect(AML.ports(0x3f8, count: 8) == [0x47, 1, 0xf8, 3, 0xf8, 3, 1, 8])
  }

  /// One byte up to 63 with itself, two up to 4095.
  @Test func lengths() {
    #expect(AML.withLength([]) == [1])
    #expect(AML.withLength([UInt8](repeating: 0, count: 62)).prefix(1) == [63])
    #expect(AML.withLength([UInt8](repeating: 0, count: 63)).prefix(2) == [0x41, 4])
    #expect(AML.withLength([UInt8](repeating: 0, count: 4093)).prefix(2) == [0x4f, 0xff])
  }

  @Test func interruptLinesDiffer() {
    let lines = LinuxMemoryMap.deviceLines
    #expect(Set(lines).count == lines.count)
    // Timer, cascade, serial port, clock, coprocessor, and what spurious interrupts come as.
    #expect(Set(lines).isDisjoint(with: [0, 2, LegacyPorts.serialLine, 7, 8, 13, 15]))
    #expect(lines.allSatisfy { $0 < 16 })
  }
}
