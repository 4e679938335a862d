import CLinux
import KVM
import MachineABI
import Testing

@testable import Virtio

/// Frames on their way from the driver.
@Suite struct NetworkTransmitTests {
  @Test(arguments: [
    [], [12], [1], [11], [13], [5, 7, 1, 1, 60], [12, 14], [Int](repeating: 1, count: 14),
  ]) func aFrameGoesAsItIs(pieces: [Int]) throws {
    let link = try PacketLink()
    let network = try NetworkUnderTest(link.takeBackend())
    let frame = NetworkUnderTest.frame(200)
    network.send(frame, pieces: pieces)
    #expect(link.received() == [frame])
    #expect(network.transmitQueue.collect().map(\.count) == [0])
    #expect(network.driver.interruptCount == 1)
  }

  @Test func manyGoInOrderForOneInterrupt() throws {
    let link = try PacketLink()
    let network = try NetworkUnderTest(link.takeBackend(), queueSize: 16)
    let frames = (0..<8).map { NetworkUnderTest.frame(64 + $0, seed: $0) }
    for frame in frames {
      let address = network.memory.allocate(frame.count + 12)
      network.memory.store([UInt8](repeating: 0, count: 12) + frame, at: address)
      network.transmitQueue.add([.readable(address, 12), .readable(address + 12, frame.count)])
    }
    network.transmitQueue.kick()
    #expect(link.received() == frames)
    #expect(network.transmitQueue.collect().count == 8)
    #expect(network.driver.interruptCount == 1)
  }

  /// What is no frame is dropped and counted, and the device goes on.
  @Test(arguments: [0, 1, 11, 12, 13, 25]) func whatIsTooShortIsDropped(count: Int) throws {
    let link = try PacketLink()
    let network = try NetworkUnderTest(link.takeBackend())
    let address = network.memory.allocate(max(count, 1))
    network.transmitQueue.add([.readable(address, count)])
    network.transmitQueue.kick()
    #expect(link.received().isEmpty)
    #expect(network.transmitQueue.collect().count == 1)
    #expect(network.device.counters.refusedSends == 1)
    network.send(NetworkUnderTest.frame(60))
    #expect(link.received().count == 1)
  }

  @Test func whatIsTooLongIsDropped() throws {
    let link = try PacketLink()
    let network = try NetworkUnderTest(link.takeBackend())
    let longest = 65535 + 18
    for count in [longest + 1, longest] {
      let address = network.memory.allocate(count + 12)
      network.transmitQueue.add([.readable(address, count + 12)])
    }
    network.transmitQueue.kick()
    #expect(link.received().map(\.count) == [longest])
    #expect(network.transmitQueue.collect().count == 2)
    #expect(network.device.counters.refusedSends == 1)
  }

  /// A driver that names all of its memory, several times over, in one frame.
  @Test func aFrameOfGigabytesIsDropped() throws {
    let link = try PacketLink()
    let network = try NetworkUnderTest(link.takeBackend(), queueSize: 64)
    let main = GuardedMemory.main
    network.transmitQueue.add([MockQueue.Buffer](repeating: .readable(main.address, main.count), count: 60))
    network.transmitQueue.kick()
    #expect(link.received().isEmpty)
    #expect(network.device.counters.refusedSends == 1)
  }

  @Test func aBufferForWritingIsABreach() throws {
    let link = try PacketLink()
    let network = try NetworkUnderTest(link.takeBackend())
    let address = network.memory.allocate(200)
    network.transmitQueue.add([.readable(address, 100), .writable(address, 100)])
    network.transmitQueue.kick()
    #expect(network.driver.needsReset)
    #expect(link.received().isEmpty)
  }

