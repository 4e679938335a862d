import Testing

@testable import Virtio

@Suite struct TransportTests {
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
  }
}
