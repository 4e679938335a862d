import CLinux
import KVM
import MachineABI
import Testing

@testable import Virtio

/// Frames on their way to the driver, from a socket that keeps messages apart.
@Suite struct NetworkReceiveTests {
  private static let headerSize = NetworkUnderTest.headerSize
  private static let merging = feature(VIRTIO_NET_F_MRG_RXBUF) | MockDriver.Feature.eventIndex
  private static func header(_ bufferCount: UInt8) -> [UInt8] { [UInt8](repeating: 0, count: 10) + [bufferCount, 0] }

  @Test func aFrameLiesBehindItsHeader() throws {
    let link = try PacketLink()
    let network = try NetworkUnderTest(link.takeBackend())
    let addresses = network.giveBuffers([1600, 1600])
    let frames = [NetworkUnderTest.frame(60), NetworkUnderTest.frame(1514, seed: 3)]
    for frame in frames { try link.send(frame) }
    network.serve()
    #expect(network.receiveQueue.collect().map(\.count) == frames.map { UInt32($0.count + Self.headerSize) })
    for (address, frame) in zip(addresses, frames) {
      #expect(network.memory.bytes(address, count: 12) == Self.header(1))
      #expect(network.memory.bytes(address + 12, count: frame.count) == frame)
    }
    #expect(network.device.counters.receivedFrames == 2)
    #expect(network.device.counters.receivedBytes == 60 + 1514)
  }

  @Test func aBatchIsOneInterrupt() throws {
    let link = try PacketLink()
    let network = try NetworkUnderTest(link.takeBackend())
    network.giveBuffers([Int](repeating: 1600, count: 8))
    for index in 0..<8 { try link.send(NetworkUnderTest.frame(100, seed: index)) }
    network.serve()
    #expect(network.receiveQueue.collect().count == 8)
    #expect(network.driver.interruptCount == 1)
  }

  @Test("buffers from before the start are there untold, and the driver tells of more only when there are none left")
  func buffersFromBeforeTheStart() throws {
    let link = try PacketLink()
    let network = try NetworkUnderTest(link.takeBackend(), starts: false)
    let memory = network.memory
    try network.driver.start { queues in
      for _ in 0..<4 { queues[0].add([.writable(memory.allocate(1600), 1600)]) }
    }
    try link.send(NetworkUnderTest.frame(60))
    network.serve()
    #expect(network.receiveQueue.collect().count == 1)
    network.receiveQueue.add([.writable(memory.allocate(1600), 1600)])
    #expect(!network.receiveQueue.kick())
    for _ in 0..<5 { try link.send(NetworkUnderTest.frame(60)) }
    network.serve()
    #expect(network.receiveQueue.collect().count == 4)
    network.receiveQueue.add([.writable(memory.allocate(1600), 1600)])
    #expect(network.receiveQueue.kick())
    network.serve()
    #expect(network.receiveQueue.collect().count == 1)
  }

  @Test func whatHasComeGoesAlongWhenTheDriverSends() throws {
    let link = try PacketLink()
    let network = try NetworkUnderTest(link.takeBackend())
    network.giveBuffers([1600, 1600])
    try link.send(NetworkUnderTest.frame(200))
    network.send(NetworkUnderTest.frame(60))
    // Without a turn of the loop.
    #expect(network.receiveQueue.collect().map(\.count) == [200 + UInt32(Self.headerSize)])
    #expect(link.received() == [NetworkUnderTest.frame(60)])
  }

  @Test("while long frames come the driver's are sent without being told of, and are told of again afterwards")
  func bulkIsPolledFor() throws {
    let link = try PacketLink()
    let network = try NetworkUnderTest(link.takeBackend(), queueSize: 64)
    let long = NetworkUnderTest.frame(60_000)
    network.giveBuffers([Int](repeating: 61_000, count: 3))
    try link.send(long)
    network.serve()
    // Now it is known what comes. What the driver has made available goes without a notification.
    network.queue(NetworkUnderTest.frame(60))
    try link.send(long)
    network.serve()
    #expect(link.received() == [NetworkUnderTest.frame(60)])
    #expect(network.receiveQueue.collect().count == 2)
    // The next one is asked for, and answered.
    #expect(network.transmitQueue.availableEvent == network.transmitQueue.availableIndex)
    network.send(NetworkUnderTest.frame(70))
    #expect(link.received() == [NetworkUnderTest.frame(70)])
    // Short ones are nothing to poll for: the driver's frames wait to be told of.
    for _ in 0..<2 {
      network.giveBuffers([2000])
      try link.send(NetworkUnderTest.frame(100))
      network.serve()
    }
    network.queue(NetworkUnderTest.frame(80))
    network.giveBuffers([2000])
    try link.send(NetworkUnderTest.frame(100))
    network.serve()
    #expect(link.received().isEmpty)
    network.transmitQueue.kick()
    #expect(link.received() == [NetworkUnderTest.frame(80)])
  }

