import MachineABI
import SeededRandom
import Testing

@testable import GuestKernel

/// The driver and a device in one thread: the main actor.
@MainActor @Suite struct BlockDriverTests {
  /// What a test started and waits for.
  private final class Outcome {
    var hasEnded = false
    var failure: BlockFailure?
  }

  private static func start(
    _ driver: BlockDriver<FakeDevice>, _ operation: BlockError.Operation,
    _ memory: UnsafeMutableRawBufferPointer? = nil,
    offset: UInt64 = 0, byteCount: UInt64? = nil
  ) -> Outcome {
    let outcome = Outcome()
    let address = UInt64(UInt(bitPattern: memory?.baseAddress))
    let count = byteCount ?? UInt64(memory?.count ?? 0)
    Task { @MainActor in
      outcome.failure = await driver.perform(operation, memory: address, offset: offset, byteCount: count)
      outcome.hasEnded = true
    }
    return outcome
  }

  /// Lets tasks run that can.
  private static func settle() async {
    for _ in 0..<200 { await Task.yield() }
  }

  /// Serves the device until everything has ended.
  private static func finish(_ driver: BlockDriver<FakeDevice>, _ disk: FakeDisk, _ outcomes: [Outcome]) async throws {
    for _ in 0..<10_000 where !outcomes.allSatisfy({ $0.hasEnded }) {
      await Task.yield()
      driver.announce()
      try disk.serve()
      try driver.poll()
    }
    #expect(outcomes.allSatisfy { $0.hasEnded })
  }

