import Testing

@testable import Virtio

/// The queue registers, and writes that no driver should make (virtio-1.2 §4.2.2, §4.2.3.2).
@Suite struct TransportQueueTests {
  typealias Status = MockDriver.Status

  @Test func queuesBySelector() {
    let driver = MockDriver(EchoDevice(queueSizes: [16, 64, 1]))
    #expect(driver.read(.queueNumMax) == 16)
    for (selector, limit) in [(0, 16), (1, 64), (2, 1), (3, 0), (0x100, 0), (.max, 0)] as [(UInt32, UInt32)] {
      driver.write(.queueSel, selector)
      #expect(driver.read(.queueNumMax) == limit)
      #expect(driver.read(.queueReady) == 0)
    }
  }
  @Test func readyBySelector() throws {
    let driver = MockDriver(EchoDevice())
    try driver.negotiate()
    _ = try driver.setUpQueue(1, size: 64)
    #expect(driver.read(.queueReady) == 1)
    driver.write(.queueSel, 0)
    #expect(driver.read(.queueReady) == 0)
    driver.write(.queueSel, 2)
    #expect(driver.read(.queueReady) == 0)
    driver.write(.queueSel, 1)
    #expect(driver.read(.queueReady) == 1)
    driver.write(.queueReady, 0)
    #expect(driver.read(.queueReady) == 0)
  }

  @Test func queueThatThereIsNot() throws {
    let device = EchoDevice()
    let driver = MockDriver(device)
    try driver.negotiate()
    for selector: UInt32 in [2, 64, .max] {
      driver.write(.queueSel, selector)
      driver.write(.queueNum, 8)
      driver.write(.queueDescLow, 0x10_0000)
      driver.write(.queueReady, 1)
      #expect(driver.read(.queueReady) == 0)
    }
    #expect(!driver.needsReset)
    try driver.start()
    for index: UInt32 in [2, 0x100, 0x1_0000, .max] { driver.write(.queueNotify, index) }
    #expect(device.notifications.isEmpty)
  }

  @Test(
    arguments: [
      (.queueNum, 0), (.queueNum, 3), (.queueNum, 32), (.queueNum, .max), (.queueDescLow, 0x10_0008),
      (.queueDescLow, 0), (.queueDescHigh, 1), (.queueDriverLow, 0x10_0001), (.queueDriverHigh, .max),
      (.queueDeviceLow, 0x10_0002), (.queueDeviceLow, 0x20_0000), (.queueDeviceHigh, 0x8000_0000),
    ] as [(MockDriver.Register, UInt32)])
  func queueThatCannotBe(register: MockDriver.Register, value: UInt32) throws {
    let device = EchoDevice()
    let driver = MockDriver(device)
    try driver.negotiate()
    let queue = MockQueue(index: 0, size: 16, driver: driver)
    driver.write(.queueSel, 0)
    driver.write(.queueNum, 16)
    driver.writeAddresses(of: queue)
    driver.write(register, value)
    driver.write(.queueReady, 1)
    #expect(driver.read(.queueReady) == 0)
    #expect(driver.needsReset)
    #expect(driver.interruptCount == 0)
    driver.status |= Status.driverOK
    #expect(device.features == nil)
    driver.memory.freeAll()
    try driver.start()
    #expect(driver.queues[0].request([[1]], writable: [1]) == [1])
  }

