import Testing

@testable import Virtio

/// Indirect descriptor tables (virtio-1.2 §2.7.5.3).
@Suite struct IndirectTableTests {
  typealias Flag = MockQueue.Flag
  private let device = EchoDevice(queueSizes: [8])
  private let driver: MockDriver
  private let queue: MockQueue
  private var memory: GuardedMemory { driver.memory }
  private let buffer: UInt64
  private let table: UInt64

  init() throws {
    driver = MockDriver(device)
    device.completesAtOnce = false
    try driver.start(queueSize: 8)
    queue = driver.queues[0]
    buffer = driver.memory.allocate(0x1000)
    table = driver.memory.allocate(0x1000)
  }

  /// The number of buffers in the chain at 0; nil if it is refused.
  private func buffers() -> Int? {
    queue.makeAvailable(0)
    queue.notify()
    #expect(device.held.isEmpty == driver.needsReset)
    return device.held.last.map { $0.chain.readable.count + $0.chain.writable.count }
  }
  private var refusal: String? {
    #expect(buffers() == nil)
    return driver.transport.failure.map { "\($0)" }
  }

  /// A straight chain of buffers of one byte.
  private func fill(_ table: UInt64, _ count: Int) {
    for index in 0..<count {
      queue.setDescriptor(
        at: table + 16 * UInt64(index), address: buffer + UInt64(index), count: 1,
        flags: index == count - 1 ? 0 : Flag.next, next: UInt16(index + 1))
    }
  }

  @Test func asManyBuffersAsTheQueueHasEntries() {
    fill(table, 8)
    queue.setDescriptor(0, address: table, count: 128, flags: Flag.indirect)
    #expect(buffers() == 8)
  }
  @Test func oneMore() {
    fill(table, 9)
    queue.setDescriptor(0, address: table, count: 144, flags: Flag.indirect)
    #expect(refusal == "chain longer than the queue")
  }
  @Test func largerTableWithAShortChain() {
    // §2.7.5.3.1 limits the chain; the table may be larger.
    fill(table, 3)
    queue.setDescriptor(0, address: table, count: 0x1000, flags: Flag.indirect)
    #expect(buffers() == 3)
  }
  @Test func behindOrdinaryDescriptors() {
    // §2.7.5.3.2: "zero or more normal chained descriptors followed by a single descriptor with INDIRECT".
    fill(table, 6)
    queue.setDescriptor(0, address: buffer, count: 1, flags: Flag.next, next: 4)
    queue.setDescriptor(4, address: buffer, count: 1, flags: Flag.next, next: 2)
    queue.setDescriptor(2, address: table, count: 96, flags: Flag.indirect)
    #expect(buffers() == 8)
  }
  @Test func behindOrdinaryDescriptorsAndTooLong() {
    fill(table, 8)
    queue.setDescriptor(0, address: buffer, count: 1, flags: Flag.next, next: 4)
    queue.setDescriptor(4, address: table, count: 128, flags: Flag.indirect)
    #expect(refusal == "chain longer than the queue")
  }
  @Test func writeFlagOfTheTableIsIgnored() {
    // §2.7.5.3.2; were it not, the readable buffers in the table would be in the wrong place.
    fill(table, 2)
    queue.setDescriptor(0, address: table, count: 32, flags: Flag.indirect | Flag.write)
    #expect(buffers() == 2)
  }
  @Test func anyOrderInTheTable() {
    queue.setDescriptor(at: table, address: buffer, count: 1, flags: Flag.next, next: 3)
    queue.setDescriptor(at: table + 48, address: buffer, count: 1, flags: Flag.next | Flag.write, next: 1)
    queue.setDescriptor(at: table + 16, address: buffer, count: 1, flags: Flag.write)
    queue.setDescriptor(0, address: table, count: 64, flags: Flag.indirect)
    #expect(buffers() == 3)
  }
  @Test func atAnyAddress() {
    // §2.7.5.3: "anywhere in memory".
    fill(table + 3, 2)
    queue.setDescriptor(0, address: table + 3, count: 32, flags: Flag.indirect)
    #expect(buffers() == 2)
  }
  @Test func inReadOnlyMemory() {
    // What is there decides; here, that the device does not need to write the table. Its first bytes are 0, 7, 14, ...
    queue.setDescriptor(0, address: GuardedMemory.readOnly.address, count: 16, flags: Flag.indirect)
    #expect(buffers() == nil)
    #expect(driver.transport.failure.map { "\($0)" } != "indirect table outside memory")
  }

