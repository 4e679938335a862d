import Testing

@testable import Virtio

/// A busy disk's requests are looked for on the devices' thread, and the driver tells of none meanwhile (virtio-1.2 §2.7.10).
@Suite final class QueuePollerTests {
  private typealias Harness = BlockHarness

  private static let batch = QueuePoller.busyChainCount

  /// What the poller is told of its thread's time.
  private final class Clock {
    var time = ThreadTime(elapsed: 1_000_000, onProcessor: 1_000_000)
  }

  private let clock = Clock()
  private let disk: DiskFile
  private let block: Harness
  private let header: MockQueue.Buffer
  private let data: [MockQueue.Buffer]
  private let status: MockQueue.Buffer

  init() throws {
    disk = try DiskFile(sectors: 8)
    let clock = clock
    block = try Harness(disk.path) { clock.time }
    let block = block
    header = block.readable(Harness.header(Harness.RequestType.read, sector: 5))
    data = (0..<16).map { _ in block.writable(512) }
    status = block.writable(1)
  }

  private func add(_ count: Int) {
    for index in 0..<count { #expect(block.queue.add([header, data[index % data.count], status]) != nil) }
  }

  /// Adds requests, tells of them if the device wants to know, and expects them back at once.
  private func submit(_ count: Int) {
    add(count)
    block.queue.kick()
    #expect(block.queue.collect().count == count)
  }

  /// Makes the queue so busy that it is looked at.
  private func makeBusy() {
    for _ in 0..<QueuePoller.busyNotificationCount { submit(Self.batch) }
    add(1)
    #expect(!block.queue.kick(), "the device looks by itself")
  }

  /// Has the device look so many times.
  private func look(_ count: Int = 1) {
    for _ in 0..<count { #expect(block.loop.poll(timeout: 0) == 1) }
  }

  private var isLookedAt: Bool { block.loop.poll(timeout: 0) == 1 }

  @Test func busyQueueIsLookedAt() {
    makeBusy()
    look()
    #expect(block.queue.collect().count == 1)
    for count in [1, 3, 20] {
      add(count)
      #expect(!block.queue.kick())
      look()
      let used = block.queue.collect()
      #expect(used.count == count && used.allSatisfy { $0.count == 513 })
    }
    #expect(block.memory.bytes(data[0].address, count: 512) == DiskFile.sector(5))
  }

  @Test func interruptsComeAsEver() {
    makeBusy()
    look()
    _ = block.queue.collect()
    let before = block.driver.interruptCount
    add(3)
    look()
    #expect(block.driver.interruptCount == before + 1)
  }

  @Test func fewRequestsAtATimeAreNotBusy() {
    for _ in 0..<3 * QueuePoller.busyNotificationCount { submit(Self.batch - 1) }
    #expect(!isLookedAt)
    add(1)
    #expect(block.queue.kick())
  }

  @Test func notificationsThatAreNotInARowAreNotBusy() {
    for _ in 0..<3 {
      for _ in 0..<QueuePoller.busyNotificationCount - 1 { submit(Self.batch) }
      submit(1)
    }
    #expect(!isLookedAt)
  }

  @Test func endsWhenNothingComes() {
    makeBusy()
    look()
    _ = block.queue.collect()
    look(QueuePoller.looksInVainLimit + 1)
    #expect(!isLookedAt)
    // As before, to the next time that it is busy.
    submit(2)
    makeBusy()
    look()
  }

  @Test func aRequestStartsThePatienceAnew() {
    makeBusy()
    for _ in 0..<5 {
      look()
      _ = block.queue.collect()
      look(QueuePoller.looksInVainLimit - 1)
      add(1)
    }
    look()
    #expect(block.queue.collect().count == 1)
  }

  /// When the driver is told to notify again, it may be adding more than a turn has, and nobody tells of the rest: the looking
  /// ends only when it finds nothing. (It did not look again, and an image waited for ever.)
  @Test func whatComesAsLookingEndsIsFound() {
    makeBusy()
    look()
    _ = block.queue.collect()
    look(QueuePoller.looksInVainLimit)
    // Told to notify again, but not before the driver has decided not to.
    for _ in 0..<3 {
      add(Self.batch)
      look()
      #expect(block.queue.collect().count == Self.batch)
    }
    look()
    #expect(!isLookedAt)
    add(1)
    #expect(block.queue.isNotificationWanted)
  }

  /// A driver that sleeps until it is interrupted does not work at the same time: there is no processor for it. The next
  /// attempt comes later each time.
  @Test func endsWhereTheDriverSleepsMeanwhile() {
    var notifications = QueuePoller.busyNotificationCount
    for _ in 0..<4 {
      for _ in 0..<notifications - 1 { submit(Self.batch) }
      #expect(!isLookedAt)
      submit(Self.batch)
      for _ in 0..<QueuePoller.turnsBetweenReviews + 1 {
        add(1)
        look()
        // Which asks for an interrupt at the next.
        _ = block.queue.collect()
      }
      look()
      #expect(!isLookedAt)
      notifications *= 2
    }
  }

  /// A thread that is kept from its processor leaves it to those who want it; one that has it most of the time goes on.
  @Test(arguments: [QueuePoller.waitingPercentLimit - 1, QueuePoller.waitingPercentLimit])
  func endsWhereOthersWantTheProcessor(waiting: UInt64) {
    makeBusy()
    // One that notes where it begins, and one in which the driver is asked to tell again.
    for _ in 0..<QueuePoller.turnsBetweenReviews + 2 {
      look()
      _ = block.queue.collect()
      // Behind everything: no interrupt is wanted.
      block.queue.usedEvent = block.queue.usedIndex &- 1
      clock.time.elapsed += 1000
      clock.time.onProcessor += 10 * (100 - waiting)
      add(1)
    }
    #expect(block.queue.isNotificationWanted == (waiting >= QueuePoller.waitingPercentLimit))
  }

  @Test func resetWhileLooking() throws {
    makeBusy()
    block.driver.status = 0
    #expect(!isLookedAt)
    try block.driver.start(queueSize: 64)
    submit(3)
    makeBusy()
    look()
    #expect(block.queue.collect().count == 1)
  }

  @Test func brokenQueueIsNotLookedAtForEver() {
    makeBusy()
    look()
    block.queue.makeAvailable(0xffff)
    look()
    #expect(block.driver.needsReset)
    look(QueuePoller.looksInVainLimit)
    #expect(!isLookedAt)
  }
}
