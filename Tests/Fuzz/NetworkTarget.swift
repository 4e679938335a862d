import CLinux
import KVM
import MachineABI

@testable import Virtio

/// Frames of a hostile driver, to and from another side that does what it likes as well.
let networkTarget = FuzzTarget(name: "network") { bytes in
  var input = FuzzInput(bytes)
  if input.flag() { fuzzStream(&input) } else { fuzzFrames(&input) }
}

/// A backend that takes and gives frames, or does not, as an input says. Every piece of memory that it is given is the guest's,
/// but for the header.
private func fuzzFrames(_ input: inout FuzzInput) {
  let choice = input.next(UInt8.self)
  let backend = FrameBackend(hasHeaders: choice & 1 != 0, mtu: choice & 2 != 0 ? Int(input.next(UInt16.self)) : nil)
  let loop = DeviceLoop(startsThread: false)
  let device = NetworkDevice(backend: backend, address: EthernetAddress(madeFrom: ["fuzz"]), loop: loop)
  let driver = HostileDriver(device)
  device.configurationChanged = { driver.transport.configurationChanged() }
  driver.start(&input)
  while !input.isAtEnd {
    let kind = input.next(below: HostileDriver.stepCount + 4)
    switch kind - HostileDriver.stepCount {
    case 0: backend.frameByteCount = Int(input.next(UInt16.self))
    case 1: backend.behaviour = input.next()
    case 2, 3: loop.poll(timeout: 0)
    default: driver.step(kind, &input)
    }
    driver.checkPage()
    let counters = device.counters
    require(counters.sentFrames <= backend.sent, "no frame is sent that the backend did not take")
  }
  driver.end()
  require(!backend.isWaiting, "a stopped device has no frame that waits")
  device.configurationChanged = {}
  loop.end()
}

private final class FrameBackend: NetworkBackend {
  let hasHeaders: Bool
  let mtu: Int?
  /// Always readable, always writable.
  private let event = eventfd(1, Int32(EFD_CLOEXEC) | Int32(EFD_NONBLOCK))
  var descriptor: Int32 { event }
  var offloads: NetworkOffloads { hasHeaders ? [.checksum, .segmentsIPv4, .segmentsIPv6] : [] }
  /// Of the next frames that come; none at 0.
  var frameByteCount = 0
  /// What comes of calls: two bits for each direction.
  var behaviour: UInt8 = 0
  private(set) var sent: UInt64 = 0
  private(set) var isWaiting = false

  init(hasHeaders: Bool, mtu: Int?) {
    self.hasHeaders = hasHeaders
    self.mtu = mtu
  }

  deinit {
    close(event)
  }

  func beginReceiving(_ offloads: NetworkOffloads) {}
  func endReceiving() {}

  func receive(into memory: inout FrameVectors) -> NetworkReception {
    memory.forEach { piece in
      require(GuestMemory.shared.holds(piece.baseAddress!, count: piece.count, toWrite: true), "the guest's memory")
      // Guest memory is written as readv would write it.
      memset(UnsafeMutableRawPointer(mutating: piece.baseAddress!), 0x5a, min(piece.count, 64))
    }
    guard frameByteCount > 0 else { return .nothing }
    switch behaviour & 3 {
    case 3 where behaviour & 0xc0 == 0xc0: return .failed(.closed("gone"))
    case 2: return .dropped
    default: return frameByteCount > memory.byteCount ? .dropped : .frame(frameByteCount)
    }
  }

  func send(_ memory: inout FrameVectors) -> NetworkSending {
    let headerSize = hasHeaders ? MemoryLayout<virtio_net_hdr>.size : 0
    require(memory.byteCount >= headerSize + NetworkFrame.shortest, "a frame")
    require(memory.byteCount <= headerSize + StreamBackend.frameLimit, "no more than a frame")
    var isHeader = hasHeaders
    memory.forEach { piece in
      if !isHeader {
        require(GuestMemory.shared.holds(piece.baseAddress!, count: piece.count, toWrite: false), "the guest's memory")
      }
      isHeader = false
    }
    isWaiting = false
    switch behaviour >> 2 & 3 {
    case 1: return .refused
    case 2:
      isWaiting = true
      return .full
    case 3 where behaviour & 0xc0 == 0x80: return .failed(.closed("gone"))
    default:
      sent += 1
      return .sent
    }
  }

  func endSending(_ memory: inout FrameVectors) {
    isWaiting = false
  }
}

/// A stream on which anything comes, and whose other side reads when it likes.
private func fuzzStream(_ input: inout FuzzInput) {
  var ends: [Int32] = [-1, -1]
  let kind = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
  require(socketpair(AF_UNIX, kind, 0, &ends) == 0, "a pair of sockets")
  let far = ends[1]
  let loop = DeviceLoop(startsThread: false)
  let device = NetworkDevice(
    backend: StreamBackend(socket: FileDescriptor(owning: ends[0]), mtu: input.flag() ? 65520 : nil),
    address: EthernetAddress(madeFrom: ["fuzz"]), loop: loop)
  let driver = HostileDriver(device)
  device.configurationChanged = { driver.transport.configurationChanged() }
  driver.start(&input)
  var isOpen = true
  var received = StreamReader()
  while !input.isAtEnd {
    let kind = input.next(below: HostileDriver.stepCount + 6)
    switch kind - HostileDriver.stepCount {
    case 0:
      let bytes = input.take(input.next(below: 64))
      if isOpen, bytes.count > 0 { _ = send(far, bytes.baseAddress, bytes.count, Int32(MSG_NOSIGNAL)) }
    case 1:
      // A frame as it should be, of a few bytes that are there.
      let frame = input.take(14 + input.next(below: 50))
      var length = UInt32(frame.count).bigEndian
      if isOpen, frame.count > 0 {
        _ = send(far, &length, 4, Int32(MSG_NOSIGNAL))
        _ = send(far, frame.baseAddress, frame.count, Int32(MSG_NOSIGNAL))
      }
    case 2: if isOpen { received.read(far) }
    case 3, 4: loop.poll(timeout: 0)
    case 5:
      if isOpen, input.next(below: 16) == 0 {
        close(far)
        isOpen = false
      }
    default: driver.step(kind, &input)
    }
    driver.checkPage()
  }
  driver.end()
  if isOpen {
    received.read(far)
    close(far)
  }
  device.configurationChanged = {}
  loop.end()
}

/// What the driver sends is frames behind their lengths, whatever the driver does.
private struct StreamReader {
  private var header: [UInt8] = []
  private var missing = 0

  mutating func read(_ descriptor: Int32) {
    var bytes = [UInt8](repeating: 0, count: 4096)
    while true {
      let count = CLinux.read(descriptor, &bytes, bytes.count)
      guard count > 0 else { return }
      var index = 0
      while index < count {
        if missing > 0 {
          let part = min(missing, count - index)
          missing -= part
          index += part
          continue
        }
        header.append(bytes[index])
        index += 1
        guard header.count == 4 else { continue }
        missing = header.reduce(0) { $0 << 8 | Int($1) }
        require(missing >= NetworkFrame.shortest && missing <= StreamBackend.frameLimit, "a frame's length")
        header = []
      }
    }
  }
}