  @Test(arguments: [0, 1, 15, 17, 31, 0xffff_ffff] as [UInt32]) func noTableOfDescriptors(count: UInt32) {
    fill(table, 1)
    queue.setDescriptor(0, address: table, count: count, flags: Flag.indirect)
    #expect(refusal == "indirect table that is no table of descriptors")
  }
  @Test(
    arguments: [
      GuardedMemory.main.address - 16, GuardedMemory.main.address + UInt64(GuardedMemory.main.count) - 16,
      GuardedMemory.upper.address - 16, 0, .max - 31,
    ] as [UInt64])
  func outsideMemory(address: UInt64) {
    queue.setDescriptor(0, address: address, count: 32, flags: Flag.indirect)
    #expect(refusal == "indirect table outside memory")
  }
  @Test func hugeTable() {
    queue.setDescriptor(0, address: table, count: 0xffff_fff0, flags: Flag.indirect)
    #expect(refusal == "indirect table outside memory")
  }
  @Test func tableInATable() {
    queue.setDescriptor(at: table, address: table + 16, count: 16, flags: Flag.indirect)
    queue.setDescriptor(0, address: table, count: 32, flags: Flag.indirect)
    #expect(refusal == "indirect descriptor inside an indirect table")
  }
  @Test func tableThatIsItsOwnEntry() {
    queue.setDescriptor(at: table, address: table, count: 16, flags: Flag.indirect)
    queue.setDescriptor(0, address: table, count: 16, flags: Flag.indirect)
    #expect(refusal == "indirect descriptor inside an indirect table")
  }
  @Test func descriptorBehindATable() {
    fill(table, 1)
    queue.setDescriptor(0, address: table, count: 16, flags: Flag.indirect | Flag.next, next: 1)
    #expect(refusal == "descriptor behind an indirect one")
  }
  @Test func nextOutsideTheIndirectTable() {
    // Inside the queue's own table it would be.
    queue.setDescriptor(at: table, address: buffer, count: 1, flags: Flag.next, next: 2)
    queue.setDescriptor(0, address: table, count: 32, flags: Flag.indirect)
    #expect(refusal == "next descriptor outside its table")
  }
  @Test func loopInATable() {
    queue.setDescriptor(at: table, address: buffer, count: 0, flags: Flag.next, next: 0)
    queue.setDescriptor(0, address: table, count: 16, flags: Flag.indirect)
    #expect(refusal == "chain longer than the queue")
  }
  @Test func theQueuesOwnTableAsIndirectTable() {
    queue.setDescriptor(1, address: buffer, count: 1, flags: 0)
    queue.setDescriptor(0, address: queue.descriptors + 16, count: 16, flags: Flag.indirect)
    #expect(buffers() == 1)
  }

  @Test func notNegotiated() throws {
    try driver.start(features: MockDriver.Feature.eventIndex, queueSize: 8)
    let queue = driver.queues[0]
    queue.setDescriptor(at: table, address: buffer, count: 1, flags: 0)
    queue.setDescriptor(0, address: table, count: 16, flags: Flag.indirect)
    queue.makeAvailable(0)
    queue.notify()
    #expect(driver.needsReset)
    #expect(driver.transport.failure.map { "\($0)" } == "indirect descriptor that was not negotiated")
  }
}
