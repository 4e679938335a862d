import CLinux
import KVM
import MachineABI
import Testing

@testable import Virtio

/// Frames on a stream, each behind its length.
@Suite struct NetworkStreamTests {
  @Test func offloadsAreNotOffered() throws {
    let link = try StreamLink(mtu: 65520)
    let network = try NetworkUnderTest(link.takeBackend())
    let bits = [
      VIRTIO_NET_F_MTU, VIRTIO_NET_F_MAC, VIRTIO_NET_F_MRG_RXBUF, VIRTIO_NET_F_STATUS, VIRTIO_F_INDIRECT_DESC,
      VIRTIO_F_EVENT_IDX, VIRTIO_F_VERSION_1,
    ]
    #expect(network.driver.features == bits.reduce(0) { $0 | feature($1) })
    #expect(network.driver.configuration(10, as: UInt16.self) == 65520)
  }

  @Test func framesGoBehindTheirLengths() throws {
    let link = try StreamLink()
    let network = try NetworkUnderTest(link.takeBackend())
    let frames = [NetworkUnderTest.frame(60), NetworkUnderTest.frame(1514, seed: 1)]
    for frame in frames { network.send(frame, pieces: [12, 14]) }
    #expect(try unpacked(link.received()) == frames)
  }

  /// Three frames in two parts, the first part of every length.
  @Test func partsOfEveryLength() throws {
    let frames = [NetworkUnderTest.frame(14), NetworkUnderTest.frame(40, seed: 1), NetworkUnderTest.frame(21, seed: 2)]
    let stream = frames.flatMap { StreamLink.packed($0) }
    for cut in 0...stream.count {
      let link = try StreamLink()
      let network = try NetworkUnderTest(link.takeBackend())
      let addresses = network.giveBuffers([64, 64, 64])
      for part in [stream[..<cut], stream[cut...]] where !part.isEmpty {
        try link.send(part)
        network.serve()
      }
      #expect(network.receiveQueue.collect().map(\.count) == [26, 52, 33])
      for (address, frame) in zip(addresses, frames) {
        #expect(network.memory.bytes(address + 12, count: frame.count) == frame)
      }
    }
  }

  @Test func oneByteAfterTheOther() throws {
    let link = try StreamLink()
    let network = try NetworkUnderTest(link.takeBackend(), features: feature(VIRTIO_NET_F_MRG_RXBUF))
    let frames = [NetworkUnderTest.frame(30), NetworkUnderTest.frame(14), NetworkUnderTest.frame(50)]
    let addresses = network.giveBuffers([Int](repeating: 20, count: 12))
    for byte in frames.flatMap({ StreamLink.packed($0) }) {
      try link.send(CollectionOfOne(byte))
      network.serve()
    }
    // 42, 26 and 62 bytes with their headers.
    #expect(network.receiveQueue.collect().map(\.count) == [20, 20, 2, 20, 6, 20, 20, 20, 2])
    #expect(network.memory.bytes(addresses[0] + 12, count: 8) == Array(frames[0][..<8]))
    #expect(network.memory.bytes(addresses[8], count: 2) == Array(frames[2][48...]))
  }

  @Test func aFrameThatDoesNotFitIsPassedOver() throws {
    let link = try StreamLink()
    let network = try NetworkUnderTest(link.takeBackend())
    network.giveBuffers([100])
    try link.send(StreamLink.packed(NetworkUnderTest.frame(60_000)))
    try link.send(StreamLink.packed(NetworkUnderTest.frame(5)) + StreamLink.packed([]))
    try link.send(StreamLink.packed(NetworkUnderTest.frame(88)))
    network.serve()
    #expect(network.receiveQueue.collect().map(\.count) == [100])
    #expect(network.device.counters.lostReceives == 3)
    #expect(network.ends.isEmpty)
  }

  /// A peer that says nothing else: each turn of the loop has its bound, and in between others have theirs.
  @Test func aFloodOfFramesThatDoNotFitHasItsTurns() throws {
    let link = try StreamLink()
    let network = try NetworkUnderTest(link.takeBackend())
    network.giveBuffers([100])
    let empty = StreamLink.packed([])
    try link.send([[UInt8]](repeating: empty, count: 1000).flatMap { $0 })
    var lost: UInt64 = 0
    while network.loop.poll(timeout: 0) > 0 {
      let now = network.device.counters.lostReceives
      #expect(now - lost <= UInt64(NetworkReceiver.turnLimit))
      lost = now
    }
    #expect(lost == 1000)
    // A long one is read in pieces, one for each turn.
    try link.send(StreamLink.packed(NetworkUnderTest.frame(60_000)))
    var turns = 0
    while network.device.counters.lostReceives == lost, network.loop.poll(timeout: 0) > 0 { turns += 1 }
    #expect(turns > 60_000 / (16 << 10))
    #expect(network.receiveQueue.collect().isEmpty && network.ends.isEmpty)
  }

