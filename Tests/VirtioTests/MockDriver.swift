import CLinux

@testable import Virtio

/// A driver written from the text of the specification alone (virtio-1.2 §3.1, §4.2), for any device. It sees its
/// device as a guest does: it writes registers, reads the register page, and shares memory.
final class MockDriver {
  /// Table 4.1 of §4.2.2.
  enum Register: Int {
    case magicValue = 0x000
    case version = 0x004
    case deviceID = 0x008
    case vendorID = 0x00c
    case deviceFeatures = 0x010
    case deviceFeaturesSel = 0x014
    case driverFeatures = 0x020
    case driverFeaturesSel = 0x024
    case queueSel = 0x030
    case queueNumMax = 0x034
    case queueNum = 0x038
    case queueReady = 0x044
    case queueNotify = 0x050
    case interruptStatus = 0x060
    case interruptACK = 0x064
    case status = 0x070
    case queueDescLow = 0x080
    case queueDescHigh = 0x084
    case queueDriverLow = 0x090
    case queueDriverHigh = 0x094
    case queueDeviceLow = 0x0a0
    case queueDeviceHigh = 0x0a4
    case shmSel = 0x0ac
    case shmLenLow = 0x0b0
    case shmLenHigh = 0x0b4
    case shmBaseLow = 0x0b8
    case shmBaseHigh = 0x0bc
    case configGeneration = 0x0fc
  }

  /// §2.1
  enum Status {
    static let acknowledge: UInt32 = 1
    static let driver: UInt32 = 2
    static let driverOK: UInt32 = 4
    static let featuresOK: UInt32 = 8
    static let needsReset: UInt32 = 64
    static let failed: UInt32 = 128
  }

  /// §6
  enum Feature {
    static let indirectDescriptors: UInt64 = 1 << 28
    static let eventIndex: UInt64 = 1 << 29
    static let version1: UInt64 = 1 << 32
  }

  struct Refused: Error { var why: String }

  let memory: GuardedMemory
  let transport: MMIOTransport
  /// The devices' lock, if the device under test has a loop.
  private let loop: DeviceLoop?
  private let page: (base: UnsafeMutableRawPointer, host: UnsafeMutableRawPointer)
  private let interruptCounter = Counter()
  /// What was negotiated.
  private(set) var features: UInt64 = 0
  /// Those that `start` set up.
  private(set) var queues: [MockQueue] = []

  final class Counter { var value = 0 }

  /// - Parameter loop: its lock is held while registers are written.
  init(_ device: any VirtioDevice, memory: GuardedMemory = GuardedMemory(), loop: DeviceLoop? = nil) {
    self.memory = memory
    self.loop = loop
    page = GuardedMemory.map(4096)
    transport = MMIOTransport(
      device: device, registers: page.host, memory: memory.regions,
      interrupt: { [interruptCounter] in interruptCounter.value += 1 })
  }

  deinit {
    if let loop { loop.withLock { transport.stop() } } else { transport.stop() }
    GuardedMemory.unmap(base: page.base, count: 4096)
  }

  /// How many interrupts came, for whatever reason.
  var interruptCount: Int { interruptCounter.value }

  // MARK: Registers

  func read(_ register: Register) -> UInt32 { page.host.load(fromByteOffset: register.rawValue, as: UInt32.self) }
  func write(_ register: Register, _ value: UInt32) { write(offset: register.rawValue, UInt64(value), byteCount: 4) }
  func write(offset: Int, _ data: UInt64, byteCount: Int) {
    if let loop {
      _ = loop.withLock { transport.write(offset: offset, data: data, byteCount: byteCount) }
    } else {
      transport.write(offset: offset, data: data, byteCount: byteCount)
    }
  }

  var status: UInt32 {
    get { read(.status) }
    set { write(.status, newValue) }
  }
  var needsReset: Bool { status & Status.needsReset != 0 }
  var interruptStatus: UInt32 { read(.interruptStatus) }

  /// The whole page, as the guest may read it.
  var pageBytes: [UInt8] { [UInt8](UnsafeRawBufferPointer(start: page.host, count: 4096)) }

