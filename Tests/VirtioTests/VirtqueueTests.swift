import Testing

@testable import Virtio

/// The device side of a split virtqueue against a driver that may do as it likes (virtio-1.2 §2.7).
@Suite struct VirtqueueTests {
  private let device = EchoDevice(queueSizes: [8])
  private let driver: MockDriver

  init() { driver = MockDriver(device) }

  /// A queue of `size`, set up and running.
  private func start(features: UInt64 = .max, size: UInt16 = 8) throws -> (MockQueue, UInt64) {
    try driver.start(features: features, queueSize: size)
    return (driver.queues[0], driver.memory.allocate(0x100))
  }
  private var failure: String? { driver.transport.failure.map { "\($0)" } }

  // MARK: The available ring

  @Test(arguments: [9, 10, 0x7fff, 0x8000, 0xffff] as [UInt16]) func indexJump(by jump: UInt16) throws {
    let (queue, _) = try start()
    queue.publishedAvailableIndex = jump
    queue.notify()
    #expect(driver.needsReset)
    #expect(failure == "available index jumped")
    #expect(device.chainsPerNotification == [0])
  }
  @Test func indexThatGoesBack() throws {
    let (queue, buffer) = try start()
    for _ in 0..<3 {
      queue.add([.readable(buffer, 1)])
      queue.kick()
    }
    queue.publishedAvailableIndex = 2
    queue.notify()
    #expect(failure == "available index jumped")
  }
  @Test func wholeQueueAtOnce() throws {
    let (queue, buffer) = try start()
    for _ in 0..<8 { #expect(queue.add([.readable(buffer, 1)]) != nil) }
    #expect(queue.add([.readable(buffer, 1)]) == nil)
    queue.kick()
    #expect(device.chainsPerNotification == [8])
    #expect(queue.collect().count == 8)
    #expect(!driver.needsReset)
  }

  @Test func headAvailableTwiceAtOnce() throws {
    let (queue, buffer) = try start()
    device.completesAtOnce = false
    queue.setDescriptor(2, address: buffer, count: 1, flags: 0)
    queue.makeAvailable(2)
    queue.makeAvailable(2)
    queue.notify()
    #expect(device.held.count == 1)
    #expect(failure == "head made available twice")
    // What is given back now goes nowhere.
    device.release()
    #expect(queue.publishedUsedIndex == 0)
  }
  @Test func headAvailableAgainBeforeItIsUsed() throws {
    let (queue, buffer) = try start()
    device.completesAtOnce = false
    queue.setDescriptor(2, address: buffer, count: 1, flags: 0)
    queue.makeAvailable(2)
    queue.notify()
    queue.makeAvailable(2)
    queue.notify()
    #expect(device.held.count == 1)
    #expect(failure == "head made available twice")
  }
  @Test func headAvailableAgainAfterItWasUsed() throws {
    let (queue, buffer) = try start()
    queue.setDescriptor(2, address: buffer, count: 1, flags: 0)
    for _ in 0..<20 {
      queue.makeAvailable(2)
      queue.notify()
    }
    #expect(!driver.needsReset)
    #expect(queue.publishedUsedIndex == 20)
  }

  @Test func queueOfOne() throws {
    let (queue, buffer) = try start(size: 1)
    for round in 0..<70000 {
      queue.add([.writable(buffer, 1)])
      queue.kick()
      guard queue.collect().count == 1 else {
        Issue.record("nothing came back in round \(round)")
        return
      }
    }
    #expect(!driver.needsReset)
  }

  // MARK: Giving back

  @Test func outOfOrder() throws {
    let (queue, buffer) = try start()
    device.completesAtOnce = false
    let heads = (0..<5).map { queue.add([.writable(buffer + 16 * UInt64($0), $0 + 1)])! }
    queue.kick()
    #expect(device.queues[0].inFlight == 5)
    #expect(queue.collect().isEmpty)
    device.release()
    #expect(device.queues[0].inFlight == 0)
    #expect(queue.collect() == (0..<5).reversed().map { MockQueue.Used(head: heads[$0], count: UInt32($0 + 1)) })
    #expect(driver.interruptCount == 1)
  }

  @Test func givingBackTwiceEndsTheProcess() async {
    await #expect(processExitsWith: .failure) {
      let device = EchoDevice(queueSizes: [8])
      let driver = MockDriver(device)
      try driver.start()
      driver.queues[0].add([.readable(driver.memory.allocate(16), 1)])
      driver.queues[0].kick()
      device.queues[0].complete(head: driver.queues[0].collect()[0].head, written: 0)
    }
  }