  /// What waits for room goes on when there is some, and nothing is lost or doubled.
  @Test func whatDoesNotGoNowWaits() throws {
    let link = try PacketLink()
    let network = try NetworkUnderTest(link.takeBackend(), queueSize: 256)
    let frames = (0..<200).map { NetworkUnderTest.frame(2000, seed: $0) }
    var received: [[UInt8]] = []
    var collected = 0
    for (index, frame) in frames.enumerated() {
      let address = network.memory.allocate(2012)
      network.memory.store([UInt8](repeating: 0, count: 12) + frame, at: address)
      network.transmitQueue.add([.readable(address, 2012)])
      if index % 50 == 49 { network.transmitQueue.kick() }
    }
    collected = network.transmitQueue.collect().count
    #expect(collected < frames.count)
    while received.count < frames.count {
      received += link.received()
      network.loop.poll(timeout: patience)
      collected += network.transmitQueue.collect().count
      if collected == frames.count { received += link.received() }
    }
    #expect(received == frames)
    #expect(collected == frames.count)
    // Nobody waits for room that nobody needs.
    #expect(network.loop.poll(timeout: 0) == 0)
  }

  /// What goes nowhere has its turns like everything else, and all of it comes back.
  @Test func aLinkThatIsDownTakesATurnsWorthAtATime() throws {
    var link = try PacketLink()
    let network = try NetworkUnderTest(link.takeBackend(), queueSize: 256)
    link.closeFar()
    network.send(NetworkUnderTest.frame(60))
    #expect(network.ends.count == 1)
    #expect(network.transmitQueue.collect().count == 1)
    let limit = NetworkTransmitter.turnLimit
    let address = network.memory.allocate(72)
    for _ in 0..<(3 * limit) { network.transmitQueue.add([.readable(address, 72)]) }
    network.transmitQueue.kick()
    for _ in 0..<3 {
      #expect(network.transmitQueue.collect().count == limit)
      network.loop.poll(timeout: 0)
    }
    // Nobody waits for room any more, and the next frame is told of again.
    #expect(network.loop.poll(timeout: 0) == 0)
    network.send(NetworkUnderTest.frame(60))
    #expect(network.transmitQueue.collect().count == 1)
    #expect(network.device.counters.refusedSends == UInt64(3 * limit + 2))
  }

  @Test func aResetForgetsWhatWaits() throws {
    let link = try PacketLink()
    let network = try NetworkUnderTest(link.takeBackend(), queueSize: 256)
    for _ in 0..<200 {
      let address = network.memory.allocate(2012)
      network.transmitQueue.add([.readable(address, 2012)])
    }
    network.transmitQueue.kick()
    network.loop.poll(timeout: 0)
    network.loop.poll(timeout: 0)
    network.driver.status = 0
    let count = link.received().count
    #expect(count > 0 && count < 200)
    #expect(network.loop.poll(timeout: 0) == 0)
    #expect(link.received().isEmpty)
    try network.driver.start()
    network.send(NetworkUnderTest.frame(70))
    #expect(link.received() == [NetworkUnderTest.frame(70)])
  }

  // MARK: Headers

  struct Header: Sendable, CustomTestStringConvertible {
    var flags: Int32 = 0
    var gso: Int32 = VIRTIO_NET_HDR_GSO_NONE
    var headerLength: UInt16 = 0
    var segment: UInt16 = 0
    var start: UInt16 = 0
    var offset: UInt16 = 0

    var value: virtio_net_hdr {
      virtio_net_hdr(
        flags: UInt8(flags), gso_type: UInt8(gso), hdr_len: headerLength, gso_size: segment, csum_start: start,
        csum_offset: offset, num_buffers: 0xffff)
    }
    var testDescription: String { "\(flags) \(gso) \(headerLength) \(segment) \(start) \(offset)" }
  }

  private static let offloads =
    feature(VIRTIO_NET_F_CSUM) | feature(VIRTIO_NET_F_HOST_TSO4) | feature(VIRTIO_NET_F_HOST_TSO6)
  private static let checksum = VIRTIO_NET_HDR_F_NEEDS_CSUM

