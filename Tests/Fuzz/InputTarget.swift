import MachineABI

@testable import GuestKernel

/// The driver of a console's input, and the lines that it is made into, with a device that says and writes anything.
let inputTarget = FuzzTarget(name: "input") { bytes in
  let device = HostileDevice(kind: UInt32(VIRTIO_ID_CONSOLE), FuzzInput(bytes))
  device.features =
    feature(VIRTIO_F_VERSION_1) | UInt64(device.next(UInt8.self) & 1) << UInt64(VIRTIO_CONSOLE_F_SIZE)
  if device.next(below: 2) == 0 { device.features |= feature(VIRTIO_F_EVENT_IDX) }
  let maximum = 1 + device.next(below: 32)
  device.lies = device.next(UInt8.self) < 32 ? device.next(below: 16) : 0
  guard
    let driver = try? ConsoleDriver.open(device.record, page: device, maximumLineLength: maximum)
  else { return }
  device.lies = 0
  let session = InputSession(driver, device)
  while !device.isAtEnd { session.step() }
  session.end()
}

/// A task that reads, and what the device does meanwhile.
private final class InputSession: @unchecked Sendable {
  private let driver: ConsoleDriver<HostileDevice>
  private let device: HostileDevice
  private var reader: Task<Void, Never>?
  private var hasFault = false

  init(_ driver: ConsoleDriver<HostileDevice>, _ device: HostileDevice) {
    self.driver = driver
    self.device = device
  }

  func step() {
    switch device.next(below: 10) {
    case 0, 1: startReader()
    case 2, 3, 4, 5: typeSomething(device.take(device.next(below: 48)))
    case 6: device.complete(id: UInt32(device.next(below: 4)), written: device.length())
    case 7: device.scribble()
    case 8: reader?.cancel()
    default: takeBytes()
    }
    InlineExecutor.shared.run()
    if !hasFault { poll() }
  }

  private func startReader() {
    guard reader == nil else { return }
    reader = Task(executorPreference: InlineExecutor.shared) {
      await self.driver.input.wait()
      self.takeLines()
      self.reader = nil
    }
  }

  private func takeLines() {
    while true {
      switch driver.input.lines.takeLine(echo: { _ in }) {
      case .line(let line): require(line.count <= driver.input.lines.maximumLength, "a line's length")
      case .end, .nothing: return
      }
    }
  }

  private func takeBytes() {
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 + device.next(below: 8), alignment: 1)
    defer { buffer.deallocate() }
    require(driver.input.lines.take(into: buffer) <= buffer.count, "as many bytes as fit")
  }

  /// Fills the buffer that the driver has made available, as a console does.
  private func typeSomething(_ bytes: UnsafeRawBufferPointer) {
    guard driver.queue.inFlightCount > 0 else { return }
    let head = device.availableHead(device.availableIndex &- 1)
    let descriptor = (device.descriptors + 16 * Int(head)).load(as: virtq_desc.self)
    require(descriptor.flags == UInt16(VIRTQ_DESC_F_WRITE) && descriptor.len >= 48, "a buffer for input")
    let buffer = UnsafeMutableRawPointer(bitPattern: UInt(descriptor.addr))!
    if let start = bytes.baseAddress { buffer.copyMemory(from: start, byteCount: bytes.count) }
    device.complete(id: UInt32(head), written: UInt32(bytes.count))
  }

  private func poll() {
    do throws(QueueFault) {
      try driver.poll()
    } catch {
      hasFault = true
    }
    InlineExecutor.shared.run()
  }

  /// Nobody waits for a device that has failed.
  func end() {
    reader?.cancel()
    InlineExecutor.shared.run()
    require(reader == nil && !driver.isAwaited, "a task that was cancelled does not wait")
    takeLines()
  }
}