  @Test func theLongestFrameComes() throws {
    let link = try StreamLink(mtu: 65535)
    let network = try NetworkUnderTest(link.takeBackend(), queueSize: 64)
    let addresses = network.giveBuffers([Int](repeating: 4096, count: 17))
    let frame = NetworkUnderTest.frame(StreamBackend.frameLimit)
    try link.send(StreamLink.packed(frame))
    network.serve()
    let used = network.receiveQueue.collect()
    #expect(used.map { Int($0.count) }.reduce(0, +) == frame.count + 12)
    #expect(network.memory.bytes(addresses[0] + 10, count: 2) == [UInt8(used.count), 0])
    let bytes = zip(addresses, used).flatMap { network.memory.bytes($0, count: Int($1.count)) }
    #expect(Array(bytes[12...]) == frame)
  }

  @Test(arguments: [UInt32(StreamBackend.frameLimit) + 1, 0x7fff_ffff, .max])
  func aLengthThatIsNoneTakesTheLinkDown(length: UInt32) throws {
    let link = try StreamLink()
    let network = try NetworkUnderTest(link.takeBackend())
    network.giveBuffers([1600])
    try link.send(withUnsafeBytes(of: length.bigEndian) { [UInt8]($0) })
    network.serve()
    #expect(network.ends == ["a frame of \(length) bytes was announced; expected at most 65553"])
    #expect(network.driver.configuration(6, as: UInt16.self) == 0)
    #expect(!network.driver.needsReset)
  }

  @Test func theEndTakesTheLinkDown() throws {
    for part in [0, 3, 4, 10] {
      var link = try StreamLink()
      let network = try NetworkUnderTest(link.takeBackend())
      network.giveBuffers([1600])
      try link.send(StreamLink.packed(NetworkUnderTest.frame(60))[..<part])
      network.serve()
      link.closeFar()
      network.serve()
      #expect(network.ends == ["the other side closed the connection"])
      #expect(network.receiveQueue.collect().isEmpty)
    }
  }

  @Test func anEndIsFoundBySendingAsWell() throws {
    var link = try StreamLink()
    let network = try NetworkUnderTest(link.takeBackend())
    link.closeFar()
    network.send(NetworkUnderTest.frame(60))
    #expect(network.ends.count == 1)
    #expect(network.transmitQueue.collect().count == 1)
    #expect(network.driver.configuration(6, as: UInt16.self) == 0)
  }

  /// A driver that goes in the middle of a frame does not cost the next one its frames.
  @Test(arguments: [1, 4, 5, 40, 63]) func aResetInTheMiddleOfAFrame(part: Int) throws {
    let link = try StreamLink()
    let network = try NetworkUnderTest(link.takeBackend())
    network.giveBuffers([1600])
    let stream = StreamLink.packed(NetworkUnderTest.frame(60))
    try link.send(stream[..<part])
    network.serve()
    network.driver.status = 0
    try link.send(stream[part...])
    try link.send(StreamLink.packed(NetworkUnderTest.frame(70)))
    try network.driver.start()
    let addresses = network.giveBuffers([1600, 1600])
    network.serve()
    // The frame of which only the length had come is nobody's yet.
    #expect(network.receiveQueue.collect().map(\.count) == (part < 4 ? [72, 82] : [82]))
    #expect(network.memory.bytes(addresses[part < 4 ? 1 : 0] + 12, count: 70) == NetworkUnderTest.frame(70))
  }

  @Test func partsThatWereWrittenAreCompleted() throws {
    let link = try StreamLink()
    let network = try NetworkUnderTest(link.takeBackend(), queueSize: 64)
    let frame = NetworkUnderTest.frame(60_000)
    let address = network.memory.allocate(60_012)
    network.memory.store([UInt8](repeating: 0, count: 12) + frame, at: address)
    for _ in 0..<20 { network.transmitQueue.add([.readable(address, 60_012)]) }
    network.transmitQueue.kick()
    #expect(network.transmitQueue.collect().count < 20)
    var stream: [UInt8] = []
    // A little room at a time, so that frames are written in parts.
    while stream.count < 20 * 60_004 {
      stream += link.received(limit: 1000)
      network.loop.poll(timeout: 0)
    }
    #expect(try unpacked(stream) == [[UInt8]](repeating: frame, count: 20))
    #expect(network.ends.isEmpty)
  }

  /// A driver that goes while its frame is half written: the other side gets the rest of it.
  @Test func aResetCompletesWhatIsHalfWritten() throws {
    let link = try StreamLink()
    let network = try NetworkUnderTest(link.takeBackend(), queueSize: 64)
    let frame = NetworkUnderTest.frame(60_000)
    let address = network.memory.allocate(60_012)
    network.memory.store([UInt8](repeating: 0, count: 12) + frame, at: address)
    for _ in 0..<20 { network.transmitQueue.add([.readable(address, 60_012)]) }
    network.transmitQueue.kick()
    var stream = link.received(limit: 1000)
    network.loop.poll(timeout: 0)
    network.driver.status = 0
    network.memory.store([UInt8](repeating: 0xff, count: 60_012), at: address)
    stream += link.received()
    try network.driver.start()
    network.send(NetworkUnderTest.frame(70))
    network.serve()
    stream += link.received()
    let frames = try unpacked(stream)
    #expect(frames.last == NetworkUnderTest.frame(70))
    #expect(frames.dropLast().allSatisfy { $0 == frame })
  }
}
