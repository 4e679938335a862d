import Testing

@testable import Virtio

/// Which chains a device takes, and what a driver gets that makes others (virtio-1.2 §2.7.4 to §2.7.6).
@Suite struct DescriptorChainTests {
  typealias Flag = MockQueue.Flag
  private let device = EchoDevice(queueSizes: [8])
  private let driver: MockDriver
  private let queue: MockQueue
  private var memory: GuardedMemory { driver.memory }
  private let buffer: UInt64

  init() throws {
    driver = MockDriver(device)
    device.completesAtOnce = false
    try driver.start(queueSize: 8)
    queue = driver.queues[0]
    buffer = driver.memory.allocate(0x1000)
  }

  /// What the device makes of a chain that begins at `head`.
  private func take(at head: UInt16 = 0) -> DescriptorChain? {
    queue.makeAvailable(head)
    let before = device.held.count
    queue.notify()
    return device.held.count > before ? device.held.last?.chain : nil
  }
  /// Why the device will not go on after a chain that begins at `head`; nil if it does.
  private func refusal(at head: UInt16 = 0) -> String? {
    let interrupts = driver.interruptCount
    guard take(at: head) == nil else { return nil }
    // §2.1.2
    #expect(driver.needsReset)
    #expect(driver.interruptCount == interrupts + 1)
    #expect(driver.interruptStatus & 2 != 0)
    #expect(device.queues[0].next() == nil)
    return driver.transport.failure.map { "\($0)" }
  }
  private func host(_ address: UInt64) -> UnsafeRawPointer { UnsafeRawPointer(memory.host(address, count: 1)) }

  @Test func oneBuffer() throws {
    queue.setDescriptor(5, address: buffer, count: 100, flags: 0)
    let chain = try #require(take(at: 5))
    #expect(chain.head == 5)
    #expect(chain.readable.map(\.baseAddress) == [host(buffer)])
    #expect(chain.readable.map(\.count) == [100])
    #expect(chain.writable.isEmpty)
  }

  @Test func readableThenWritableInTheOrderOfTheChain() throws {
    queue.setDescriptor(3, address: buffer, count: 16, flags: Flag.next, next: 7)
    queue.setDescriptor(7, address: GuardedMemory.readOnly.address, count: 32, flags: Flag.next, next: 0)
    queue.setDescriptor(0, address: buffer + 512, count: 1, flags: Flag.next | Flag.write, next: 6)
    queue.setDescriptor(6, address: buffer + 64, count: 2, flags: Flag.write)
    let chain = try #require(take(at: 3))
    #expect(chain.readable.map(\.baseAddress) == [host(buffer), host(GuardedMemory.readOnly.address)])
    #expect(chain.readable.map(\.count) == [16, 32])
    #expect(chain.writable.map { UnsafeRawPointer($0.baseAddress!) } == [host(buffer + 512), host(buffer + 64)])
    #expect(chain.writable.map(\.count) == [1, 2])
  }

  @Test func asLongAsTheQueue() throws {
    for index: UInt16 in 0..<8 {
      queue.setDescriptor(
        index, address: buffer + UInt64(index), count: 1, flags: index == 7 ? 0 : Flag.next, next: index + 1)
    }
    #expect(try #require(take()).readable.count == 8)
  }

  @Test func nothingIsLeftOfAChainThatWasTakenBefore() {
    device.limit = 0
    var chain = DescriptorChain()
    for (index, flags) in [Flag.next, Flag.next, Flag.next | Flag.write, Flag.write].enumerated() {
      let index = UInt16(index)
      queue.setDescriptor(index, address: buffer + 16 * UInt64(index), count: 16, flags: flags, next: index + 1)
    }
    queue.setDescriptor(4, address: buffer + 100, count: 1, flags: 0)
    queue.setDescriptor(5, address: buffer + 200, count: 2, flags: Flag.write)
    for (head, readable, writable) in [(0, 2, 2), (4, 1, 0), (5, 0, 1)] as [(UInt16, Int, Int)] {
      queue.makeAvailable(head)
      #expect(device.queues[0].takeNext(into: &chain))
      #expect(chain.head == head)
      #expect(chain.readable.count == readable && chain.writable.count == writable)
    }
    #expect(chain.writable.map { UnsafeRawPointer($0.baseAddress!) } == [host(buffer + 200)])
  }

  @Test func loopOfOne() {
    queue.setDescriptor(0, address: buffer, count: 1, flags: Flag.next, next: 0)
    #expect(refusal() == "chain longer than the queue")
  }
  @Test func loopOfEmptyBuffers() {
    queue.setDescriptor(0, address: buffer, count: 0, flags: Flag.next, next: 1)
    queue.setDescriptor(1, address: buffer, count: 0, flags: Flag.next, next: 0)
    #expect(refusal() == "chain longer than the queue")
  }
  @Test func loopThroughTheWholeTable() {
    for index: UInt16 in 0..<8 {
      queue.setDescriptor(index, address: buffer, count: 1, flags: Flag.next, next: (index + 1) % 8)
    }
    #expect(refusal() == "chain longer than the queue")
  }

  @Test(arguments: [8, 9, 0x7fff, 0x8000, 0xffff] as [UInt16]) func headOutsideTheTable(head: UInt16) {
    #expect(refusal(at: head) == "available head outside the table")
  }
  @Test(arguments: [8, 0x7fff, 0xffff] as [UInt16]) func nextOutsideTheTable(next: UInt16) {
    queue.setDescriptor(0, address: buffer, count: 1, flags: Flag.next, next: next)
    #expect(refusal() == "next descriptor outside its table")
  }
  @Test func nextWithoutTheFlagDoesNotMatter() {
    queue.setDescriptor(0, address: buffer, count: 1, flags: 0, next: 0xffff)
    #expect(refusal() == nil)
  }
  @Test func flagsThatThereAreNotDoNotMatter() {
    queue.setDescriptor(0, address: buffer, count: 1, flags: 0xfff8)
    #expect(refusal() == nil)
  }

