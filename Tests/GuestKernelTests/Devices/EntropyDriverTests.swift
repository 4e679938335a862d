import MachineABI
import Testing

@testable import GuestKernel

@Suite struct EntropyDriverTests {
  @Test func seedsAreAskedForFromTimeToTime() throws {
    let device = FakeDevice()
    device.kind = UInt32(VIRTIO_ID_ENTROPY)
    var seeds: [[UInt8]] = []
    let driver = try EntropyDriver.open(device.record(), page: device) { seeds.append(Array($0)) }
    driver.requestSeed()
    driver.requestSeed()
    #expect(driver.queue.inFlightCount == 1)
    #expect(driver.prepareToIdle() == .nobodyWaits)

    // In two pieces.
    for (count, value) in [(20, 1), (12, 2)] as [(Int, UInt8)] {
      let chain = try #require(device.takeAvailable())
      for index in 0..<count { chain.writable[0][index] = value }
      device.complete(id: UInt32(chain.head), written: UInt32(count))
      try driver.poll()
    }
    #expect(seeds == [[UInt8](repeating: 1, count: 20) + [UInt8](repeating: 2, count: 12)])
    #expect(device.takeAvailable() == nil)

    driver.generatorGave(1 << 19)
    #expect(device.takeAvailable() == nil)
    driver.generatorGave(1 << 19)
    // A device that gives nothing is asked again when the generator is used again.
    device.complete(id: UInt32(try #require(device.takeAvailable()).head), written: 0)
    try driver.poll()
    #expect(device.takeAvailable() == nil && seeds.count == 1)
    driver.generatorGave(1)
    let chain = try #require(device.takeAvailable())
    for index in 0..<32 { chain.writable[0][index] = 3 }
    device.complete(id: UInt32(chain.head), written: 32)
    try driver.poll()
    #expect(seeds.count == 2 && seeds[1] == [UInt8](repeating: 3, count: 32))
    driver.generatorGave(100)
    #expect(device.takeAvailable() == nil)
  }
}
