import MachineABI
import Testing

@testable import Virtio

@Suite struct EntropyDeviceTests {
  /// A device with its queue; the driver's chains are those posted before.
  private static func started(_ plain: PlainQueue) -> EntropyDevice {
    let device = EntropyDevice()
    device.start(features: 0, queues: [plain.queue])
    return device
  }

  @Test func fillsWhatIsAskedForAndNothingElse() throws {
    let plain = try PlainQueue()
    let device = Self.started(plain)
    let address = plain.postWritable(64)
    device.queueNotified(0)
    #expect(plain.takeUsed() == [.init(head: 0, written: 64)])
    #expect(plain.interrupts == 1)
    #expect(plain.bytes(at: address, count: 64) != [UInt8](repeating: 0, count: 64))
    #expect(plain.bytes(at: address + 64, count: 64) == [UInt8](repeating: 0, count: 64))
  }

  @Test func twoRequestsAreNotTheSameAndOneInterrupt() throws {
    let plain = try PlainQueue()
    let device = Self.started(plain)
    let first = plain.postWritable(32)
    let second = plain.postWritable(32, head: 1)
    device.queueNotified(0)
    #expect(plain.takeUsed() == [.init(head: 0, written: 32), .init(head: 1, written: 32)])
    #expect(plain.bytes(at: first, count: 32) != plain.bytes(at: second, count: 32))
    #expect(plain.interrupts == 1)
  }

  @Test func severalBuffersAreFilledInOrder() throws {
    let plain = try PlainQueue()
    let device = Self.started(plain)
    let start = PlainQueue.buffers
    plain.post([
      .init(address: start, count: 16, isForDevice: true), .init(address: start + 0x100, count: 16, isForDevice: true),
    ])
    device.queueNotified(0)
    #expect(plain.takeUsed() == [.init(head: 0, written: 32)])
    #expect(plain.bytes(at: start + 0x100, count: 16) != [UInt8](repeating: 0, count: 16))
    #expect(plain.bytes(at: start + 0x10, count: 16) == [UInt8](repeating: 0, count: 16))
  }

  /// All of memory, many times over, costs no more than the limit.
  @Test func aRequestIsBounded() throws {
    let plain = try PlainQueue()
    let device = Self.started(plain)
    plain.post(
      (0..<8).map { _ in .init(address: PlainQueue.buffers, count: 1 << 20, isForDevice: true) })
    device.queueNotified(0)
    #expect(plain.takeUsed() == [.init(head: 0, written: UInt32(EntropyDevice.requestLimit))])
    let behind = plain.bytes(at: PlainQueue.buffers + UInt64(EntropyDevice.requestLimit), count: 4096)
    #expect(behind == [UInt8](repeating: 0, count: 4096))
  }

  @Test func aBufferToReadBreaksTheQueue() throws {
    let plain = try PlainQueue()
    let device = Self.started(plain)
    plain.post([
      .init(address: PlainQueue.buffers, count: 16, isForDevice: false),
      .init(address: PlainQueue.buffers + 16, count: 16, isForDevice: true),
    ])
    device.queueNotified(0)
    #expect(plain.failure?.contains("entropy") == true)
    #expect(plain.takeUsed() == [])
  }

  @Test func aChainPostedBeforeTheStartIsServedAndNoneAfterTheStop() throws {
    let plain = try PlainQueue()
    plain.postWritable(8)
    let device = Self.started(plain)
    #expect(plain.takeUsed() == [.init(head: 0, written: 8)])
    device.stop()
    plain.postWritable(8)
    device.queueNotified(0)
    #expect(plain.takeUsed() == [])
  }
}