  @Test func aFrameOverSeveralBuffers() throws {
    let link = try PacketLink()
    let network = try NetworkUnderTest(link.takeBackend(), features: Self.merging)
    // The header's last byte is the second buffer's first.
    let sizes = [12, 100, 13, 1000, 1000]
    let addresses = network.giveBuffers(sizes)
    let frame = NetworkUnderTest.frame(600)
    try link.send(frame)
    network.serve()
    #expect(network.receiveQueue.collect().map(\.count) == [12, 100, 13, 600 - 113])
    #expect(network.memory.bytes(addresses[0], count: 12) == Self.header(4))
    let pieces = zip(addresses[1...3], [100, 13, 600 - 113]).flatMap { network.memory.bytes($0, count: $1) }
    #expect(pieces == frame)
    // What is left over is the next frame's.
    network.giveBuffers([1000])
    try link.send(frame)
    network.serve()
    #expect(network.receiveQueue.collect().map(\.count) == [612])
    #expect(network.memory.bytes(addresses[4], count: 12) == Self.header(1))
  }

  /// A driver that polls sees all buffers of a frame or none.
  @Test func theBuffersOfAFrameAreSeenTogether() throws {
    let link = try PacketLink()
    let network = try NetworkUnderTest(link.takeBackend(), features: Self.merging)
    network.giveBuffers([Int](repeating: 64, count: 12))
    try link.send(NetworkUnderTest.frame(600))
    let before = network.receiveQueue.publishedUsedIndex
    network.serve()
    #expect(network.receiveQueue.publishedUsedIndex &- before == 10)
  }

  @Test func aHeaderMayBeScattered() throws {
    let link = try PacketLink()
    let network = try NetworkUnderTest(link.takeBackend())
    let address = network.memory.allocate(4096)
    let sizes = [1, 9, 1, 1, 5, 2000]
    var next = address
    network.receiveQueue.add(
      sizes.map { size in
        defer { next += UInt64(size) }
        return .writable(next, size)
      })
    network.receiveQueue.kick()
    let frame = NetworkUnderTest.frame(900)
    try link.send(frame)
    network.serve()
    #expect(network.receiveQueue.collect().map(\.count) == [912])
    #expect(network.memory.bytes(address, count: 912) == Self.header(1) + frame)
  }

  @Test func withoutBuffersFramesStayWhereTheyAre() throws {
    let link = try PacketLink()
    let network = try NetworkUnderTest(link.takeBackend())
    try link.send(NetworkUnderTest.frame(100))
    // Nobody waits for what nobody has room for.
    #expect(network.loop.poll(timeout: 0) == 0)
    network.giveBuffers([1600])
    network.serve()
    #expect(network.receiveQueue.collect().count == 1)
    try link.send(NetworkUnderTest.frame(100))
    network.serve()
    #expect(network.loop.poll(timeout: 0) == 0)
    #expect(network.device.counters.receivedFrames == 1)
    network.giveBuffers([1600])
    network.serve()
    #expect(network.device.counters.receivedFrames == 2)
  }

  @Test func aFrameThatDoesNotFitIsLost() throws {
    let link = try PacketLink()
    let network = try NetworkUnderTest(link.takeBackend(), features: 0)
    let addresses = network.giveBuffers([100, 100])
    try link.send(NetworkUnderTest.frame(89))
    try link.send(NetworkUnderTest.frame(88))
    network.serve()
    #expect(network.receiveQueue.collect().map(\.count) == [100])
    #expect(network.memory.bytes(addresses[0] + 12, count: 88) == NetworkUnderTest.frame(88))
    #expect(network.device.counters.lostReceives == 1)
  }

  /// Once the driver has shown that it gives room for the longest frame, that is waited for.
  @Test func aDriverThatGivesRoomIsWaitedFor() throws {
    let link = try PacketLink()
    let network = try NetworkUnderTest(link.takeBackend(), features: Self.merging)
    network.giveBuffers([800, 800])
    let long = NetworkUnderTest.frame(1500)
    try link.send(long)
    try link.send(long)
    network.serve()
    #expect(network.receiveQueue.collect().map(\.count) == [800, 712])
    network.giveBuffers([800])
    #expect(network.loop.poll(timeout: 0) == 0)
    network.giveBuffers([800])
    network.serve()
    #expect(network.receiveQueue.collect().map(\.count) == [800, 712])
    #expect(network.device.counters.lostReceives == 0)
  }

