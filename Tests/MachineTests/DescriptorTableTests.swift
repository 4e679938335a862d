import MachineABI
import Testing

@testable import Machine

/// The system page, decoded again by the manuals.
@Suite struct DescriptorTableTests {
  private static let address: UInt64 = 0x8_1234_5000
  private static let trapTable: UInt64 = 0x7_89ab_c000

  private let tables = DescriptorTables(address: address)
  private let page: [UInt8]

  init() {
    var page = [UInt8](repeating: 0, count: 4096)
    page.withUnsafeMutableBytes { [tables] in tables.write(to: $0.baseAddress!, trapTable: Self.trapTable) }
    self.page = page
  }

  private func load<Value: BitwiseCopyable>(_ address: UInt64, as: Value.Type) -> Value {
    page.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: Int(address - Self.address), as: Value.self) }
  }

  /// Intel SDM volume 3, figure 6-8.
  private struct Gate {
    let target: UInt64, selector: UInt16, stackTable: UInt8, type: UInt8, privilege: UInt8
    let isPresent: Bool, reserved: UInt32
  }

  private func gate(_ vector: Int) -> Gate {
    let low = load(tables.interruptDescriptorBase + UInt64(16 * vector), as: UInt64.self)
    let high = load(tables.interruptDescriptorBase + UInt64(16 * vector) + 8, as: UInt64.self)
    let attributes = UInt8(truncatingIfNeeded: low >> 40)
    return Gate(
      target: low & 0xffff | (low >> 48) << 16 | high << 32, selector: UInt16(truncatingIfNeeded: low >> 16),
      stackTable: UInt8(truncatingIfNeeded: low >> 32) & 7, type: attributes & 0xf, privilege: attributes >> 5 & 3,
      isPresent: attributes & 0x80 != 0, reserved: UInt32(high >> 32) | UInt32(low >> 32 & 0xf8))
  }

  @Test func gates() {
    let interruptGate: UInt8 = 0xe
    for vector in 0..<48 {
      let gate = gate(vector)
      #expect(gate.target == Self.trapTable + UInt64(16 * vector))
      #expect(gate.selector == DescriptorTables.kernelCode)
      #expect(gate.type == interruptGate)
      #expect(gate.isPresent)
      #expect(gate.stackTable == 0)
      #expect(gate.reserved == 0)
      // INT3 alone may be raised by an instruction of ring 3.
      #expect(gate.privilege == (vector == 3 ? 3 : 0), "vector \(vector)")
    }
    #expect(DescriptorTables.interruptDescriptorLimit == 48 * 16 - 1)
  }

  /// Intel SDM volume 3, 3.4.5.
  @Test func segments() {
    func descriptor(_ selector: UInt16) -> UInt64 {
      load(tables.globalDescriptorBase + UInt64(selector & ~7), as: UInt64.self)
    }
    #expect(descriptor(0) == 0)
    for (selector, privilege, isCode) in [
      (DescriptorTables.kernelCode, 0, true), (DescriptorTables.userData, 3, false),
      (DescriptorTables.userCode, 3, true),
    ] as [(UInt16, UInt64, Bool)] {
      let descriptor = descriptor(selector)
      #expect(UInt64(selector & 3) == privilege)
      #expect(descriptor >> 45 & 3 == privilege)
      #expect(descriptor >> 47 & 1 == 1, "present")
      #expect(descriptor >> 44 & 1 == 1, "code or data")
      #expect(descriptor >> 43 & 1 == (isCode ? 1 : 0), "code")
      #expect(descriptor >> 40 & 1 == 1, "accessed, so that the processor need not write it")
      #expect(descriptor >> 53 & 1 == (isCode ? 1 : 0), "64-bit")
      #expect(descriptor >> 42 & 1 == 0, "neither conforming nor expanding down")
      // The base is 0: bits 16 to 39 and 56 to 63.
      #expect(descriptor >> 16 & 0xff_ffff == 0)
      #expect(descriptor >> 56 == 0)
      if isCode { #expect(descriptor >> 54 & 1 == 0, "no 32-bit default beside 64-bit") }
      #expect(descriptor >> 41 & 1 == 1, "readable or writable")
      #expect(Int(selector | 7) <= Int(DescriptorTables.globalDescriptorLimit))
    }
  }

  /// Intel SDM volume 3, figure 8-11.
  @Test func taskState() {
    #expect(load(tables.taskStateBase + 4, as: UInt64.self) == tables.kernelStackTop)
    // The I/O map begins behind the segment's end: there is none, and no port may be touched.
    let map = load(tables.taskStateBase + 102, as: UInt16.self)
    #expect(UInt32(map) > DescriptorTables.taskStateLimit)
    let rest = [0...3, 12...101].flatMap { $0 }.map { load(tables.taskStateBase + UInt64($0), as: UInt8.self) }
    #expect(rest.allSatisfy { $0 == 0 })
  }

  @Test func nothingOverlapsAndTheStackGrowsOutOfThePage() {
    #expect(tables.kernelStackTop % 16 == 0)
    #expect(tables.kernelStackTop > Self.address)
    let parts = [
      tables.kernelStackTop..<tables.kernelStackTop,
      tables.taskStateBase..<tables.taskStateBase + UInt64(DescriptorTables.taskStateLimit) + 1,
      tables.globalDescriptorBase..<tables.globalDescriptorBase + UInt64(DescriptorTables.globalDescriptorLimit) + 1,
      tables.interruptDescriptorBase..<tables.interruptDescriptorBase
        + UInt64(DescriptorTables.interruptDescriptorLimit) + 1,
    ]
    for (part, next) in zip(parts, parts.dropFirst()) { #expect(part.upperBound <= next.lowerBound) }
    #expect(parts[3].upperBound <= Self.address + 4096)
    #expect(page[..<Int(tables.kernelStackTop - Self.address)].allSatisfy { $0 == 0 })
  }
}