  /// A field of the configuration space.
  func configuration<Value: FixedWidthInteger>(_ offset: Int, as type: Value.Type = Value.self) -> Value {
    Value(littleEndian: page.host.loadUnaligned(fromByteOffset: 0x100 + offset, as: Value.self))
  }
  func writeConfiguration<Value: FixedWidthInteger>(_ value: Value, at offset: Int) {
    write(offset: 0x100 + offset, UInt64(truncatingIfNeeded: value), byteCount: MemoryLayout<Value>.size)
  }

  func deviceFeatures() -> UInt64 {
    write(.deviceFeaturesSel, 0)
    let low = read(.deviceFeatures)
    write(.deviceFeaturesSel, 1)
    return UInt64(read(.deviceFeatures)) << 32 | UInt64(low)
  }

  // MARK: Initialization, §3.1.1 and §4.2.3.1

  /// The whole sequence: every queue gets as many entries as the device has, but `queueSize` at most.
  ///
  /// - Parameters:
  ///   - features: of those offered, the ones to accept besides VERSION_1.
  ///   - fill: what to do with the queues before the device runs.
  func start(
    features wanted: UInt64 = .max, queueSize: UInt16 = 16, filling fill: ([MockQueue]) -> Void = { _ in }
  ) throws {
    try negotiate(features: wanted)
    queues = []
    var index: UInt32 = 0
    while true {
      write(.queueSel, index)
      let limit = read(.queueNumMax)
      if limit == 0 { break }
      queues.append(try setUpQueue(index, size: min(queueSize, UInt16(limit))))
      index += 1
    }
    fill(queues)
    status |= Status.driverOK
    guard status & Status.driverOK != 0, !needsReset else { throw Refused(why: "DRIVER_OK") }
  }

  /// Steps 1 to 6.
  func negotiate(features wanted: UInt64 = .max) throws {
    guard read(.magicValue) == 0x7472_6976, read(.version) == 2, read(.deviceID) != 0 else {
      throw Refused(why: "no virtio device")
    }
    status = 0
    guard status == 0 else { throw Refused(why: "reset") }
    status |= Status.acknowledge
    status |= Status.driver
    features = deviceFeatures() & (wanted | Feature.version1)
    write(.driverFeaturesSel, 0)
    write(.driverFeatures, UInt32(truncatingIfNeeded: features))
    write(.driverFeaturesSel, 1)
    write(.driverFeatures, UInt32(truncatingIfNeeded: features >> 32))
    status |= Status.featuresOK
    guard status & Status.featuresOK != 0 else { throw Refused(why: "FEATURES_OK") }
  }

  /// §4.2.3.2
  func setUpQueue(_ index: UInt32, size: UInt16) throws -> MockQueue {
    write(.queueSel, index)
    guard read(.queueReady) == 0 else { throw Refused(why: "the queue is in use") }
    guard read(.queueNumMax) >= UInt32(size) else { throw Refused(why: "the queue is not that large") }
    let queue = MockQueue(index: index, size: size, driver: self)
    write(.queueNum, UInt32(size))
    writeAddresses(of: queue)
    write(.queueReady, 1)
    guard read(.queueReady) == 1 else { throw Refused(why: "QueueReady") }
    return queue
  }

  func writeAddresses(of queue: MockQueue) {
    write(.queueDescLow, UInt32(truncatingIfNeeded: queue.descriptors))
    write(.queueDescHigh, UInt32(truncatingIfNeeded: queue.descriptors >> 32))
    write(.queueDriverLow, UInt32(truncatingIfNeeded: queue.available))
    write(.queueDriverHigh, UInt32(truncatingIfNeeded: queue.available >> 32))
    write(.queueDeviceLow, UInt32(truncatingIfNeeded: queue.used))
    write(.queueDeviceHigh, UInt32(truncatingIfNeeded: queue.used >> 32))
  }

  /// What an interrupt handler does first: takes the reasons, and acknowledges them.
  func takeInterruptStatus() -> UInt32 {
    let status = interruptStatus
    write(.interruptACK, status)
    return status
  }
}
