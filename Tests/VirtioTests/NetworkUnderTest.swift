import CLinux
import KVM
import MachineABI

@testable import Virtio

/// A network device with its driver, and what its link leads to.
final class NetworkUnderTest {
  let loop = DeviceLoop(startsThread: false)
  let device: NetworkDevice
  let driver: MockDriver
  /// The reasons for which the link went down.
  private(set) var ends: [String] = []

  static let address = EthernetAddress("02:00:00:00:00:01")!
  /// virtio-1.2 §5.1.6
  static let headerSize = 12

  var receiveQueue: MockQueue { driver.queues[0] }
  var transmitQueue: MockQueue { driver.queues[1] }
  var memory: GuardedMemory { driver.memory }

  /// - Parameters:
  ///   - features: those to accept of what is offered.
  ///   - starts: whether the driver does.
  init(
    _ backend: any NetworkBackend, features: UInt64 = .max, queueSize: UInt16 = 16, capture: PacketCapture? = nil,
    starts: Bool = true
  ) throws {
    device = NetworkDevice(backend: backend, address: Self.address, capture: capture, loop: loop)
    driver = MockDriver(device, loop: loop)
    device.configurationChanged = { [unowned driver] in driver.transport.configurationChanged() }
    device.linkWentDown = { [unowned self] in ends.append($0.description) }
    try loop.withLock { () throws(SystemCallError) in try loop.prepare() }
    if starts { try driver.start(features: features, queueSize: queueSize) }
  }

  /// Gives the device buffers for frames, and says so; returns where they are.
  @discardableResult
  func giveBuffers(_ counts: [Int]) -> [UInt64] {
    let addresses = counts.map { count in
      let address = memory.allocate(count)
      memory.store([UInt8](repeating: 0xee, count: count), at: address)
      receiveQueue.add([.writable(address, count)])
      return address
    }
    receiveQueue.kick()
    return addresses
  }

  /// Serves what is ready, until nothing is.
  func serve() {
    while loop.poll(timeout: 0) > 0 {}
  }

  /// Sends a frame behind a header, in pieces of these sizes, or in one.
  func send(_ frame: [UInt8], header: [UInt8] = [UInt8](repeating: 0, count: headerSize), pieces: [Int] = []) {
    queue(frame, header: header, pieces: pieces)
    transmitQueue.kick()
  }

  /// What `send` does, but the device is not told.
  func queue(_ frame: [UInt8], header: [UInt8] = [UInt8](repeating: 0, count: headerSize), pieces: [Int] = []) {
    var rest = (header + frame)[...]
    var buffers: [MockQueue.Buffer] = []
    for size in pieces + [.max] where !rest.isEmpty {
      let piece = rest.prefix(size)
      rest = rest.dropFirst(size)
      let address = memory.allocate(piece.count)
      memory.store(piece, at: address)
      buffers.append(.readable(address, piece.count))
    }
    transmitQueue.add(buffers)
  }

  /// A frame of so many bytes that tells itself from others.
  static func frame(_ count: Int, seed: Int = 0) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ $0 >> 8 &+ seed) }
  }
}
