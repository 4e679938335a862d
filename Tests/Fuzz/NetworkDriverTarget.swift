import MachineABI

@testable import GuestKernel
@testable import Network
@testable import Sockets

/// The network driver with a device that says and writes anything: it works, or it refuses, or it finds a fault. What it
/// sends and what it has posted is always its own memory.
let networkDriverTarget = FuzzTarget(name: "network-driver") { bytes in
  let device = HostileDevice(kind: UInt32(VIRTIO_ID_NETWORK), FuzzInput(bytes))
  device.configure()
  let endpoint = EchoEndpoint(device)
  guard let driver = try? NetworkDriver.open(device.record, page: device, makeEndpoint: { _ in endpoint }) else {
    return
  }
  device.lies = 0
  let session = NetworkDriverSession(driver, device, endpoint)
  while !device.isAtEnd, session.step() {}
}

extension HostileDevice {
  /// A network device as they are, unless the input has it otherwise.
  fileprivate func configure() {
    let choice = next(UInt8.self)
    features = feature(VIRTIO_F_VERSION_1) | UInt64(next(UInt32.self))
    var fields = virtio_net_config()
    fields.mac = choice & 1 == 0 ? (2, 0, 0, 0, 0, 1) : (next(), next(), next(), next(), next(), next())
    fields.status = next()
    fields.mtu = choice & 2 == 0 ? 1500 : next()
    configuration = withUnsafeBytes(of: fields) { Array($0) } + [UInt8](repeating: 0, count: 52)
    if choice & 4 != 0 { queueLimit = next(UInt32.self) }
    if choice & 8 != 0 { lies = next(below: 16) }
  }
}

/// Takes what arrives, and has frames to send whose bytes say how long they are.
private final class EchoEndpoint: FrameEndpoint {
  private let device: HostileDevice
  var waiting: [Int] = []
  let frameLimit: Int

  init(_ device: HostileDevice) {
    self.device = device
    frameLimit = device.next(below: 2) == 0 ? 1514 : 65549
  }

  var hasOutput: Bool { !waiting.isEmpty }
  let deadline: UInt64? = nil
  let isAwaited = false

  func transmit(into frame: inout MutableRawSpan) -> OutgoingFrame? {
    guard !waiting.isEmpty else { return nil }
    let count = min(waiting.removeFirst(), frameLimit)
    require(frame.byteCount >= frameLimit, "room for a frame")
    frame.withUnsafeMutableBytes { bytes in
      for index in 0..<count { bytes[index] = UInt8(truncatingIfNeeded: count &+ index) }
    }
    return OutgoingFrame(byteCount: count)
  }

  func receive(_ frame: RawSpan, checksumIsValid: Bool) {
    require(frame.byteCount <= ReceiveRing.bufferLimit * ReceiveRing.longBufferSize - 12, "a frame that fits")
    // The sanitizer watches that all of it may be read.
    var sum: UInt8 = 0
    for offset in frame.byteOffsets { sum &+= frame.unsafeLoad(fromByteOffset: offset, as: UInt8.self) }
    if sum == 0, waiting.count < 300 { waiting.append(max(1, frame.byteCount)) }
  }

  func settle() {}
  func advance() {}
}

/// What a driver does, and the device meanwhile.
private final class NetworkDriverSession {
  private let driver: NetworkDriver<HostileDevice>
  private let device: HostileDevice
  private let endpoint: EchoEndpoint
  private var seen: [UInt16] = [0, 0]
  private var heads: [[UInt16]] = [[], []]
  /// The device has completed what it may not have seen, so what it sends may be another frame by now.
  private var hasMadeUp = false

  init(_ driver: NetworkDriver<HostileDevice>, _ device: HostileDevice, _ endpoint: EchoEndpoint) {
    self.driver = driver
    self.device = device
    self.endpoint = endpoint
  }

  /// - Returns: false: the driver has found a fault, and is not used any more.
  func step() -> Bool {
    device.queue = device.next(below: 2)
    switch device.next(below: 8) {
    case 0: if endpoint.waiting.count < 300 { endpoint.waiting.append(1 + Int(device.next(UInt16.self))) }
    case 1, 2: lookAtAvailable()
    case 3, 4: completeOne()
    case 5:
      hasMadeUp = true
      device.complete(id: UInt32(device.next(below: 20)), written: device.length())
    case 6:
      hasMadeUp = true
      device.scribble()
    default:
      // A device that has completed all that it had may get all of it back in one turn.
      for queue in 0...1 {
        device.queue = queue
        lookAtAvailable()
      }
      do throws(QueueFault) {
        try driver.turn()
      } catch {
        _ = error.words(device: device.record.name)
        return false
      }
    }
    return true
  }

  /// Checks what the driver has made available since the last time.
  private func lookAtAvailable() {
    let queue = device.queue
    let index = device.availableIndex
    require(index &- seen[queue] <= UInt16(device.queueSize), "more available than the queue holds")
    while seen[queue] != index {
      let head = device.availableHead(seen[queue])
      seen[queue] &+= 1
      if queue == 0, !hasMadeUp { checkBuffer(head) }
      heads[queue].append(head)
      let descriptor = descriptor(head)
      require(descriptor.flags == (queue == 0 ? UInt16(VIRTQ_DESC_F_WRITE) : 0), "one descriptor, of its direction")
      if queue == 0 {
        require(
          [ReceiveRing.shortBufferSize, ReceiveRing.longBufferSize].contains(Int(descriptor.len)), "a buffer")
      } else if !hasMadeUp {
        checkFrame(descriptor)
      }
    }
  }

  private func descriptor(_ head: UInt16) -> virtq_desc {
    require(Int(head) < device.queueSize, "a descriptor of the table")
    return (device.descriptors + 16 * Int(head)).load(as: virtq_desc.self)
  }

  /// What the device has is never in two buffers.
  private func checkBuffer(_ head: UInt16) {
    func range(_ head: UInt16) -> Range<UInt64> {
      let descriptor = descriptor(head)
      return descriptor.addr..<descriptor.addr + UInt64(descriptor.len)
    }
    let new = range(head)
    for other in heads[0] { require(!new.overlaps(range(other)), "memory that the device does not have yet") }
  }

  private func checkFrame(_ descriptor: virtq_desc) {
    let bytes = UnsafeRawBufferPointer(
      start: UnsafeRawPointer(bitPattern: UInt(descriptor.addr)), count: Int(descriptor.len))
    require(bytes.count > 12 && bytes.count <= 12 + endpoint.frameLimit, "a frame")
    for (index, byte) in bytes.dropFirst(12).enumerated() {
      require(byte == UInt8(truncatingIfNeeded: bytes.count - 12 + index), "the frame that was sent")
    }
  }

  /// Does as a device should, with any header and contents.
  private func completeOne() {
    let queue = device.queue
    guard !heads[queue].isEmpty else { return }
    let head = heads[queue].remove(at: queue == 0 ? 0 : device.next(below: heads[queue].count))
    guard queue == 0 else { return device.complete(id: UInt32(head), written: 0) }
    let descriptor = descriptor(head)
    let bytes = device.take(ReceiveRing.shortBufferSize)
    UnsafeMutableRawBufferPointer(
      start: UnsafeMutableRawPointer(bitPattern: UInt(descriptor.addr)), count: Int(descriptor.len)
    ).copyBytes(from: bytes)
    let written = device.next(below: 4) == 0 ? Int(descriptor.len) : bytes.count
    device.complete(id: UInt32(head), written: UInt32(written))
  }
}