  @Test func readyQueuesDoNotMove() throws {
    let driver = MockDriver(EchoDevice())
    try driver.start()
    let elsewhere = MockQueue(index: 0, size: 8, driver: driver)
    driver.write(.queueSel, 0)
    driver.write(.queueNum, 8)
    driver.writeAddresses(of: elsewhere)
    driver.write(.queueReady, 1)
    #expect(!driver.needsReset)
    #expect(driver.queues[0].request([[1]], writable: [1]) == [1])
    #expect(elsewhere.publishedUsedIndex == 0)
  }
  @Test func queueThatIsMovedBeforeTheStart() throws {
    let driver = MockDriver(EchoDevice())
    try driver.negotiate()
    let first = try driver.setUpQueue(0, size: 16)
    driver.write(.queueReady, 0)
    let second = try driver.setUpQueue(0, size: 8)
    driver.status |= Status.driverOK
    #expect(second.request([[1]], writable: [1]) == [1])
    #expect(first.publishedUsedIndex == 0)
  }
  @Test func queueEnabledAfterTheStart() throws {
    let driver = MockDriver(EchoDevice())
    try driver.start()
    driver.write(.queueSel, 1)
    driver.write(.queueReady, 0)
    #expect(!driver.needsReset)
    driver.write(.queueReady, 1)
    #expect(driver.needsReset)
    #expect(driver.interruptStatus == 2)
    #expect(driver.read(.queueReady) == 0)
  }
  /// Once, requests of a queue that was taken back went on.
  @Test func deviceIsDoneWithAQueueBeforeItReadsAsNotReady() throws {
    let device = EchoDevice()
    device.completesAtOnce = false
    let driver = MockDriver(device)
    try driver.start()
    let buffer = driver.memory.allocate(16)
    for queue in driver.queues {
      queue.add([.writable(buffer, 1)])
      queue.kick()
    }
    var readyWhenStopped: UInt32?
    device.whenQueueStops = { [unowned driver] in readyWhenStopped = driver.read(.queueReady) }
    driver.write(.queueSel, 0)
    // Once more says nothing new.
    for _ in 0..<2 {
      driver.write(.queueReady, 0)
      #expect(driver.read(.queueReady) == 0)
      #expect(device.stoppedQueues == [0])
    }
    #expect(readyWhenStopped == 1)
    // The other queue goes on.
    device.release()
    #expect(driver.queues[0].publishedUsedIndex == 0)
    #expect(driver.queues[1].collect().count == 1)
    #expect(!driver.needsReset)
    driver.queues[0].notify()
    #expect(device.notifications == [0, 1])
  }
  @Test func queueOfADeviceThatNeverRanIsNoneOfItsBusiness() throws {
    let device = EchoDevice()
    let driver = MockDriver(device)
    try driver.negotiate()
    _ = try driver.setUpQueue(0, size: 16)
    driver.write(.queueReady, 0)
    #expect(driver.read(.queueReady) == 0)
    #expect(device.stoppedQueues.isEmpty)
  }
  @Test func readyIsZeroOrOne() throws {
    let driver = MockDriver(EchoDevice())
    try driver.negotiate()
    _ = try driver.setUpQueue(0, size: 16)
    for value: UInt32 in [2, 3, .max, 0x1_0000] {
      driver.write(.queueReady, value)
      #expect(driver.read(.queueReady) == 1)
    }
  }

  @Test func addressesOfSixtyFourBits() throws {
    let driver = MockDriver(EchoDevice(queueSizes: [8]))
    try driver.negotiate()
    let highest = GuardedMemory.highest.address
    driver.write(.queueSel, 0)
    driver.write(.queueNum, 8)
    for (register, address) in [
      (MockDriver.Register.queueDescLow, highest), (.queueDriverLow, highest + 0x100),
      (.queueDeviceLow, highest + 0x200),
    ] {
      // In either order, and more than once.
      driver.write(offset: register.rawValue + 4, address >> 32, byteCount: 4)
      driver.write(register, 0xdead_beef)
      driver.write(register, UInt32(truncatingIfNeeded: address))
    }
    driver.write(.queueReady, 1)
    #expect(driver.read(.queueReady) == 1)
    #expect(!driver.needsReset)
  }

  // MARK: Accesses that are none

  @Test func otherWidthsAndAlignmentsAreIgnored() throws {
    let device = EchoDevice()
    let driver = MockDriver(device)
    try driver.start()
    let page = driver.pageBytes
    for offset in 0..<0x100 {
      for byteCount in [0, 1, 2, 3, 8] { driver.write(offset: offset, 0, byteCount: byteCount) }
      if offset % 4 != 0 { driver.write(offset: offset, 0, byteCount: 4) }
    }
    #expect(driver.pageBytes == page)
    #expect(device.stops == 0)
    #expect(device.notifications.isEmpty)
  }
  @Test func placesThatAreNoWritableRegister() throws {
    let writable: Set<Int> = [
      0x14, 0x20, 0x24, 0x30, 0x38, 0x44, 0x50, 0x64, 0x70, 0x80, 0x84, 0x90, 0x94, 0xa0, 0xa4,
    ]
    let device = EchoDevice()
    let driver = MockDriver(device)
    try driver.start()
    let page = driver.pageBytes
    for offset in stride(from: 0, to: 0x100, by: 4) where !writable.contains(offset) {
      for value: UInt64 in [0, 1, 0xffff_ffff] { driver.write(offset: offset, value, byteCount: 4) }
    }
    for offset in [-4, -1, .min, .max, 0x10c, 0x110, 0xffc, 0x1000, 0x1_0000_0050, 1 << 40] {
      for byteCount in [1, 2, 4, 8] { driver.write(offset: offset, 0, byteCount: byteCount) }
    }
    #expect(driver.pageBytes == page)
    #expect(device.configurationWrites.isEmpty)
  }
  @Test func bytesBehindTheAccessDoNotMatter() {
    let driver = MockDriver(EchoDevice())
    driver.write(offset: 0x70, 0xffff_ffff_0000_0001, byteCount: 4)
    #expect(driver.status == 1)
    driver.writeConfiguration(UInt8(9), at: 0)
    driver.write(offset: 0x101, 0xffff_ffff_ffff_ff08, byteCount: 1)
    #expect(driver.configuration(0, as: UInt32.self) == 0x0302_0809)
  }
  @Test func thereIsNoSharedMemory() {
    let driver = MockDriver(EchoDevice())
    for selector: UInt32 in [0, 1, .max] {
      driver.write(.shmSel, selector)
      for register: MockDriver.Register in [.shmLenLow, .shmLenHigh, .shmBaseLow, .shmBaseHigh] {
        #expect(driver.read(register) == .max)
      }
    }
  }
  @Test func everythingElseReadsAsZero() {
    let driver = MockDriver(EchoDevice())
    let described: Set<Int> = [0x00, 0x04, 0x08, 0x0c, 0x10, 0x34, 0xb0, 0xb4, 0xb8, 0xbc, 0x100, 0x104, 0x108]
    for (offset, byte) in driver.pageBytes.enumerated() where !described.contains(offset / 4 * 4) {
      #expect(byte == 0, "at \(offset)")
    }
  }