  @Test func lengthsAreWhatTheDeviceSays() throws {
    let (queue, buffer) = try start()
    #expect(queue.request([[1, 2], [3]], writable: [1, 5]) == [1, 2, 3, 1, 2, 3])
    #expect(queue.request([], writable: [3]) == [0xee, 0xee, 0xee])
    #expect(queue.request([[1]]) == [])
    // Readable and writable at once: the device sees what it writes, and no more.
    driver.memory.store([1, 2, 3, 4] as [UInt8], at: buffer)
    queue.add([.readable(buffer, 4), .writable(buffer + 2, 4)])
    queue.kick()
    #expect(queue.collect().map(\.count) == [4])
    #expect(driver.memory.bytes(buffer, count: 7) == [1, 2, 1, 2, 3, 4, 0])
  }

  @Test func buffersThatAreTheRings() throws {
    // Whatever the device writes there, it is the driver's own.
    for place in 0..<3 {
      driver.memory.freeAll()
      let (queue, _) = try start()
      let ring = [queue.descriptors, queue.available, queue.used][place]
      for _ in 0..<4 { queue.add([.readable(ring, 16), .writable(ring, 22)]) }
      queue.notify()
      #expect(device.chainsPerNotification.last! <= 8)
    }
  }

  // MARK: One turn

  @Test func chainsThatTheDeviceItselfMakesAvailable() throws {
    let (queue, buffer) = try start()
    // Each answer is the available index that comes next.
    let writer = driver.memory.allocate(16 * 16)
    for index: UInt16 in 0..<8 {
      driver.memory.store(index + 2, at: buffer + 2 * UInt64(index))
      queue.setDescriptor(
        at: writer + 32 * UInt64(index), address: buffer + 2 * UInt64(index), count: 2, flags: MockQueue.Flag.next,
        next: 1)
      queue.setDescriptor(
        at: writer + 32 * UInt64(index) + 16, address: queue.available + 2, count: 2, flags: MockQueue.Flag.write)
      queue.setDescriptor(
        index, address: writer + 32 * UInt64(index), count: 32, flags: MockQueue.Flag.indirect)
      driver.memory.store(index, at: queue.available + 4 + 2 * UInt64(index))
    }
    queue.publishedAvailableIndex = 1
    #expect(driver.transport.write(offset: 0x50, data: 0, byteCount: 4))
    #expect(device.chainsPerNotification == [8])
    #expect(!driver.needsReset)
    // Asked again, it goes on; the ninth answer is an index that goes back.
    #expect(!driver.transport.write(offset: 0x50, data: 0, byteCount: 4))
    #expect(device.chainsPerNotification == [8, 1])
    #expect(failure == "available index jumped")
  }
  @Test func fullQueueIsOneTurn() throws {
    let (queue, buffer) = try start()
    for _ in 0..<3 {
      for _ in 0..<8 { queue.add([.readable(buffer, 1)]) }
      #expect(!driver.transport.write(offset: 0x50, data: 0, byteCount: 4))
      _ = queue.collect()
    }
    #expect(device.chainsPerNotification == [8, 8, 8])
  }

  // MARK: Disabled queues

  @Test func queueThatTheDriverDidNotEnable() throws {
    let device = EchoDevice(queueSizes: [8, 8])
    let driver = MockDriver(device)
    try driver.negotiate()
    _ = try driver.setUpQueue(1, size: 4)
    driver.status |= MockDriver.Status.driverOK
    #expect(device.queues.map(\.size) == [0, 4])
    #expect(device.queues[0].next() == nil)
    device.queues[0].notifyDriver()
    device.queues[0].complete(head: 7, written: 1)
    driver.write(.queueNotify, 0)
    #expect(device.notifications == [])
  }
  @Test func queueDisabledWithChainsInFlight() throws {
    let (queue, buffer) = try start()
    device.completesAtOnce = false
    queue.add([.writable(buffer, 1)])
    queue.add([.writable(buffer, 1)])
    queue.kick()
    driver.write(.queueSel, 0)
    driver.write(.queueReady, 0)
    #expect(driver.read(.queueReady) == 0)
    let rings = driver.memory.bytes(queue.used, count: 6 + 64)
    device.release()
    #expect(device.queues[0].next() == nil)
    queue.add([.writable(buffer, 1)])
    queue.notify()
    #expect(driver.memory.bytes(queue.used, count: 6 + 64) == rings)
    #expect(driver.interruptCount == 0)
    #expect(!driver.needsReset)
  }
}
