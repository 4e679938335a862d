import Testing

@testable import Virtio

/// The registers as a driver finds them (virtio-1.2 §4.2.2), in and out of order (§3.1.1).
@Suite struct TransportTests {
  typealias Status = MockDriver.Status
  typealias Feature = MockDriver.Feature

  @Test func identifiesItself() {
    let driver = MockDriver(EchoDevice())
    #expect(driver.read(.magicValue) == 0x7472_6976)
    #expect(driver.read(.version) == 2)
    #expect(driver.read(.deviceID) == 4095)
    #expect(driver.read(.vendorID) == 0x4c54_444e)
    #expect(driver.status == 0)
  }

  @Test func wholeSequence() throws {
    let device = EchoDevice()
    let driver = MockDriver(device)
    try driver.start()
    #expect(driver.status == 15)
    #expect(device.features == 1 << 3 | 1 << 28 | 1 << 29 | 1 << 32)
    #expect(driver.queues.map(\.size) == [16, 16])
    #expect(driver.queues[1].request([[1, 2, 3]], writable: [2, 3]) == [1, 2, 3, 1, 2])
    #expect(driver.queues[0].request([[7], [8]], writable: [2], indirect: true) == [7, 8])
    #expect(driver.interruptCount == 2)
    #expect(driver.takeInterruptStatus() == 1)
    #expect(driver.interruptStatus == 0)
    #expect(
      driver.transport.counters == [
        QueueCounters(notifications: 1, interrupts: 1, chains: 1),
        QueueCounters(notifications: 1, interrupts: 1, chains: 1),
      ])
  }

  // MARK: Features

  @Test func deviceFeaturesBySelector() {
    let driver = MockDriver(EchoDevice())
    #expect(driver.read(.deviceFeatures) == 1 << 3 | 1 << 28 | 1 << 29)
    driver.write(.deviceFeaturesSel, 1)
    #expect(driver.read(.deviceFeatures) == 1)
    for selector: UInt32 in [2, 3, 0x8000_0000, .max] {
      driver.write(.deviceFeaturesSel, selector)
      #expect(driver.read(.deviceFeatures) == 0)
    }
    driver.write(.deviceFeaturesSel, 0)
    #expect(driver.read(.deviceFeatures) == 1 << 3 | 1 << 28 | 1 << 29)
  }

  /// Writes features by selector, and returns whether the device takes FEATURES_OK.
  private func areTaken(_ features: [(selector: UInt32, bits: UInt32)], by driver: MockDriver) -> Bool {
    driver.status = 0
    driver.status = Status.acknowledge
    driver.status |= Status.driver
    for (selector, bits) in features {
      driver.write(.driverFeaturesSel, selector)
      driver.write(.driverFeatures, bits)
    }
    driver.status |= Status.featuresOK
    return driver.status == 11
  }
  @Test func featuresThatAreTaken() {
    let driver = MockDriver(EchoDevice())
    #expect(areTaken([(1, 1)], by: driver))
    #expect(areTaken([(1, 1), (0, 1 << 29 | 1 << 28 | 1 << 3)], by: driver))
    // A word can be written anew.
    #expect(areTaken([(0, .max), (1, .max), (0, 1 << 3), (1, 1)], by: driver))
    #expect(areTaken([(1, 1), (2, 0)], by: driver))
  }
  @Test func featuresThatAreRefused() {
    let driver = MockDriver(EchoDevice())
    #expect(!areTaken([], by: driver))
    #expect(!areTaken([(0, 1 << 3)], by: driver))
    #expect(!areTaken([(1, 1), (0, 1 << 4)], by: driver))
    #expect(!areTaken([(1, 3)], by: driver))
    #expect(!areTaken([(1, 1), (2, 1)], by: driver))
    #expect(!areTaken([(1, 1), (.max, 1)], by: driver))
    #expect(driver.status == 3)
    #expect(driver.interruptCount == 0)
    // What was wrong is forgotten by a reset alone.
    #expect(areTaken([(1, 1)], by: driver))
  }
  @Test func featuresAreFrozenOnceAgreed() throws {
    let device = EchoDevice()
    let driver = MockDriver(device)
    try driver.negotiate(features: 0)
    driver.write(.driverFeaturesSel, 0)
    driver.write(.driverFeatures, 1 << 3)
    driver.status |= Status.driverOK
    #expect(device.features == 1 << 32)
  }

  // MARK: Status

  @Test func statusBitsOutOfOrder() {
    let driver = MockDriver(EchoDevice())
    driver.status = Status.driver
    #expect(driver.status == 0)
    driver.status = Status.featuresOK
    #expect(driver.status == 0)
    driver.status = Status.acknowledge
    driver.write(.driverFeaturesSel, 1)
    driver.write(.driverFeatures, 1)
    driver.status = Status.acknowledge | Status.featuresOK
    #expect(driver.status == Status.acknowledge)
    // Several at once are as good as one after the other.
    driver.status = Status.acknowledge | Status.driver | Status.featuresOK
    #expect(driver.status == 11)
  }
  @Test func statusBitsCannotBeCleared() throws {
    let device = EchoDevice()
    let driver = MockDriver(device)
    try driver.start()
    for value: UInt32 in [1, 2, 3, 7, 8, 11, 14, 128, 64, 0xffff_fff0] {
      driver.status = value
      #expect(driver.status == 15)
    }
    #expect(device.stops == 0)
  }
  @Test func bitsThatThereAreNotAndThatOfTheDevice() {
    let driver = MockDriver(EchoDevice())
    driver.status = 0xffff_ff70 | Status.acknowledge
    #expect(driver.status == Status.acknowledge)
  }
  @Test func failedAtAnyTime() throws {
    let driver = MockDriver(EchoDevice())
    driver.status = Status.failed
    #expect(driver.status == Status.failed)
    driver.status = 0
    #expect(driver.status == 0)
    try driver.start()
    driver.status |= Status.failed
    #expect(driver.status == 15 | Status.failed)
  }
  @Test func driverOKWithoutFeatures() {
    let device = EchoDevice()
    let driver = MockDriver(device)
    driver.status = 3
    driver.status = 3 | Status.driverOK
    #expect(driver.status == 3 | Status.needsReset)
    // §2.1.2: DRIVER_OK is not set, so nobody is told.
    #expect(driver.interruptCount == 0)
    #expect(device.features == nil)
    // Only a reset helps.
    driver.write(.driverFeaturesSel, 1)
    driver.write(.driverFeatures, 1)
    driver.status |= Status.featuresOK
    driver.status |= Status.driverOK
    #expect(driver.status & Status.driverOK == 0)
    #expect(device.features == nil)
    driver.status = 0
    #expect(driver.status == 0)
  }
  @Test func driverOKTwiceStartsOnce() throws {
    let device = EchoDevice()
    let driver = MockDriver(device)
    try driver.start()
    let queues = device.queues.map { ObjectIdentifier($0) }
    driver.status = 15
    #expect(device.queues.map { ObjectIdentifier($0) } == queues)
  }
  @Test func nothingIsServedBeforeDriverOK() throws {
    let device = EchoDevice()
    let driver = MockDriver(device)
    try driver.negotiate()
    let queue = try driver.setUpQueue(0, size: 8)
    queue.add([.readable(driver.memory.allocate(16), 1)])
    queue.notify()
    #expect(device.notifications.isEmpty)
    #expect(queue.publishedUsedIndex == 0)
    // It is there when the device starts.
    driver.status |= Status.driverOK
    queue.notify()
    #expect(queue.collect().count == 1)
  }

  // MARK: Needs reset

  @Test func breachOfOneQueueStopsAll() throws {
    let device = EchoDevice()
    device.completesAtOnce = false
    let driver = MockDriver(device)
    try driver.start()
    let buffer = driver.memory.allocate(16)
    driver.queues[1].add([.writable(buffer, 1)])
    driver.queues[1].kick()
    driver.queues[0].makeAvailable(99)
    driver.queues[0].notify()
    #expect(driver.status == 15 | Status.needsReset)
    #expect(driver.interruptCount == 1)
    #expect(driver.takeInterruptStatus() == 2)
    device.release()
    driver.queues[1].add([.writable(buffer, 1)])
    driver.queues[1].notify()
    #expect(driver.queues[1].publishedUsedIndex == 0)
    #expect(driver.interruptCount == 1)
    // The device's own bit is no bit that the driver fails to keep.
    driver.status = 15 | Status.failed
    #expect(driver.status == 15 | Status.needsReset | Status.failed)
    // And a reset makes everything good.
    driver.memory.freeAll()
    device.completesAtOnce = true
    try driver.start()
    #expect(driver.status == 15)
    #expect(driver.queues[1].request([[5]], writable: [1]) == [5])
  }

  // MARK: Reset

  @Test func resetAtEveryStep() throws {
    let device = EchoDevice()
    let driver = MockDriver(device)
    let initial = driver.pageBytes
    driver.status = 0
    #expect(driver.pageBytes == initial)
    let steps: [(MockDriver.Register, UInt32)] = [
      (.status, 1), (.status, 3), (.deviceFeaturesSel, 1), (.driverFeaturesSel, 1), (.driverFeatures, 1),
      (.status, 11), (.queueSel, 1), (.queueNum, 8), (.queueDescLow, 0x10_0000), (.queueDriverLow, 0x10_1000),
      (.queueDeviceLow, 0x10_2000), (.queueReady, 1), (.status, 15), (.queueNotify, 1), (.queueReady, 0),
      (.status, 15 | 128),
    ]
    for count in 1...steps.count {
      for (register, value) in steps[..<count] { driver.write(register, value) }
      let stops = device.stops, isStarted = driver.transport.isStarted
      #expect(isStarted == (count >= 13))
      driver.status = 0
      #expect(driver.pageBytes == initial, "after \(count) steps")
      #expect(device.stops == stops + (isStarted ? 1 : 0))
      #expect(!driver.transport.isStarted)
    }
    // Nothing of the selectors, features or addresses is left.
    driver.status = 3
    driver.status = 11
    #expect(driver.status == 3)
    driver.write(.queueReady, 1)
    #expect(driver.needsReset)
  }
  @Test func resetWithChainsInFlight() throws {
    let device = EchoDevice()
    device.completesAtOnce = false
    let driver = MockDriver(device)
    try driver.start()
    let queue = driver.queues[0], rings = device.queues[0]
    let head = queue.add([.writable(driver.memory.allocate(16), 1)])!
    queue.kick()
    driver.status = 0
    // A device that comes too late reaches nothing.
    rings.complete(head: head, written: 1)
    rings.notifyDriver()
    rings.fail("too late")
    #expect(rings.next() == nil)
    #expect(queue.publishedUsedIndex == 0)
    #expect(driver.interruptCount == 0)
    #expect(driver.status == 0)
    queue.notify()
    #expect(device.notifications == [0])
    #expect(driver.transport.counters[0] == QueueCounters(notifications: 1, interrupts: 0, chains: 1))
    // Counters go on after a reset.
    driver.memory.freeAll()
    device.completesAtOnce = true
    try driver.start()
    #expect(driver.queues[0].request([[1]]) == [])
    #expect(driver.transport.counters[0] == QueueCounters(notifications: 2, interrupts: 1, chains: 2))
  }
  @Test func stopIsAReset() throws {
    let device = EchoDevice()
    let driver = MockDriver(device)
    try driver.start()
    driver.transport.stop()
    #expect(device.stops == 1)
    driver.transport.stop()
    #expect(device.stops == 1)
    #expect(driver.status == 0)
  }

  // MARK: Interrupts

  @Test func acknowledging() throws {
    let driver = MockDriver(EchoDevice())
    try driver.start()
    #expect(driver.queues[0].request([[1]]) != nil)
    driver.transport.configurationChanged()
    #expect(driver.interruptStatus == 3)
    driver.write(.interruptACK, 0xffff_fffc)
    #expect(driver.interruptStatus == 3)
    driver.write(.interruptACK, 1)
    #expect(driver.interruptStatus == 2)
    driver.write(.interruptStatus, 0)
    #expect(driver.interruptStatus == 2)
    driver.write(.interruptACK, .max)
    #expect(driver.interruptStatus == 0)
    driver.write(.interruptACK, .max)
    #expect(driver.interruptStatus == 0)
  }
}
