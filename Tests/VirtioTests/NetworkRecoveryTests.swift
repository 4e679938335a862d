import CLinux
import KVM
import Testing

@testable import Virtio

/// Failures of a backend that pass, and such that do not.
@Suite struct NetworkRecoveryTests {
  private static let codes = [ENOMEM, EMFILE, EIO, EAGAIN, ENOBUFS]

  @Test(arguments: codes) func aFailedReadIsTriedAgain(code: Int32) throws {
    let link = try PacketLink()
    let backend = FailingBackend(link.takeBackend())
    let network = try NetworkUnderTest(backend)
    network.giveBuffers([1600, 1600])
    backend.receiveFailures = [code, code, code]
    try link.send(NetworkUnderTest.frame(60))
    while network.device.counters.receivedFrames == 0 { network.loop.poll(timeout: -1) }
    #expect(backend.receiveFailures.isEmpty && network.ends.isEmpty)
    // It is as before: no attempt is used up.
    backend.receiveFailures = [Int32](repeating: code, count: 5)
    try link.send(NetworkUnderTest.frame(70))
    while network.device.counters.receivedFrames == 1 { network.loop.poll(timeout: -1) }
    #expect(network.receiveQueue.collect().map(\.count) == [72, 82])
    #expect(network.ends.isEmpty)
  }

  @Test(arguments: codes) func aFailedWriteIsTriedAgain(code: Int32) throws {
    let link = try PacketLink()
    let backend = FailingBackend(link.takeBackend())
    let network = try NetworkUnderTest(backend)
    backend.sendFailures = [code, code, code]
    let frames = [NetworkUnderTest.frame(60), NetworkUnderTest.frame(70)]
    for frame in frames { network.send(frame) }
    // Neither is given up meanwhile, nor do notifications use attempts up.
    #expect(network.transmitQueue.collect().isEmpty && backend.sendFailures.count == 2)
    while network.device.counters.sentFrames < 2 { network.loop.poll(timeout: -1) }
    #expect(link.received() == frames)
    #expect(network.ends.isEmpty)
  }

  @Test func whatFailsForASecondIsLost() throws {
    let link = try PacketLink()
    let backend = FailingBackend(link.takeBackend())
    let network = try NetworkUnderTest(backend)
    network.giveBuffers([1600])
    backend.receiveFailures = [Int32](repeating: ENOMEM, count: 100)
    try link.send(NetworkUnderTest.frame(60))
    while network.ends.isEmpty { network.loop.poll(timeout: -1) }
    #expect(backend.receiveFailures.count == 90)
    #expect(network.ends == ["readv: Cannot allocate memory"])
    #expect(network.driver.configuration(6, as: UInt16.self) == 0)
  }

  @Test func whatCannotBeSentForASecondIsLost() throws {
    let link = try PacketLink()
    let backend = FailingBackend(link.takeBackend())
    let network = try NetworkUnderTest(backend)
    backend.sendFailures = [Int32](repeating: EIO, count: 100)
    network.send(NetworkUnderTest.frame(60))
    while network.ends.isEmpty { network.loop.poll(timeout: -1) }
    network.serve()
    #expect(backend.sendFailures.count == 90)
    // The driver hears of its frame, and of later ones.
    #expect(network.transmitQueue.collect().count == 1)
    network.send(NetworkUnderTest.frame(60))
    network.serve()
    #expect(network.transmitQueue.collect().count == 1)
    #expect(network.device.counters.refusedSends == 2)
  }

  @Test func aDriverThatGoesMeanwhileLeavesNothingBehind() throws {
    let link = try PacketLink()
    let backend = FailingBackend(link.takeBackend())
    let network = try NetworkUnderTest(backend)
    network.giveBuffers([1600])
    backend.receiveFailures = [ENOMEM]
    backend.sendFailures = [ENOMEM]
    try link.send(NetworkUnderTest.frame(60))
    network.send(NetworkUnderTest.frame(60))
    network.loop.poll(timeout: -1)
    network.driver.status = 0
    try network.driver.start()
    network.giveBuffers([1600])
    while network.device.counters.receivedFrames == 0 { network.loop.poll(timeout: -1) }
    network.send(NetworkUnderTest.frame(70))
    while network.device.counters.sentFrames == 0 { network.loop.poll(timeout: -1) }
    #expect(link.received() == [NetworkUnderTest.frame(70)])
    #expect(network.ends.isEmpty)
  }
}

/// Another backend, some of whose calls fail.
private final class FailingBackend: NetworkBackend {
  private let backend: any NetworkBackend
  /// What the next calls fail with, an `errno` each.
  var receiveFailures: [Int32] = []
  var sendFailures: [Int32] = []

  init(_ backend: any NetworkBackend) { self.backend = backend }

  var hasHeaders: Bool { backend.hasHeaders }
  var offloads: NetworkOffloads { backend.offloads }
  var mtu: Int? { backend.mtu }
  var descriptor: Int32 { backend.descriptor }

  func beginReceiving(_ offloads: NetworkOffloads) { backend.beginReceiving(offloads) }
  func endReceiving() { backend.endReceiving() }
  func endSending(_ memory: inout FrameVectors) { backend.endSending(&memory) }

  func receive(into memory: inout FrameVectors) -> NetworkReception {
    guard let code = receiveFailures.first else { return backend.receive(into: &memory) }
    receiveFailures.removeFirst()
    return .failed(.system(SystemCallError("readv", code: code)))
  }

  func send(_ memory: inout FrameVectors) -> NetworkSending {
    guard let code = sendFailures.first else { return backend.send(&memory) }
    sendFailures.removeFirst()
    return .failed(.system(SystemCallError("writev", code: code)))
  }
}
