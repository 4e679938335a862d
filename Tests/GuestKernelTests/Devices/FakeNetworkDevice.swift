import MachineABI

@testable import GuestKernel
@testable import Network
@testable import Sockets

/// A network device behind a `FakeDevice`.
final class FakeNetworkDevice {
  /// A frame that the driver sent, with its header.
  struct Sent: Equatable {
    var header: [UInt8]
    var frame: [UInt8]
  }

  let device = FakeDevice()
  private(set) var sent: [Sent] = []
  /// Receive buffers that the driver gave, not yet used.
  private(set) var buffers: [FakeDevice.Chain] = []

  static let allFeatures = [
    VIRTIO_NET_F_CSUM, VIRTIO_NET_F_GUEST_CSUM, VIRTIO_NET_F_MTU, VIRTIO_NET_F_MAC, VIRTIO_NET_F_GUEST_TSO4,
    VIRTIO_NET_F_GUEST_TSO6, VIRTIO_NET_F_HOST_TSO4, VIRTIO_NET_F_HOST_TSO6, VIRTIO_NET_F_MRG_RXBUF,
    VIRTIO_NET_F_STATUS,
  ]

  init(features: [Int32] = allFeatures, mtu: UInt16 = 1500, status: UInt16 = 1) {
    device.kind = UInt32(VIRTIO_ID_NETWORK)
    device.queueCount = 2
    device.features = ([VIRTIO_F_VERSION_1, VIRTIO_F_EVENT_IDX] + features).reduce(0) { $0 | feature($1) }
    var fields = virtio_net_config()
    fields.mac = (2, 0, 0, 0, 0, 1)
    fields.status = status
    fields.mtu = mtu
    device.configuration = withUnsafeBytes(of: fields) { Array($0) }
  }

  /// Sends what the driver has made available.
  func transmit() {
    device.queue = 1
    while let chain = device.takeAvailable() {
      let bytes = chain.readable.flatMap { Array($0) }
      sent.append(Sent(header: Array(bytes.prefix(12)), frame: Array(bytes.dropFirst(12))))
      device.complete(id: UInt32(chain.head), written: 0)
    }
  }

  func takeBuffers() {
    device.queue = 0
    while let chain = device.takeAvailable() { buffers.append(chain) }
  }

  /// Delivers a frame as a device does, in as many buffers as it takes.
  func deliver(_ frame: [UInt8], flags: UInt8 = 0) {
    takeBuffers()
    var header = virtio_net_hdr()
    header.flags = flags
    var room = 0
    for buffer in buffers where room < frame.count + 12 {
      room += buffer.writable[0].count
      header.num_buffers += 1
    }
    var bytes = withUnsafeBytes(of: header) { Array($0) } + frame
    while !bytes.isEmpty {
      let chain = buffers.removeFirst()
      let count = min(chain.writable[0].count, bytes.count)
      chain.writable[0].copyBytes(from: bytes.prefix(count))
      bytes.removeFirst(count)
      device.complete(id: UInt32(chain.head), written: UInt32(count))
    }
  }

  /// Writes anything into the next buffer.
  func deliverRaw(_ bytes: [UInt8], claiming written: UInt32? = nil) {
    takeBuffers()
    let chain = buffers.removeFirst()
    chain.writable[0].copyBytes(from: bytes)
    device.complete(id: UInt32(chain.head), written: written ?? UInt32(bytes.count))
  }
}

/// What a driver's frames come from and go to.
final class FakeEndpoint: FrameEndpoint {
  var frameLimit = 65549
  var received: [(frame: [UInt8], checksumIsValid: Bool)] = []
  /// Where each received frame was in memory.
  var addresses: [UInt] = []
  var output: [[UInt8]] = []
  var offload: (checksum: PartialChecksum?, segmentation: Segmentation?) = (nil, nil)
  var deadline: UInt64?
  var isAwaited = false
  private(set) var settleCount = 0

  var hasOutput: Bool { !output.isEmpty }
  func transmit(into frame: inout MutableRawSpan) -> OutgoingFrame? {
    guard !output.isEmpty else { return nil }
    let bytes = output.removeFirst()
    frame.withUnsafeMutableBytes { $0.copyBytes(from: bytes) }
    return OutgoingFrame(byteCount: bytes.count, checksum: offload.checksum, segmentation: offload.segmentation)
  }
  func receive(_ frame: RawSpan, checksumIsValid: Bool) {
    frame.withUnsafeBytes {
      received.append((Array($0), checksumIsValid))
      addresses.append(UInt(bitPattern: $0.baseAddress))
    }
  }
  func settle() { settleCount += 1 }
  func advance() {}
}