  @Test func readableBehindWritable() {
    queue.setDescriptor(0, address: buffer, count: 1, flags: Flag.next | Flag.write, next: 1)
    queue.setDescriptor(1, address: buffer, count: 1, flags: 0)
    #expect(refusal() == "readable buffer behind a writable one")
  }
  @Test func emptyReadableBehindEmptyWritable() {
    queue.setDescriptor(0, address: buffer, count: 0, flags: Flag.next | Flag.write, next: 1)
    queue.setDescriptor(1, address: buffer, count: 0, flags: 0)
    #expect(refusal() == "readable buffer behind a writable one")
  }

  @Test func emptyBuffersAreNoBuffersWhereverTheyAre() throws {
    queue.setDescriptor(0, address: .max, count: 0, flags: Flag.next, next: 1)
    queue.setDescriptor(1, address: buffer, count: 4, flags: Flag.next, next: 2)
    queue.setDescriptor(2, address: 0, count: 0, flags: Flag.next | Flag.write, next: 3)
    queue.setDescriptor(3, address: GuardedMemory.readOnly.address, count: 0, flags: Flag.write)
    let chain = try #require(take())
    #expect(chain.readable.map(\.count) == [4])
    #expect(chain.writable.isEmpty)
  }
  @Test func nothingButEmptyBuffers() throws {
    queue.setDescriptor(0, address: 0, count: 0, flags: 0)
    let chain = try #require(take())
    #expect(chain.readable.isEmpty && chain.writable.isEmpty)
    device.release()
    #expect(driver.memory.load(queue.used + 8, as: UInt32.self) == 0)
    #expect(queue.publishedUsedIndex == 1)
  }

  @Test func readOnlyMemoryIsNotWritable() {
    queue.setDescriptor(0, address: GuardedMemory.readOnly.address + 8, count: 1, flags: Flag.write)
    #expect(refusal() == "writable buffer outside writable memory")
  }

  /// A buffer, and whether memory has it.
  struct Place: Sendable {
    var address: UInt64
    var count: UInt32
    var isMemory: Bool
  }
  static let places: [Place] =
    GuardedMemory.usualAreas.flatMap { area in
      let end = area.address + UInt64(area.count)
      return [
        Place(address: area.address, count: UInt32(area.count), isMemory: true),
        Place(address: end - 1, count: 1, isMemory: true),
        Place(address: end - 1, count: 2, isMemory: false),
        Place(address: area.address, count: UInt32(area.count) + 1, isMemory: false),
        Place(address: area.address, count: .max, isMemory: false),
        Place(address: end - 0x800, count: 0x801, isMemory: false),
        Place(address: end - 1, count: .max, isMemory: false),
      ]
        + (area.address == GuardedMemory.upper.address
          ? [] : [Place(address: area.address - 1, count: 2, isMemory: false)])
    } + [
      Place(address: GuardedMemory.upper.address - 1, count: 2, isMemory: false),
      Place(address: GuardedMemory.lower.address, count: 0x8000, isMemory: false),
      Place(address: 0, count: 1, isMemory: false),
      Place(address: .max, count: 1, isMemory: false),
      Place(address: .max, count: .max, isMemory: false),
      Place(address: .max - 15, count: 16, isMemory: false),
      Place(address: 0x8000_0000_0000_0000, count: 1, isMemory: false),
      Place(address: GuardedMemory.main.address + 1 << 32, count: 1, isMemory: false),
    ]
  @Test(arguments: places) func edgesOfMemory(place: Place) {
    queue.setDescriptor(0, address: place.address, count: place.count, flags: 0)
    #expect(refusal() == (place.isMemory ? nil : "readable buffer outside memory"))
  }
  @Test(arguments: places) func edgesOfWritableMemory(place: Place) {
    let isWritable = place.isMemory && !(0x20_0000..<0x21_0000).contains(place.address)
    queue.setDescriptor(0, address: place.address, count: place.count, flags: Flag.write)
    #expect(refusal() == (isWritable ? nil : "writable buffer outside writable memory"))
  }
}

/// Chains so long that they need memory of their own (virtio-1.2 §2.7.5.2).
@Suite struct LongChainTests {
  @Test func fourGibibytesAndNoMore() throws {
    let gibibyte = 1 << 30
    let memory = GuardedMemory([
      GuardedMemory.Area(address: 0, count: 0x1_0000), GuardedMemory.Area(address: 1 << 32, count: gibibyte),
    ])
    for extra: UInt32 in [0, 1] {
      memory.freeAll()
      let device = EchoDevice(queueSizes: [8])
      device.completesAtOnce = false
      device.readsAndWrites = false
      let driver = MockDriver(device, memory: memory)
      try driver.start(queueSize: 8)
      let queue = driver.queues[0]
      for index: UInt16 in 0..<5 {
        queue.setDescriptor(
          index, address: 1 << 32, count: index == 4 ? extra : UInt32(gibibyte),
          flags: index == 4 ? 0 : MockQueue.Flag.next,
          next: index + 1)
      }
      queue.makeAvailable(0)
      queue.notify()
      #expect(device.held.count == (extra == 0 ? 1 : 0))
      #expect(driver.needsReset == (extra == 1))
    }
  }
}
