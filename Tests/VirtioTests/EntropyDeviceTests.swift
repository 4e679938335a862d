import Testing

@testable import Virtio

@Suite struct EntropyDeviceTests {
  private let device = EntropyDevice()
  private let driver: MockDriver
  private var queue: MockQueue { driver.queues[0] }

  init() throws {
    driver = MockDriver(device)
    try driver.start()
  }

  @Test func fillsWhatIsAskedForAndNothingElse() {
    let address = driver.memory.allocate(128)
    queue.add([.writable(address, 64)])
    queue.kick()
    #expect(queue.collect().map(\.count) == [64])
    #expect(driver.interruptCount == 1)
    #expect(driver.memory.bytes(address, count: 64) != [UInt8](repeating: 0, count: 64))
    #expect(driver.memory.bytes(address + 64, count: 64) == [UInt8](repeating: 0, count: 64))
  }

  @Test func twoRequestsGetDifferentBytesAndOneInterrupt() {
    let address = driver.memory.allocate(64)
    queue.add([.writable(address, 32)])
    queue.add([.writable(address + 32, 32)])
    queue.kick()
    #expect(queue.collect().map(\.count) == [32, 32])
    #expect(driver.memory.bytes(address, count: 32) != driver.memory.bytes(address + 32, count: 32))
    #expect(driver.interruptCount == 1)
  }

  @Test func severalBuffersAreFilled() {
    let address = driver.memory.allocate(0x200)
    queue.add([.writable(address, 16), .writable(address + 0x100, 16)])
    queue.kick()
    #expect(queue.collect().map(\.count) == [32])
    let zeroes = [UInt8](repeating: 0, count: 16)
    #expect(driver.memory.bytes(address, count: 16) != zeroes)
    #expect(driver.memory.bytes(address + 16, count: 16) == zeroes)
    #expect(driver.memory.bytes(address + 0x100, count: 16) != zeroes)
  }

  /// All of memory, several times over, costs no more than the limit.
  @Test func aRequestIsBounded() {
    let count = 0x4_0000
    let address = driver.memory.allocate(count)
    queue.add((0..<8).map { _ in .writable(address, count) })
    queue.kick()
    #expect(queue.collect().map(\.count) == [UInt32(EntropyDevice.requestLimit)])
    let behind = driver.memory.bytes(address + UInt64(EntropyDevice.requestLimit), count: 4096)
    #expect(behind == [UInt8](repeating: 0, count: 4096))
  }

  @Test(arguments: [true, false]) func aBufferThatIsNotForWritingBreaksTheDevice(isReadable: Bool) {
    let address = driver.memory.allocate(16)
    queue.add([isReadable ? .readable(address, 16) : .writable(address, 0)])
    queue.kick()
    #expect(queue.collect() == [])
    #expect(driver.needsReset)
  }

  @Test func nothingIsServedAfterAReset() throws {
    let address = driver.memory.allocate(16)
    let old = queue
    driver.status = 0
    old.add([.writable(address, 16)])
    device.queueNotified(0)
    #expect(old.collect() == [])
    #expect(driver.memory.bytes(address, count: 16) == [UInt8](repeating: 0, count: 16))
    try driver.start()
    #expect(driver.queues[0].request([], writable: [16])?.count == 16)
  }
}
