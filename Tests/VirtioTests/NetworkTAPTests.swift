import CLinux
import KVM
import MachineABI
import Testing

@testable import Virtio

/// The device on a TAP interface, with the kernel on the other side.
@Suite(.enabled(if: TAPInterface.isPossible, "only root may make network namespaces in a process of several threads"))
struct NetworkTAPTests {
  private static let headerSize = NetworkUnderTest.headerSize

  /// A frame between two stations, of a type for experiments (IEEE 802, 0x88b5).
  private static func frame(_ count: Int, seed: Int = 0) -> [UInt8] {
    let header: [UInt8] = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x88, 0xb5]
    return header + NetworkUnderTest.frame(count - header.count, seed: seed)
  }

  @Test func everythingTheKernelDoesIsOffered() throws {
    let tap = try TAPInterface()
    let network = try NetworkUnderTest(tap.backend)
    let bits = [
      VIRTIO_NET_F_CSUM, VIRTIO_NET_F_GUEST_CSUM, VIRTIO_NET_F_MTU, VIRTIO_NET_F_MAC, VIRTIO_NET_F_GUEST_TSO4,
      VIRTIO_NET_F_GUEST_TSO6, VIRTIO_NET_F_HOST_TSO4, VIRTIO_NET_F_HOST_TSO6, VIRTIO_NET_F_MRG_RXBUF,
      VIRTIO_NET_F_STATUS, VIRTIO_F_INDIRECT_DESC, VIRTIO_F_EVENT_IDX, VIRTIO_F_VERSION_1,
    ]
    #expect(network.driver.features == bits.reduce(0) { $0 | feature($1) })
    #expect((0..<6).map { network.driver.configuration($0, as: UInt8.self) } == [2, 0, 0, 0, 0, 1])
    #expect(network.driver.configuration(6, as: UInt16.self) == 1)
    #expect(network.driver.configuration(10, as: UInt16.self) == 1500)
  }

  @Test func framesGoOut() throws {
    let tap = try TAPInterface()
    let network = try NetworkUnderTest(tap.backend)
    let frame = Self.frame(100)
    network.send(frame)
    let out = try #require(tap.received())
    #expect(out.frame == frame)
    #expect(network.transmitQueue.collect().map(\.count) == [0])
    #expect(network.device.counters.sentFrames == 1)
    #expect(network.device.counters.sentBytes == 100)
  }

  @Test func framesComeIn() throws {
    let tap = try TAPInterface()
    let network = try NetworkUnderTest(tap.backend)
    let addresses = network.giveBuffers([2048, 2048])
    let frame = Self.frame(200)
    try tap.send(frame)
    network.serve()
    #expect(network.receiveQueue.collect().map(\.count) == [UInt32(200 + Self.headerSize)])
    #expect(network.memory.bytes(addresses[0], count: Self.headerSize) == [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0])
    #expect(network.memory.bytes(addresses[0] + 12, count: 200) == frame)
    #expect(network.driver.interruptCount == 1)
  }

  // MARK: Offloads

  /// A frame of TCP over IPv4 whose TCP checksum is the pseudo header's alone, as both sides leave it to the other.
  private static func segment(_ payload: Int) -> [UInt8] {
    let total = 40 + payload
    var packet: [UInt8] = [0x45, 0, UInt8(total >> 8), UInt8(total & 255), 0, 1, 0x40, 0, 64, 6, 0, 0]
    packet += [10, 0, 0, 1, 10, 0, 0, 2]
    let sum = checksum(packet)
    packet[10] = UInt8(sum >> 8)
    packet[11] = UInt8(sum & 255)
    let length = 20 + payload
    let pseudo = ~checksum([10, 0, 0, 1, 10, 0, 0, 2, 0, 6, UInt8(length >> 8), UInt8(length & 255)])
    packet += [0x30, 0x39, 0, 80, 0, 0, 0, 1, 0, 0, 0, 1, 0x50, 0x10, 0xff, 0xff]
    packet += [UInt8(pseudo >> 8), UInt8(pseudo & 255), 0, 0]
    return [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0] + packet + NetworkUnderTest.frame(payload)
  }

  /// RFC 1071
  private static func checksum(_ bytes: [UInt8]) -> UInt16 {
    var sum: UInt32 = 0
    for index in stride(from: 0, to: bytes.count, by: 2) { sum += UInt32(bytes[index]) << 8 | UInt32(bytes[index + 1]) }
    while sum > 0xffff { sum = sum & 0xffff + sum >> 16 }
    return ~UInt16(sum)
  }

  private static func header(segmentSize: UInt16) -> [UInt8] {
    let isCut = segmentSize > 0
    return [1, isCut ? 1 : 0, isCut ? 54 : 0, 0, UInt8(segmentSize & 255), UInt8(segmentSize >> 8), 34, 0, 16, 0]
  }

  @Test func aChecksumIsLeftToTheKernel() throws {
    let tap = try TAPInterface()
    let network = try NetworkUnderTest(tap.backend)
    let frame = Self.segment(100)
    network.send(frame, header: Self.header(segmentSize: 0) + [0, 0])
    let out = try #require(tap.received())
    #expect(out.frame == frame)
    #expect(out.header[0] == 1)
    #expect(network.device.counters.refusedSends == 0)
  }

  @Test func aLongSegmentGoesInOnePiece() throws {
    let tap = try TAPInterface()
    let network = try NetworkUnderTest(tap.backend)
    let frame = Self.segment(60_000)
    network.send(frame, header: Self.header(segmentSize: 1448) + [0, 0], pieces: [12, 54, 4096, 30_000])
    let out = try #require(tap.received())
    #expect(out.frame == frame)
    #expect(Array(out.header[..<6]) == [1, 1, 54, 0, 0xa8, 5])
  }

  @Test func aLongSegmentComesOverManyBuffers() throws {
    let tap = try TAPInterface()
    let network = try NetworkUnderTest(tap.backend, queueSize: 64)
    let addresses = network.giveBuffers([Int](repeating: 4096, count: 20))
    let frame = Self.segment(60_000)
    try tap.send(frame, header: Self.header(segmentSize: 1448))
    network.serve()
    let used = network.receiveQueue.collect()
    #expect(used.count == 15)
    #expect(used.map { Int($0.count) }.reduce(0, +) == frame.count + Self.headerSize)
    let bytes = zip(addresses, used).flatMap { network.memory.bytes($0, count: Int($1.count)) }
    #expect(Array(bytes[..<6]) == [1, 1, 54, 0, 0xa8, 5])
    #expect(Array(bytes[10..<12]) == [15, 0])
    #expect(Array(bytes[12...]) == frame)
  }

  /// The kernel cuts segments and makes checksums for a driver that does not.
  @Test func aDriverWithoutOffloadsGetsWholeFrames() throws {
    let tap = try TAPInterface()
    let network = try NetworkUnderTest(tap.backend, features: MockDriver.Feature.eventIndex)
    let addresses = network.giveBuffers([Int](repeating: 1526, count: 10))
    try tap.send(Self.segment(4344), header: Self.header(segmentSize: 1448))
    network.serve()
    #expect(network.receiveQueue.collect().map(\.count) == [1514, 1514, 1514])
    for address in addresses[..<3] {
      #expect(network.memory.bytes(address, count: 12) == [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0])
    }
  }

  /// Offloads are the running driver's: the next one may have none.
  @Test func aResetEndsTheOffloads() throws {
    let tap = try TAPInterface()
    let network = try NetworkUnderTest(tap.backend, queueSize: 64)
    try network.driver.start(features: MockDriver.Feature.eventIndex)
    network.giveBuffers([Int](repeating: 1526, count: 10))
    try tap.send(Self.segment(2896), header: Self.header(segmentSize: 1448))
    network.serve()
    #expect(network.receiveQueue.collect().map(\.count) == [1514, 1514])
  }

  /// What came before the kernel knew of the driver may be of a kind that the driver does not take.
  @Test(arguments: [false, true])
  func aSegmentFromBeforeTheDriverComesOnlyToOneThatTakesIt(takesSegments: Bool) throws {
    let tap = try TAPInterface()
    let network = try NetworkUnderTest(tap.backend, starts: false)
    // Short enough for any driver's buffers.
    let segment = Self.segment(900)
    try tap.send(segment, header: Self.header(segmentSize: 300))
    let segments = takesSegments ? feature(VIRTIO_NET_F_GUEST_CSUM) | feature(VIRTIO_NET_F_GUEST_TSO4) : 0
    try network.driver.start(features: MockDriver.Feature.eventIndex | feature(VIRTIO_NET_F_MRG_RXBUF) | segments)
    network.giveBuffers([Int](repeating: 4096, count: 16))
    let frame = Self.frame(200)
    try tap.send(frame)
    network.serve()
    let lengths = (takesSegments ? [segment, frame] : [frame]).map { UInt32($0.count + Self.headerSize) }
    #expect(network.receiveQueue.collect().map(\.count) == lengths)
    #expect(network.device.counters.lostReceives == (takesSegments ? 0 : 1))
  }

  /// The kernel knows how long headers are, which we do not: what it refuses is dropped.
  @Test func whatTheKernelRefusesIsDropped() throws {
    let tap = try TAPInterface()
    let network = try NetworkUnderTest(tap.backend)
    // All fields lie within the frame, but TCP's header does not.
    network.send(
      [UInt8](Self.segment(100)[..<45]), header: [1, 1, 40, 0, 100, 0, 34, 0, 8, 0, 0, 0])
    let isOut = tap.received() != nil
    #expect(!isOut)
    #expect(network.device.counters.refusedSends == 1)
    network.send(Self.segment(10), header: Self.header(segmentSize: 0) + [0, 0])
    let isNextOut = tap.received() != nil
    #expect(isNextOut)
  }

  @Test func anInterfaceInUseIsRefused() throws {
    let tap = try TAPInterface()
    #expect(tap.secondOpening == "interface tap0: in use; expected a TAP interface that nobody has open")
  }

  @Test(arguments: ["", "a-name-that-is-too-long", "a/b", "tap%d", "a b", "..", "a:1"])
  func aNameThatNoInterfaceHas(name: String) {
    do throws(NetworkBackendError) {
      _ = try PacketBackend(interface: name)
      Issue.record("a name that no interface can have")
    } catch {
      #expect(error.description.contains("'\(name)': expected 1 to 15 bytes"))
    }
  }
}
