import MachineABI
import SeededRandom

@testable import Machine

extension MachineLayout.Demands {
  /// What a small image asks for.
  init(
    linkBase: UInt64 = 0x20_0000, imageSize: UInt64 = 0x7000, imageWritableSize: UInt64 = 0x3000,
    isPositionIndependent: Bool = true, stackSize: UInt64 = 64 << 10, threadLocalsSize: UInt64 = 0x20,
    threadLocalsAlignment: UInt64 = 16, deviceCount: Int = 0, bootInfoSize: UInt64 = 300, memory: UInt64,
    placement: MachineLayout.Placement? = nil
  ) {
    self.init(
      linkBase: linkBase, imageSize: imageSize, imageWritableSize: imageWritableSize,
      isPositionIndependent: isPositionIndependent, stackSize: stackSize, threadLocalsSize: threadLocalsSize,
      threadLocalsAlignment: threadLocalsAlignment, deviceCount: deviceCount, bootInfoSize: bootInfoSize,
      memorySize: memory,
      placement: placement)
  }

  /// Demands for an image of this size, otherwise anything that the loader lets through.
  static func random(
    linkBase: UInt64 = 0x20_0000, imageSize: UInt64, imageWritableSize: UInt64, memory: ClosedRange<UInt64>,
    using generator: inout SeededGenerator
  ) -> Self {
    let page = UInt64(pageSize)
    let hasThreadLocals = Bool.random(using: &generator)
    let isPlacedAtRandom = memory.upperBound > 2 << 30 || Int.random(in: 0..<8, using: &generator) > 0
    return Self(
      linkBase: linkBase, imageSize: imageSize, imageWritableSize: imageWritableSize,
      stackSize: page * UInt64.random(in: 4...64, using: &generator),
      threadLocalsSize: hasThreadLocals ? .random(in: 1...ImageLimits.threadLocalSize, using: &generator) : 0,
      threadLocalsAlignment: hasThreadLocals ? 1 << UInt64.random(in: 0...12, using: &generator) : 1,
      deviceCount: Int.random(in: 0...Int(NEEDLETAIL_DEVICE_LIMIT), using: &generator),
      bootInfoSize: .random(in: 256...UInt64(Machine.argumentLimit), using: &generator),
      memory: page * UInt64.random(in: memory.lowerBound / page...memory.upperBound / page, using: &generator),
      // Too much memory does not fit between a low image and the local APIC.
      placement: isPlacedAtRandom ? .init(image: generator.next(), memory: generator.next()) : nil)
  }
}