  /// Frames of 100 bytes.
  @Test(arguments: [
    Header(), Header(flags: checksum, start: 14, offset: 16), Header(flags: checksum, start: 34, offset: 16),
    Header(flags: checksum, start: 98, offset: 0),
    Header(
      flags: checksum, gso: VIRTIO_NET_HDR_GSO_TCPV4, headerLength: 54, segment: 1460, start: 34, offset: 16),
    Header(flags: checksum, gso: VIRTIO_NET_HDR_GSO_TCPV6, headerLength: 100, segment: 1, start: 54, offset: 16),
    Header(flags: checksum, gso: VIRTIO_NET_HDR_GSO_TCPV4, segment: 65535, start: 34, offset: 16),
  ]) func whatTheSpecificationAllowsGoes(header: Header) {
    var value = header.value
    #expect(TransmitCheck(features: Self.offloads).accepts(&value, frameByteCount: 100))
    #expect(value.num_buffers == 0)
    #expect(value.csum_start == header.start && value.csum_offset == header.offset)
  }

  @Test(arguments: [
    Header(flags: checksum, start: 13, offset: 16), Header(flags: checksum, start: 0, offset: 0),
    Header(flags: checksum, start: 99, offset: 0), Header(flags: checksum, start: 34, offset: 65),
    Header(flags: checksum, start: 65535, offset: 65535), Header(flags: checksum, start: 65535, offset: 0),
    Header(gso: VIRTIO_NET_HDR_GSO_TCPV4, headerLength: 54, segment: 1460),
    Header(flags: checksum, gso: VIRTIO_NET_HDR_GSO_TCPV4, headerLength: 54, segment: 0, start: 34, offset: 16),
    Header(flags: checksum, gso: VIRTIO_NET_HDR_GSO_TCPV6, headerLength: 101, segment: 9, start: 34, offset: 16),
    Header(
      flags: checksum, gso: VIRTIO_NET_HDR_GSO_TCPV4 | VIRTIO_NET_HDR_GSO_ECN, segment: 9, start: 34, offset: 16),
    // UDP's, of which there is no word (virtio-1.2 §5.1.6), and what is nobody's.
    Header(flags: checksum, gso: 3, segment: 9, start: 34, offset: 16),
    Header(flags: checksum, gso: 5, segment: 9, start: 34, offset: 16),
    Header(flags: checksum, gso: 0xff, segment: 9, start: 34, offset: 16),
  ]) func whatItRulesOutDoesNot(header: Header) {
    var value = header.value
    #expect(!TransmitCheck(features: Self.offloads).accepts(&value, frameByteCount: 100))
  }

  @Test func whatWasNotNegotiatedDoesNotGo() {
    var value = Header(flags: Self.checksum, start: 34, offset: 16).value
    #expect(!TransmitCheck(features: 0).accepts(&value, frameByteCount: 100))
    value = Header(flags: Self.checksum, gso: VIRTIO_NET_HDR_GSO_TCPV4, segment: 9, start: 34, offset: 16).value
    #expect(!TransmitCheck(features: feature(VIRTIO_NET_F_CSUM)).accepts(&value, frameByteCount: 100))
    value = Header(flags: Self.checksum, gso: VIRTIO_NET_HDR_GSO_TCPV6, segment: 9, start: 34, offset: 16).value
    let four = feature(VIRTIO_NET_F_CSUM) | feature(VIRTIO_NET_F_HOST_TSO4)
    #expect(!TransmitCheck(features: four).accepts(&value, frameByteCount: 100))
  }

  /// "The device MUST ignore flag bits that it does not recognize", and no field without a meaning goes on.
  @Test func whatHasNoMeaningIsGone() {
    var value = Header(flags: 0xfe, headerLength: 9, segment: 9, start: 9, offset: 9).value
    #expect(TransmitCheck(features: Self.offloads).accepts(&value, frameByteCount: 100))
    withUnsafeBytes(of: value) { #expect($0.allSatisfy { $0 == 0 }) }
  }
}
