import MachineABI
import Testing

@testable import GuestKernel
@testable import Network
@testable import Sockets

/// The network driver with a device in the same process.
@Suite struct NetworkDriverTests {
  private struct Bench {
    let device: FakeNetworkDevice
    let endpoint = FakeEndpoint()
    let driver: NetworkDriver<FakeDevice>

    init(_ device: FakeNetworkDevice = FakeNetworkDevice()) throws {
      self.device = device
      let endpoint = endpoint
      driver = try NetworkDriver.open(device.device.record(name: "net"), page: device.device) { _ in endpoint }
    }

    var notifications: [UInt32] { device.device.notifications }
  }

  private static func frame(_ count: Int, seed: Int = 0) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8 &+ seed) }
  }

  @Test func opens() throws {
    let bench = try Bench()
    let link = bench.driver.capabilities
    #expect(link.address == MACAddress(0x0200_0000_0001) && link.mtu == 1500)
    #expect(link.completesChecksums && link.segmentsIPv4 && link.segmentsIPv6)
    #expect(bench.driver.isLinkUp)
    bench.device.takeBuffers()
    #expect(bench.device.buffers.count == 128)
    #expect(bench.device.buffers.allSatisfy { $0.writable.map(\.count) == [4096] })
    // In the order of their addresses, one behind the other.
    let starts = bench.device.buffers.map { UInt(bitPattern: $0.writable[0].baseAddress) }
    #expect(zip(starts, starts.dropFirst()).allSatisfy { $1 == $0 + 4096 })
    #expect(try !Bench(FakeNetworkDevice(status: 0)).driver.isLinkUp)
  }

  @Test("features depend on each other (virtio-1.2 §5.1.3.1)")
  func features() {
    func chosen(_ offered: [Int32]) -> UInt64 {
      NetworkFeatures(offered: offered.reduce(1 << 60) { $0 | feature($1) }).bits
    }
    #expect(chosen([]) == 0)
    #expect(chosen([VIRTIO_NET_F_HOST_TSO4, VIRTIO_NET_F_GUEST_TSO4]) == 0)
    #expect(
      chosen([VIRTIO_NET_F_GUEST_CSUM, VIRTIO_NET_F_GUEST_TSO6]) == feature(VIRTIO_NET_F_GUEST_CSUM))
    let all = FakeNetworkDevice.allFeatures
    #expect(chosen(all) == all.reduce(0) { $0 | feature($1) })
  }

  @Test func configurationsThatAreNone() {
    for (mac, mtu) in [([0, 0, 0, 0, 0, 0], 1500), ([1, 0, 0, 0, 0, 1], 1500), ([2, 0, 0, 0, 0, 1], 67)] {
      let device = FakeNetworkDevice(mtu: UInt16(mtu))
      device.device.configuration.replaceSubrange(0..<6, with: mac.map { UInt8($0) })
      #expect(throws: DeviceError(device: "net", reason: .badConfiguration)) { try Bench(device) }
    }
  }

  @Test func withoutFeatures() throws {
    let bench = try Bench(FakeNetworkDevice(features: []))
    let link = bench.driver.capabilities
    #expect(link.mtu == 1500 && !link.completesChecksums && !link.segmentsIPv4)
    #expect(link.address.value >> 40 == 2, "an address that needs no registration")
    #expect(bench.driver.isLinkUp)
    // Without merging the number of buffers means nothing.
    bench.device.deliverRaw([UInt8](repeating: 0xff, count: 12) + Self.frame(60))
    try bench.driver.turn()
    #expect(bench.endpoint.received.map(\.frame) == [Self.frame(60)])
    #expect(bench.endpoint.received.map(\.checksumIsValid) == [false], "not agreed on")
  }

  @Test func jumboFramesThatNoBufferHoldsAreNotPromised() throws {
    let features = [VIRTIO_NET_F_MTU, VIRTIO_NET_F_MAC]
    #expect(try Bench(FakeNetworkDevice(features: features, mtu: 9000)).driver.capabilities.mtu == 8162)
    #expect(
      try Bench(FakeNetworkDevice(features: features + [VIRTIO_NET_F_MRG_RXBUF], mtu: 9000)).driver.capabilities.mtu
        == 9000)
  }

  @Test func framesArrive() throws {
    let bench = try Bench()
    bench.device.deliver(Self.frame(60))
    bench.device.deliver(Self.frame(1514), flags: UInt8(VIRTIO_NET_HDR_F_DATA_VALID))
    bench.device.deliver(Self.frame(65549), flags: UInt8(VIRTIO_NET_HDR_F_NEEDS_CSUM))
    try bench.driver.turn()
    #expect(bench.endpoint.received.map(\.frame) == [Self.frame(60), Self.frame(1514), Self.frame(65549)])
    #expect(bench.endpoint.received.map(\.checksumIsValid) == [false, true, true])
    // Buffers went back in their order.
    bench.device.takeBuffers()
    #expect(bench.device.buffers.count == 128)
    #expect(bench.driver.prepareToIdle() == .nobodyWaits)
    bench.endpoint.isAwaited = true
    #expect(bench.driver.prepareToIdle() == .awaitsInterrupt)
  }

  @Test("a frame is taken from where the device wrote it, but for one over a region's end")
  func noCopies() throws {
    let bench = try Bench()
    let long = Self.frame(65549)
    for round in 0..<60 {
      bench.device.takeBuffers()
      let starts = Set(bench.device.buffers.map { UInt(bitPattern: $0.writable[0].baseAddress) })
      bench.device.deliver(long)
      try bench.driver.turn()
      let isWhole =
        switch round {
        // Seventeen short buffers each, of 128.
        case 0..<7: true
        // The last nine of them, and four long ones.
        case 7: false
        default: (4 + (round - 8) * 9) % 128 + 9 <= 128
        }
      #expect(starts.contains(bench.endpoint.addresses.last! - 12) == isWhole, "frame \(round)")
    }
    #expect(bench.endpoint.received.allSatisfy { $0.frame == long })
  }

  @Test("buffers are short until a frame takes more than one, and long from then on")
  func buffersBecomeLong() throws {
    let bench = try Bench()
    func sizes() -> [Int: Int] {
      bench.device.takeBuffers()
      return Dictionary(grouping: bench.device.buffers.map { $0.writable[0].count }, by: { $0 }).mapValues(\.count)
    }
    for _ in 0..<200 { bench.device.deliver(Self.frame(1514)); try bench.driver.turn() }
    #expect(sizes() == [4096: 128])
    bench.device.deliver(Self.frame(4085))
    try bench.driver.turn()
    #expect(sizes() == [4096: 126, 8192: 2])
    for _ in 0..<126 { bench.device.deliver(Self.frame(60)); try bench.driver.turn() }
    #expect(sizes() == [8192: 128])
    let starts = bench.device.buffers.map { UInt(bitPattern: $0.writable[0].baseAddress) }
    #expect(zip(starts, starts.dropFirst()).filter { $1 != $0 + 8192 }.count == 1, "but for the end of the region")
  }

  @Test func buffersAreLongWhereAFrameHasOne() throws {
    let bench = try Bench(FakeNetworkDevice(features: []))
    bench.device.takeBuffers()
    #expect(bench.device.buffers.allSatisfy { $0.writable.map(\.count) == [8192] })
  }

  @Test func buffersMayComeInAnyOrderAndOneByOne() throws {
    let bench = try Bench()
    bench.device.takeBuffers()
    let chains = bench.device.buffers
    let bytes = Self.frame(9000)
    func fill(_ chain: FakeDevice.Chain, _ bytes: [UInt8]) {
      chain.writable[0].copyBytes(from: bytes)
      bench.device.device.complete(id: UInt32(chain.head), written: UInt32(bytes.count))
    }
    var header = virtio_net_hdr()
    header.num_buffers = 3
    fill(chains[5], withUnsafeBytes(of: header) { Array($0) } + bytes[..<100])
    try bench.driver.turn()
    #expect(bench.endpoint.received.isEmpty)
    fill(chains[2], Array(bytes[100..<4196]))
    try bench.driver.turn()
    #expect(bench.endpoint.received.isEmpty)
    fill(chains[9], Array(bytes[4196..<8292]))
    try bench.driver.turn()
    #expect(bench.endpoint.received.map(\.frame) == [Array(bytes[..<8292])])
  }

  @Test func aFloodLeavesTasksTheirTurn() throws {
    let bench = try Bench()
    for _ in 0..<120 { bench.device.deliver(Self.frame(60)) }
    try bench.driver.turn()
    #expect(bench.endpoint.received.count == NetworkDriver<FakeDevice>.receiveBatch)
    #expect(bench.endpoint.settleCount == 1)
    #expect(bench.driver.prepareToIdle() == .hasWork)
    try bench.driver.turn()
    #expect(bench.endpoint.received.count == 120)
  }

  @Test("long frames are read before more of them are taken in")
  func tasksReadInBetween() throws {
    let bench = try Bench()
    for _ in 0..<8 { bench.device.deliver(Self.frame(65_000)) }
    try bench.driver.turn()
    #expect(bench.endpoint.received.count == 5, "the first number of them that is 256 KiB")
    #expect(bench.endpoint.settleCount == 1)
    #expect(bench.driver.prepareToIdle() == .hasWork)
    try bench.driver.turn()
    #expect(bench.endpoint.received.count == 8)
  }

  @Test func framesAreSentWithOneNotification() throws {
    let bench = try Bench()
    bench.endpoint.output = (0..<50).map { Self.frame(60 + $0) }
    try bench.driver.turn()
    #expect(bench.notifications.filter { $0 == 1 }.count == 1)
    bench.device.transmit()
    #expect(bench.device.sent.map(\.frame) == (0..<50).map { Self.frame(60 + $0) })
    #expect(bench.device.sent.allSatisfy { $0.header == [UInt8](repeating: 0, count: 12) })
    #expect(bench.driver.prepareToIdle() == .nobodyWaits)
    #expect(bench.notifications.filter { $0 == 1 }.count == 1, "nothing new to tell")
  }

  @Test func queuesTellHowFullTheyAre() throws {
    let bench = try Bench()
    #expect(
      bench.driver.queueStatistics
        == NetworkQueueStatistics(
          receiveBufferCount: 128, receiveBufferLimit: 128, sendingFrameCount: 0, sendingFrameLimit: 128))
    bench.endpoint.output = (0..<5).map { Self.frame(60 + $0) }
    bench.device.deliver(Self.frame(60))
    #expect(bench.driver.queueStatistics.sendingFrameCount == 0)
    try bench.driver.turn()
    #expect(bench.driver.queueStatistics.sendingFrameCount == 5)
    #expect(bench.driver.queueStatistics.receiveBufferCount == 128, "what was taken in is given again")
    bench.device.transmit()
    bench.endpoint.output = [Self.frame(60)]
    try bench.driver.turn()
    #expect(bench.driver.queueStatistics.sendingFrameCount == 1, "seen to be done when there is more to send")
  }

  @Test func whatTheDeviceIsToDo() throws {
    let bench = try Bench()
    bench.endpoint.offload = (
      PartialChecksum(start: 34, offset: 16), Segmentation(isIPv6: false, headerByteCount: 66, segmentByteCount: 1448)
    )
    bench.endpoint.output = [Self.frame(10_000)]
    try bench.driver.turn()
    bench.endpoint.offload.segmentation?.isIPv6 = true
    bench.endpoint.output = [Self.frame(10_000)]
    try bench.driver.turn()
    bench.device.transmit()
    #expect(
      bench.device.sent.map(\.header) == [
        [1, 1, 66, 0, 0xa8, 5, 34, 0, 16, 0, 0, 0], [1, 4, 66, 0, 0xa8, 5, 34, 0, 16, 0, 0, 0],
      ])
  }

  @Test("what does not fit waits, and nothing is overwritten that the device has")
  func transmitMemoryIsBounded() throws {
    let bench = try Bench()
    let frames = (0..<100).map { Self.frame(30_000 + 350 * $0, seed: $0) }
    bench.endpoint.output = frames
    bench.endpoint.isAwaited = true
    var turns = 0
    while bench.device.sent.count < frames.count {
      turns += 1
      try #require(turns < 100)
      try bench.driver.turn()
      if !bench.endpoint.output.isEmpty {
        #expect(bench.driver.prepareToIdle() == .awaitsInterrupt)
        bench.device.device.queue = 1
        // It is the device's turn, and it tells of the first one.
        #expect(bench.device.device.usedEvent == bench.device.device.usedIndex)
      }
      bench.device.transmit()
    }
    #expect(bench.device.sent.map(\.frame) == frames)
  }

  @Test func framesMayBeDoneInAnyOrder() throws {
    let bench = try Bench()
    var expected: [[UInt8]] = []
    for round in 0..<200 {
      let frames = (0..<4).map { Self.frame(20_000 + 97 * $0, seed: round + $0) }
      bench.endpoint.output += frames
      expected += frames
      try bench.driver.turn()
      bench.device.device.queue = 1
      var chains: [FakeDevice.Chain] = []
      while let chain = bench.device.device.takeAvailable() { chains.append(chain) }
      for chain in chains {
        #expect(Array(chain.readable[0].dropFirst(12)) == expected.removeFirst())
      }
      for chain in chains.reversed() { bench.device.device.complete(id: UInt32(chain.head), written: 0) }
    }
    #expect(expected.isEmpty && bench.endpoint.output.isEmpty)
  }

  @Test func faults() throws {
    func fault(_ bytes: [UInt8], claiming written: UInt32? = nil) throws -> QueueFault? {
      let bench = try Bench()
      bench.device.deliverRaw(bytes, claiming: written)
      do throws(QueueFault) {
        try bench.driver.turn()
        return nil
      } catch {
        return error
      }
    }
    func header(_ buffers: UInt16) -> [UInt8] {
      [UInt8](repeating: 0, count: 10) + [UInt8(buffers & 0xff), UInt8(buffers >> 8)]
    }
    #expect(try fault(header(1)) == nil, "a frame of nothing is no fault")
    #expect(try fault([1, 2, 3]) == .cutOffHeader(written: 3))
    #expect(try fault([]) == .cutOffHeader(written: 0))
    #expect(try fault(header(0)) == .impossibleFrame(buffers: 0))
    #expect(try fault(header(18)) == .impossibleFrame(buffers: 18))
    #expect(try fault(header(17)) == nil, "the rest may come")
    guard case .wroteTooMuch = try fault(header(1), claiming: 4097) else {
      Issue.record("more than the buffer holds")
      return
    }
    #expect(QueueFault.cutOffHeader(written: 3).words(device: "net").contains("less than its header"))
  }

  @Test func aDeviceThatGivesUp() throws {
    let bench = try Bench()
    #expect(bench.driver.prepareToIdle() == .nobodyWaits)
    bench.device.device.addToStatus(VIRTIO_STATUS_DEVICE_NEEDS_RESET)
    #expect(throws: QueueFault.needsReset) { try bench.driver.turn() }
  }

  @Test func interruptsAreAcknowledgedWhereTheyAreNoMessages() throws {
    let device = FakeNetworkDevice()
    let endpoint = FakeEndpoint()
    let driver = try NetworkDriver.open(
      device.device.record(isReset: false, sendsMessages: false, name: "net"), page: device.device
    ) { _ in endpoint }
    device.device.raiseInterrupt()
    _ = driver.prepareToIdle()
    #expect(device.device.load32(Int(VIRTIO_MMIO_INTERRUPT_STATUS)) == 0)
  }
}