  private static func buffer(_ count: Int, fill: UInt8 = 0) -> UnsafeMutableRawBufferPointer {
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: count, alignment: 1)
    buffer.initializeMemory(as: UInt8.self, repeating: fill)
    return buffer
  }

  private static func open(_ disk: FakeDisk) throws -> BlockDriver<FakeDevice> {
    try BlockDriver.open(disk.device.record(), page: disk.device)
  }

  @Test func eachOperation() async throws {
    let disk = FakeDisk(
      sectors: 64, features: [VIRTIO_BLK_F_FLUSH, VIRTIO_BLK_F_DISCARD, VIRTIO_BLK_F_WRITE_ZEROES]
    ) {
      $0.max_discard_sectors = 8
      $0.max_write_zeroes_sectors = .max
    }
    let driver = try Self.open(disk)
    let original = disk.contents
    let data = Self.buffer(1024)
    let written = Self.buffer(512, fill: 0xa5)
    let serial = Self.buffer(20)
    defer { [data, written, serial].forEach { $0.deallocate() } }
    for outcome in [
      Self.start(driver, .read, data, offset: 1024), Self.start(driver, .write, written, offset: 5120),
      Self.start(driver, .flush), Self.start(driver, .discard, offset: 6144, byteCount: 20 * 512),
      Self.start(driver, .writeZeroes, offset: 20480, byteCount: 20 * 512), Self.start(driver, .identify, serial),
    ] {
      try await Self.finish(driver, disk, [outcome])
      #expect(outcome.failure == nil)
    }
    #expect(Array(data) == Array(original[1024..<2048]))
    #expect(Array(disk.contents[5120..<5632]) == Array(written))
    #expect(disk.contents[6144..<6144 + 10240].allSatisfy { $0 == 0 })
    #expect(disk.contents[20480..<20480 + 10240].allSatisfy { $0 == 0 })
    #expect(disk.contents[5632..<6144] == original[5632..<6144])
    #expect(String(decoding: serial.prefix(9), as: UTF8.self) == "fake disk")
    #expect(
      disk.requests == [
        FakeDisk.Request(type: 0, sector: 2, byteCount: 1024, segmentCount: 1),
        FakeDisk.Request(type: 1, sector: 10, byteCount: 512, segmentCount: 1),
        FakeDisk.Request(type: 4, sector: 0, byteCount: 0, segmentCount: 0),
        FakeDisk.Request(type: 11, sector: 0, byteCount: 16, segmentCount: 1),
        FakeDisk.Request(type: 11, sector: 0, byteCount: 16, segmentCount: 1),
        FakeDisk.Request(type: 11, sector: 0, byteCount: 16, segmentCount: 1),
        FakeDisk.Request(type: 13, sector: 0, byteCount: 16, segmentCount: 1),
        FakeDisk.Request(type: 8, sector: 0, byteCount: 20, segmentCount: 1),
      ])
  }

  @Test func longRequestsAreSplit() async throws {
    let disk = FakeDisk(sectors: 64, features: [VIRTIO_BLK_F_SIZE_MAX, VIRTIO_BLK_F_SEG_MAX]) {
      $0.size_max = 1000
      $0.seg_max = 3
    }
    let driver = try Self.open(disk)
    #expect(driver.geometry.requestBytes == 2560)
    let data = Self.buffer(6144)
    defer { data.deallocate() }
    let outcome = Self.start(driver, .read, data, offset: 512)
    try await Self.finish(driver, disk, [outcome])
    #expect(outcome.failure == nil)
    #expect(Array(data) == Array(disk.contents[512..<512 + 6144]))
    #expect(disk.requests.map { $0.byteCount } == [2560, 2560, 1024])
    #expect(disk.requests.map { $0.sector } == [1, 6, 11])
    #expect(disk.requests.map { $0.segmentCount } == [3, 3, 2])
  }

  @Test func failures() async throws {
    let disk = FakeDisk(sectors: 64, features: [VIRTIO_BLK_F_SIZE_MAX]) { $0.size_max = 512 }
    let driver = try Self.open(disk)
    disk.failures = [4: 1, 6: 1, 20: 2, 30: 7, 40: 255]
    let data = Self.buffer(512 * 8)
    defer { data.deallocate() }
    for (sector, expected) in [
      // The first part that fails, of two.
      (2, BlockFailure(offset: 2048, byteCount: 512, reason: .deviceFailed(status: 1))),
      (20, BlockFailure(offset: 10240, byteCount: 512, reason: .unsupported)),
      (30, BlockFailure(offset: 15360, byteCount: 512, reason: .deviceFailed(status: 7))),
      (40, BlockFailure(offset: 20480, byteCount: 512, reason: .deviceFailed(status: 255))),
    ] as [(UInt64, BlockFailure)] {
      let outcome = Self.start(driver, .read, data, offset: sector * 512)
      try await Self.finish(driver, disk, [outcome])
      #expect(outcome.failure == expected)
    }
    #expect(driver.queue.inFlightCount == 0)
  }

  /// A device that says "done" but has not written everything.
  @Test func shortReads() async throws {
    let disk = FakeDisk(sectors: 64)
    let driver = try Self.open(disk)
    disk.missing = 1
    let data = Self.buffer(512)
    defer { data.deallocate() }
    let outcome = Self.start(driver, .read, data)
    try await Self.finish(driver, disk, [outcome])
    #expect(outcome.failure == BlockFailure(offset: 0, byteCount: 512, reason: .deviceFailed(status: 255)))
  }

  /// Many tasks' requests are announced together.
  @Test func oneAnnouncementForABatch() async throws {
    let disk = FakeDisk(sectors: 64)
    let driver = try Self.open(disk)
    let data = (0..<32).map { _ in Self.buffer(512) }
    defer { data.forEach { $0.deallocate() } }
    let outcomes = data.enumerated().map { Self.start(driver, .read, $1, offset: UInt64($0) * 512) }
    await Self.settle()
    #expect(driver.queue.inFlightCount == 32)
    driver.announce()
    driver.announce()
    #expect(disk.device.notifications == [0])
    try await Self.finish(driver, disk, outcomes)
    for (index, buffer) in data.enumerated() {
      #expect(Array(buffer) == Array(disk.contents[index * 512..<(index + 1) * 512]))
    }
  }

  /// Who finds the queue full waits for its turn; the device ends requests in any order.
  @Test(arguments: 0..<4) func fullQueue(seed: UInt64) async throws {
    var random = SeededGenerator(seed: seed)
    let disk = FakeDisk(sectors: 256, features: [VIRTIO_BLK_F_SIZE_MAX]) { $0.size_max = 1024 }
    disk.device.largestQueue = 16
    let driver = try Self.open(disk)
    let data = (0..<40).map { _ in Self.buffer(512 * Int.random(in: 1...6, using: &random)) }
    defer { data.forEach { $0.deallocate() } }
    let outcomes = data.enumerated().map { Self.start(driver, .read, $1, offset: UInt64($0) * 512) }
    await Self.settle()
    #expect(driver.queue.inFlightCount == 5)
    var steps = 0
    while !outcomes.allSatisfy({ $0.hasEnded }), steps < 10_000 {
      steps += 1
      disk.hold()
      if !disk.held.isEmpty { try disk.complete(Int.random(in: 0..<disk.held.count, using: &random)) }
      try driver.poll()
      await Task.yield()
    }
    for (index, buffer) in data.enumerated() {
      #expect(outcomes[index].hasEnded && outcomes[index].failure == nil)
      #expect(Array(buffer) == Array(disk.contents[index * 512..<index * 512 + buffer.count]))
    }
    // First come, first served.
    let expected = data.enumerated().flatMap { index, buffer in
      stride(from: 0, to: UInt64(buffer.count / 512), by: 2).map { UInt64(index) + $0 }
    }
    #expect(disk.arrivals == expected)
    #expect(driver.queue.inFlightCount == 0 && driver.queue.freeCount == 16)
  }

  /// A transfer that fails while the rest of it waits for room ends with what is in flight; the next have their turns.
  @Test func failureWhileTheRestWaits() async throws {
    let disk = FakeDisk(sectors: 256, features: [VIRTIO_BLK_F_SIZE_MAX]) { $0.size_max = 512 }
    disk.device.largestQueue = 16
    let driver = try Self.open(disk)
    disk.failures = [0: 1, 2: 1]
    let data = (0..<3).map { _ in Self.buffer(512 * 8) }
    defer { data.forEach { $0.deallocate() } }
    // More often than the queue has entries, so that places of earlier transfers are used again.
    for _ in 0..<20 {
      let outcomes = data.enumerated().map { Self.start(driver, .read, $1, offset: UInt64($0) * 4096) }
      await Self.settle()
      #expect(driver.queue.inFlightCount == 5)
      try await Self.finish(driver, disk, outcomes)
      #expect(outcomes[0].failure == BlockFailure(offset: 0, byteCount: 512, reason: .deviceFailed(status: 1)))
      for index in 1..<3 {
        #expect(outcomes[index].failure == nil)
        #expect(Array(data[index]) == Array(disk.contents[index * 4096..<(index + 1) * 4096]))
      }
      #expect(driver.queue.inFlightCount == 0 && driver.queue.freeCount == 16)
    }
  }

  /// More transfers at once than places are kept for.
  @Test func manyTransfersAtOnce() async throws {
    let disk = FakeDisk(sectors: 256)
    let driver = try Self.open(disk)
    let data = Self.buffer(512 * 256)
    defer { data.deallocate() }
    for _ in 0..<2 {
      let outcomes = (0..<256).map { index in
        let sector = UnsafeMutableRawBufferPointer(rebasing: data[index * 512..<(index + 1) * 512])
        sector.initializeMemory(as: UInt8.self, repeating: 0)
        return Self.start(driver, .read, sector, offset: UInt64(index) * 512)
      }
      try await Self.finish(driver, disk, outcomes)
      #expect(outcomes.allSatisfy { $0.failure == nil })
      #expect(Array(data) == Array(disk.contents[..<data.count]))
    }
  }

  @Test func cancelledTaskWaitsForTheDevice() async throws {
    let disk = FakeDisk(sectors: 64)
    let driver = try Self.open(disk)
    let data = Self.buffer(512)
    defer { data.deallocate() }
    let address = UInt64(UInt(bitPattern: data.baseAddress))
    var hasEnded = false
    let task = Task { @MainActor in
      let failure = await driver.perform(.read, memory: address, offset: 0, byteCount: 512)
      hasEnded = true
      return failure
    }
    await Self.settle()
    task.cancel()
    await Self.settle()
    #expect(!hasEnded && driver.queue.inFlightCount == 1)
    try disk.serve()
    try driver.poll()
    #expect(await task.value == nil)
    #expect(Array(data) == Array(disk.contents[0..<512]))
  }

  @Test func idleness() async throws {
    let disk = FakeDisk(sectors: 64)
    let driver = try Self.open(disk)
    #expect(driver.prepareToIdle() == .nobodyWaits)
    let data = Self.buffer(512)
    defer { data.deallocate() }
    let outcome = Self.start(driver, .read, data)
    await Self.settle()
    driver.announce()
    #expect(driver.prepareToIdle() == .awaitsInterrupt)
    #expect(disk.device.usedEvent == 0)
    try disk.serve()
    #expect(driver.prepareToIdle() == .hasWork)
    try await Self.finish(driver, disk, [outcome])
    #expect(driver.prepareToIdle() == .nobodyWaits)
  }

  /// A device that wanted no notification is at work on the queue: what it completes soon is found without an interrupt, and
  /// none is asked for; what it does not is waited for as ever.
  @Test func deviceAtWorkIsWaitedForWithoutAnInterrupt() async throws {
    let disk = FakeDisk(sectors: 64)
    let driver = try Self.open(disk)
    let data = Self.buffer(512)
    defer { data.deallocate() }
    disk.device.setAvailableEvent(.max)
    let first = Self.start(driver, .read, data)
    await Self.settle()
    driver.announce()
    #expect(disk.device.notifications.isEmpty && driver.queue.isBeingServed)
    let unasked = disk.device.usedEvent
    try disk.serve()
    #expect(driver.prepareToIdle() == .hasWork)
    #expect(disk.device.usedEvent == unasked)
    try await Self.finish(driver, disk, [first])

    let second = Self.start(driver, .read, data)
    await Self.settle()
    driver.announce()
    #expect(driver.prepareToIdle() == .awaitsInterrupt)
    #expect(disk.device.usedEvent == 1)
    try await Self.finish(driver, disk, [second])

    disk.device.setAvailableEvent(2)
    let third = Self.start(driver, .read, data)
    await Self.settle()
    driver.announce()
    #expect(disk.device.notifications.count == 1 && !driver.queue.isBeingServed)
    try await Self.finish(driver, disk, [third])
  }

  /// An interrupt that came when none was asked for any more, and was not acknowledged, kept an edge-triggered line up: the
  /// next one was no edge, and nobody woke up. On a level-triggered one, which other devices may share, nobody slept.
  @Test func everyInterruptIsAcknowledgedBeforeIdling() async throws {
    let disk = FakeDisk(sectors: 64)
    let driver = try BlockDriver.open(disk.device.record(sendsMessages: false), page: disk.device)
    disk.device.raiseInterrupt()
    #expect(driver.prepareToIdle() == .nobodyWaits)
    #expect(disk.device.load32(Int(VIRTIO_MMIO_INTERRUPT_STATUS)) == 0)
    let data = Self.buffer(512)
    defer { data.deallocate() }
    let outcome = Self.start(driver, .read, data)
    await Self.settle()
    driver.announce()
    disk.device.raiseInterrupt()
    #expect(driver.prepareToIdle() == .awaitsInterrupt)
    #expect(disk.device.load32(Int(VIRTIO_MMIO_INTERRUPT_STATUS)) == 0)
    // What completes before the acknowledgement is found without an interrupt.
    try disk.serve()
    disk.device.raiseInterrupt()
    #expect(driver.prepareToIdle() == .hasWork)
    try await Self.finish(driver, disk, [outcome])
  }

  @Test func deviceThatGivesUp() async throws {
    let disk = FakeDisk(sectors: 64)
    let driver = try Self.open(disk)
    let data = Self.buffer(512)
    defer { data.deallocate() }
    let outcome = Self.start(driver, .read, data)
    await Self.settle()
    #expect(driver.prepareToIdle() == .awaitsInterrupt)
    disk.device.addToStatus(VIRTIO_STATUS_DEVICE_NEEDS_RESET)
    #expect(throws: QueueFault.needsReset) { try driver.poll() }
    try await Self.finish(driver, disk, [outcome])
  }

  @Test func hostileCompletions() async throws {
    for misbehave in [
      { $0.device.complete(id: 77, written: 0) }, { $0.device.complete(id: 0, written: 514) },
      { $0.device.usedIndex = 2 },
    ] as [(FakeDisk) -> Void] {
      let disk = FakeDisk(sectors: 64)
      let driver = try Self.open(disk)
      let data = Self.buffer(512)
      // Its task never ends: the device has the buffer for ever.
      _ = Self.start(driver, .read, data)
      await Self.settle()
      misbehave(disk)
      #expect(throws: QueueFault.self) { try driver.poll() }
    }
  }
}