  /// One that never does gets what fits.
  @Test func aDriverWithoutRoomLosesLongFrames() throws {
    let link = try PacketLink()
    let network = try NetworkUnderTest(link.takeBackend(), features: Self.merging)
    network.giveBuffers([400, 400])
    try link.send(NetworkUnderTest.frame(1500))
    try link.send(NetworkUnderTest.frame(500))
    network.serve()
    #expect(network.receiveQueue.collect().map(\.count) == [400, 112])
    #expect(network.device.counters.lostReceives == 1)
  }

  @Test func aTurnIsBounded() throws {
    let link = try PacketLink()
    let network = try NetworkUnderTest(link.takeBackend(), queueSize: 128)
    network.giveBuffers([Int](repeating: 112, count: 128))
    for index in 0..<NetworkReceiver.turnLimit + 1 { try link.send(NetworkUnderTest.frame(64, seed: index)) }
    network.loop.poll(timeout: 0)
    #expect(network.receiveQueue.collect().count == NetworkReceiver.turnLimit)
    network.loop.poll(timeout: 0)
    #expect(network.receiveQueue.collect().count == 1)
  }

  @Test func whatIsNoFrameIsLost() throws {
    let link = try PacketLink()
    let network = try NetworkUnderTest(link.takeBackend())
    network.giveBuffers([1600])
    try link.send(NetworkUnderTest.frame(13))
    network.serve()
    #expect(network.receiveQueue.collect().isEmpty)
    #expect(network.device.counters.lostReceives == 1)
  }

  @Test(arguments: [
    [MockQueue.Buffer.readable(0x10_8000, 100), .writable(0x10_9000, 2000)], [.writable(0x10_8000, 11)],
    [.readable(0x10_8000, 2000)],
  ])
  func aBufferThatCannotTakeAFrameIsABreach(buffers: [MockQueue.Buffer]) throws {
    let link = try PacketLink()
    let network = try NetworkUnderTest(link.takeBackend())
    network.receiveQueue.add(buffers)
    network.receiveQueue.kick()
    #expect(network.driver.needsReset)
    try link.send(NetworkUnderTest.frame(100))
    #expect(network.loop.poll(timeout: 0) == 0)
    // A reset helps, and the frame is still there.
    try network.driver.start()
    network.giveBuffers([1600])
    network.serve()
    #expect(network.receiveQueue.collect().map(\.count) == [112])
  }

  @Test func memoryThatDevicesMayOnlyReadIsNotWritten() throws {
    let link = try PacketLink()
    let network = try NetworkUnderTest(link.takeBackend())
    network.receiveQueue.add([.writable(GuardedMemory.readOnly.address, 2000)])
    network.receiveQueue.kick()
    #expect(network.driver.needsReset)
  }

  @Test func aResetGivesTheBuffersBack() throws {
    let link = try PacketLink()
    let network = try NetworkUnderTest(link.takeBackend())
    network.giveBuffers([1600, 1600])
    network.driver.status = 0
    try link.send(NetworkUnderTest.frame(100))
    #expect(network.loop.poll(timeout: 0) == 0)
    try network.driver.start()
    let address = network.giveBuffers([1600])[0]
    network.serve()
    #expect(network.receiveQueue.collect().map(\.count) == [112])
    #expect(network.memory.bytes(address + 12, count: 100) == NetworkUnderTest.frame(100))
  }

  @Test func whenTheOtherSideIsGoneTheLinkIsDown() throws {
    var link = try PacketLink()
    let network = try NetworkUnderTest(link.takeBackend())
    network.giveBuffers([1600])
    #expect(network.driver.configuration(6, as: UInt16.self) == 1)
    link.closeFar()
    network.serve()
    #expect(network.driver.configuration(6, as: UInt16.self) == 0)
    #expect(network.driver.takeInterruptStatus() == 2)
    #expect(network.ends == ["the other side of the socket is closed"])
    #expect(!network.driver.needsReset)
    // Nothing spins, and what the driver sends goes nowhere.
    #expect(network.loop.poll(timeout: 0) == 0)
    network.send(NetworkUnderTest.frame(100))
    #expect(network.transmitQueue.collect().count == 1)
    #expect(network.device.counters.refusedSends == 1)
  }
}
