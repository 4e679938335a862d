import MachineABI

/// The system page: the ring-0 stack, the TSS, the GDT and the IDT, which only ring 0 can reach.
///
/// The stack is at the bottom and grows down, out of the page and into memory that is not mapped for it: it can overwrite
/// none of the tables.
struct DescriptorTables {
  // Offsets in the page.
  private static let stackTop: UInt64 = 0x800
  private static let taskState: UInt64 = 0x800
  private static let globalDescriptors: UInt64 = 0x880
  private static let interruptDescriptors: UInt64 = 0x900

  // Selectors: the index in the GDT times eight, plus the privilege level (Intel SDM volume 3, 3.4.2).
  static let kernelCode: UInt16 = 0x08
  static let userData: UInt16 = 0x10 | 3
  static let userCode: UInt16 = 0x18 | 3

  // Intel SDM volume 3, 3.4.5: present, type, privilege level, long mode.
  private static let descriptors: [UInt64] = [
    0, 0x0020_9b00_0000_0000, 0x00cf_f300_0000_ffff, 0x0020_fb00_0000_0000,
  ]

  static let globalDescriptorLimit = UInt16(descriptors.count * 8 - 1)
  static let interruptDescriptorLimit = UInt16(Int(NEEDLETAIL_TRAP_STUB_COUNT) * 16 - 1)
  /// A TSS without an I/O permission bitmap (Intel SDM volume 3, 8.7).
  static let taskStateLimit: UInt32 = 0x67

  /// The page's guest address.
  let address: UInt64

  var globalDescriptorBase: UInt64 { address + Self.globalDescriptors }
  var interruptDescriptorBase: UInt64 { address + Self.interruptDescriptors }
  var taskStateBase: UInt64 { address + Self.taskState }
  /// Where the processor pushes its frame when a trap or an interrupt leaves ring 3.
  var kernelStackTop: UInt64 { address + Self.stackTop }

  /// Writes the tables.
  ///
  /// - Parameters:
  ///   - page: the page's host memory, zeroed.
  ///   - trapTable: the guest address of the image's stubs.
  func write(to page: UnsafeMutableRawPointer, trapTable: UInt64) {
    // Intel SDM volume 3, figure 8-11: RSP0 is at 4, the I/O map base at 102.
    page.storeBytes(of: kernelStackTop, toByteOffset: Int(Self.taskState) + 4, as: UInt64.self)
    page.storeBytes(of: UInt16(Self.taskStateLimit + 1), toByteOffset: Int(Self.taskState) + 102, as: UInt16.self)
    for (index, descriptor) in Self.descriptors.enumerated() {
      page.storeBytes(of: descriptor, toByteOffset: Int(Self.globalDescriptors) + 8 * index, as: UInt64.self)
    }
    for vector in 0..<Int(NEEDLETAIL_TRAP_STUB_COUNT) {
      let stub = trapTable + UInt64(vector * Int(NEEDLETAIL_TRAP_STUB_SIZE))
      let gate = Self.interruptGate(to: stub, isForUser: vector == Self.breakpoint)
      let offset = Int(Self.interruptDescriptors) + 16 * vector
      page.storeBytes(of: gate.low, toByteOffset: offset, as: UInt64.self)
      page.storeBytes(of: gate.high, toByteOffset: offset + 8, as: UInt64.self)
    }
  }

  /// #BP, the one vector that ring 3 may raise by an instruction: INT3 is the debugger's (Intel SDM volume 3, 6.15).
  private static let breakpoint = 3

  /// Intel SDM volume 3, figure 6-8. An interrupt gate: interrupts are off inside.
  private static func interruptGate(to target: UInt64, isForUser: Bool) -> (low: UInt64, high: UInt64) {
    let presentInterruptGate: UInt64 = 0x8e
    let privilege: UInt64 = isForUser ? 0x60 : 0
    let low =
      target & 0xffff | UInt64(kernelCode) << 16 | (presentInterruptGate | privilege) << 40
      | (target >> 16 & 0xffff) << 48
    return (low, target >> 32)
  }
}
