import MachineABI

/// The driver of a virtio console's input (virtio-1.2 §5.3); output goes by the control page, which keeps its order with
/// that of everything else.
///
/// One buffer is with the device, from the moment that a task wants input: until then the host keeps what is typed.
final class ConsoleDriver<Page: RegisterPage>: QueueDriver<Page> {
  let input: ArrivedInput
  private let buffer: UnsafeMutableRawBufferPointer

  /// The size of the buffer, one page.
  private static var bufferSize: Int { pageSize }
  /// The queue to the guest holds one buffer at a time.
  private static var queueSize: UInt16 { 2 }

  /// Takes a console into use.
  ///
  /// - Parameter maximumLineLength: in bytes.
  static func open(_ device: DeviceRecord, page: Page, maximumLineLength: Int) throws(DeviceError) -> ConsoleDriver {
    let registers = VirtioRegisters(page: page, device: device)
    let features = try registers.negotiate(wanted: feature(VIRTIO_F_EVENT_IDX) | feature(VIRTIO_CONSOLE_F_SIZE))
    let size = try registers.sizeOfQueue(UInt32(VIRTIO_CONSOLE_RECEIVE_QUEUE), wanted: queueSize)
    let driver = ConsoleDriver(
      registers: registers, features: features, queueSize: size, maximumLineLength: maximumLineLength)
    driver.start()
    return driver
  }

  private init(registers: VirtioRegisters<Page>, features: UInt64, queueSize: UInt16, maximumLineLength: Int) {
    // A console that has a size is a terminal, which then leaves echo and editing to the guest.
    input = ArrivedInput(
      maximumLineLength: maximumLineLength, isTerminal: features & feature(VIRTIO_CONSOLE_F_SIZE) != 0)
    buffer = .allocate(byteCount: Self.bufferSize, alignment: pageSize)
    super.init(
      registers: registers, features: features, queueIndex: UInt32(VIRTIO_CONSOLE_RECEIVE_QUEUE), queueSize: queueSize)
    // The input lives no longer than its driver.
    input.willWait = { [unowned(unsafe) self] in provideBuffer() }
  }

  /// Only for a driver whose device is gone.
  deinit { buffer.deallocate() }

  private func provideBuffer() {
    guard queue.inFlightCount == 0 else { return }
    let segment = DriverQueue.Segment(
      address: UInt64(UInt(bitPattern: buffer.baseAddress)), byteCount: UInt32(buffer.count), isWritable: true)
    let segments: InlineArray<1, DriverQueue.Segment> = [segment]
    _ = queue.add(segments.span)
  }

  override func completed(_ completion: DriverQueue.Completion) {
    // virtio has no end of input; this device tells it by a buffer with nothing in it.
    if completion.written == 0 {
      input.end()
    } else {
      input.append(UnsafeRawBufferPointer(rebasing: buffer[..<Int(completion.written)]))
    }
  }

  /// A buffer that the device has although no task waits any more does not keep the machine alive.
  override var isAwaited: Bool { input.isAwaited }
}
