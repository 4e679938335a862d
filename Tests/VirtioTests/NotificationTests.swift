import SeededRandom
import Testing

@testable import Virtio

/// Who tells whom, and when (virtio-1.2 §2.7.7, §2.7.10), over the wrap of the 16-bit indices.
@Suite struct NotificationTests {
  private static let withoutEventIndex = ~MockDriver.Feature.eventIndex

  @Test func interruptsWithoutEventIndex() throws {
    let driver = MockDriver(EchoDevice())
    try driver.start(features: Self.withoutEventIndex)
    let queue = driver.queues[0]
    #expect(queue.request([[1]]) != nil)
    #expect(driver.interruptCount == 1)
    queue.availableFlags = 1
    #expect(queue.request([[1]]) != nil)
    #expect(driver.interruptCount == 1)
    // §2.7.7.2: used_event is ignored.
    queue.availableFlags = 0
    queue.usedEvent = 0x4000
    #expect(queue.request([[1]]) != nil)
    #expect(driver.interruptCount == 2)
    #expect(queue.usedFlags == 0)
  }

  @Test func flagsAreIgnoredWithEventIndex() throws {
    let driver = MockDriver(EchoDevice())
    try driver.start()
    let queue = driver.queues[0]
    queue.availableFlags = 1
    #expect(queue.request([[1]]) != nil)
    #expect(driver.interruptCount == 1)
  }

  @Test func nothingUsedIsNoInterrupt() throws {
    let device = EchoDevice()
    let driver = MockDriver(device)
    try driver.start()
    driver.queues[0].notify()
    device.queues[0].notifyDriver()
    #expect(driver.interruptCount == 0)
    #expect(driver.interruptStatus == 0)
  }

  @Test func interruptStatusIsSetBeforeTheInterrupt() throws {
    let memory = GuardedMemory()
    let page = GuardedMemory.map(4096)
    defer { GuardedMemory.unmap(base: page.base, count: 4096) }
    var seen: [UInt32] = []
    let device = EchoDevice()
    let transport = MMIOTransport(
      device: device, registers: page.host, memory: memory.regions,
      interrupt: { seen.append(page.host.load(fromByteOffset: 0x60, as: UInt32.self)) })
    for (offset, value) in [
      (0x70, 1), (0x70, 3), (0x24, 1), (0x20, 1), (0x70, 11), (0x38, 4), (0x80, 0x10_0000), (0x90, 0x10_1000),
      (0xa0, 0x10_2000), (0x44, 1), (0x70, 15),
    ] {
      transport.write(offset: offset, data: UInt64(value), byteCount: 4)
    }
    memory.store(UInt16(1), at: 0x10_1002)
    transport.write(offset: 0x50, data: 0, byteCount: 4)
    #expect(seen == [1])
    memory.store(UInt16(100), at: 0x10_1002)
    transport.write(offset: 0x50, data: 0, byteCount: 4)
    #expect(seen == [1, 3])
    transport.stop()
  }

  /// §2.7.7.2, entry by entry: the device must notify if any entry that it wrote since it last did is at `used_event`.
  @Test func interruptsFollowUsedEvent() throws {
    var random = SeededGenerator(seed: 1)
    let device = EchoDevice()
    device.completesAtOnce = false
    let driver = MockDriver(device)
    try driver.start(queueSize: 16)
    let queue = driver.queues[0], buffer = driver.memory.allocate(16)
    var expected = 0
    var total = 0
    while total < 70_000 {
      let count = Int.random(in: 1...16, using: &random)
      for _ in 0..<count { queue.add([.writable(buffer, 1)]) }
      queue.notify()
      let old = queue.usedIndex
      let event = old &+ UInt16(truncatingIfNeeded: Int.random(in: -20...20, using: &random))
      queue.usedEvent = event
      device.release()
      if (0..<count).contains(where: { old &+ UInt16($0) == event }) { expected += 1 }
      guard driver.interruptCount == expected, queue.collect().count == count else {
        Issue.record("\(driver.interruptCount) interrupts, not \(expected), after \(total) buffers")
        return
      }
      total += count
    }
    #expect(driver.transport.counters[0].interrupts == UInt64(expected))
    #expect(driver.transport.counters[0].chains == UInt64(total))
  }

  /// More completions than the index counts, and no interrupt asked for meanwhile.
  @Test func interruptAfterALongSilence() throws {
    let device = EchoDevice()
    let driver = MockDriver(device)
    try driver.start(queueSize: 1)
    let rings = device.queues[0], queue = driver.queues[0], buffer = driver.memory.allocate(16)
    queue.setDescriptor(0, address: buffer, count: 1, flags: 0)
    for _ in 0..<65536 {
      queue.makeAvailable(0)
      rings.complete(head: try #require(rings.next()).head, written: 0)
    }
    queue.usedEvent = 12345
    rings.notifyDriver()
    #expect(driver.interruptCount == 1)
  }

  /// A driver that notifies only when it must (§2.7.10.1) is never left waiting, and notifies once a batch.
  @Test(arguments: [UInt64.max, withoutEventIndex]) func noNotificationIsMissed(features: UInt64) throws {
    var random = SeededGenerator(seed: 2)
    let device = EchoDevice()
    let driver = MockDriver(device)
    try driver.start(features: features, queueSize: 16)
    let queue = driver.queues[0], buffer = driver.memory.allocate(16)
    var batches = 0
    var total = 0
    while total < 70_000 {
      let count = Int.random(in: 1...16, using: &random)
      for _ in 0..<count { queue.add([.writable(buffer, 1)]) }
      guard queue.kick(), queue.collect().count == count else {
        Issue.record("the driver waits for ever after \(total) buffers")
        return
      }
      batches += 1
      total += count
    }
    #expect(device.notifications.count == batches)
    #expect(driver.transport.counters[0].notifications == UInt64(batches))
    #expect(driver.transport.notificationCount(queue: 0) == UInt64(batches))
    #expect(driver.transport.notificationCount(queue: 1) == 0)
  }

  @Test func availableEventIsSetWhenTheDeviceStarts() throws {
    let driver = MockDriver(EchoDevice())
    try driver.negotiate()
    let queue = try driver.setUpQueue(0, size: 8)
    queue.availableEvent = 0x1234
    driver.status |= MockDriver.Status.driverOK
    #expect(queue.availableEvent == 0)
  }
}