  // MARK: Configuration space

  @Test func configurationIsReadAndWritten() {
    let device = EchoDevice()
    let driver = MockDriver(device)
    #expect((0..<12).map { driver.configuration($0, as: UInt8.self) } == Array(0..<12))
    #expect(driver.configuration(12, as: UInt32.self) == 0)
    let generation = driver.read(.configGeneration)
    driver.writeConfiguration(UInt8(0xaa), at: 1)
    driver.writeConfiguration(UInt16(0xbbcc), at: 2)
    #expect(driver.configuration(0, as: UInt32.self) == 0xbbcc_aa00)
    driver.writeConfiguration(UInt32(0x1234_5678), at: 0)
    #expect(driver.configuration(0, as: UInt32.self) == 0x1234_5678)
    #expect(driver.read(.configGeneration) != generation)
    #expect(device.configurationWrites.map(\.value) == [0xaa, 0xbbcc, 0x1234_5678])
    #expect(device.configurationWrites.map(\.byteCount) == [1, 2, 4])
    #expect(device.configurationWrites.map(\.offset) == [1, 2, 0])
    // A field that cannot be written stays, and so does the generation.
    let changed = driver.read(.configGeneration)
    driver.writeConfiguration(UInt32(0), at: 8)
    #expect(driver.configuration(8, as: UInt32.self) == 0x0b0a_0908)
    #expect(driver.read(.configGeneration) == changed)
    #expect(driver.interruptCount == 0)
  }
  @Test func configurationWritesThatAreNone() {
    let device = EchoDevice()
    let driver = MockDriver(device)
    driver.write(offset: 0x101, 0, byteCount: 2)
    driver.write(offset: 0x102, 0, byteCount: 4)
    driver.write(offset: 0x100, 0, byteCount: 8)
    driver.write(offset: 0x100, 0, byteCount: 3)
    driver.write(offset: 0x100, 0, byteCount: 0)
    driver.write(offset: 0x100, 0, byteCount: -1)
    driver.write(offset: 0x10c, 0, byteCount: 1)
    driver.write(offset: 0x10c, 0, byteCount: 4)
    driver.write(offset: .max, 0, byteCount: 1)
    #expect(device.configurationWrites.isEmpty)
    driver.write(offset: 0x10b, 0, byteCount: 1)
    #expect(device.configurationWrites.map(\.offset) == [11])
  }
  @Test func devicesWithoutConfiguration() {
    let device = EchoDevice()
    device.configuration = []
    let driver = MockDriver(device)
    driver.write(offset: 0x100, 0, byteCount: 1)
    driver.write(offset: 0x100, 0, byteCount: 4)
    #expect(device.configurationWrites.isEmpty)
  }
  @Test func changesAreTold() throws {
    let device = EchoDevice()
    let driver = MockDriver(device)
    device.configuration[5] = 77
    driver.transport.configurationChanged()
    // Shown at once; told from DRIVER_OK on.
    #expect(driver.configuration(5, as: UInt8.self) == 77)
    #expect(driver.interruptCount == 0)
    try driver.start()
    let generation = driver.read(.configGeneration)
    device.configuration[11] = 78
    driver.transport.configurationChanged()
    #expect(driver.configuration(11, as: UInt8.self) == 78)
    #expect(driver.read(.configGeneration) != generation)
    #expect(driver.interruptCount == 1)
    #expect(driver.takeInterruptStatus() == 2)
  }
  @Test func resetShowsTheDevicesOwnConfiguration() throws {
    let device = EchoDevice()
    let driver = MockDriver(device)
    try driver.start()
    device.configuration[0] = 200
    driver.status = 0
    #expect(driver.configuration(0, as: UInt8.self) == 200)
  }
}
