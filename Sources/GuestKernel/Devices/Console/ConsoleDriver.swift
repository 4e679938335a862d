import MachineABI

/// The driver of a virtio console's input (virtio-1.2 §5.3); output goes by the control page, which keeps its order with
/// that of everything else.
///
/// One buffer is with the device, from the moment that a task wants input: until then the host keeps what is typed.
final class ConsoleDriver<Page: RegisterPage>: QueueDriver<Page> {
  var lines: LineBuffer
  private let buffer: UnsafeMutableRawBufferPointer
  /// The tasks that wait for input, the last one first.
  private var waiting: InputWaiter?

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
    lines = LineBuffer(
      maximumLength: maximumLineLength, isTerminal: features & feature(VIRTIO_CONSOLE_F_SIZE) != 0)
    buffer = .allocate(byteCount: Self.bufferSize, alignment: pageSize)
    super.init(
      registers: registers, features: features, queueIndex: UInt32(VIRTIO_CONSOLE_RECEIVE_QUEUE), queueSize: queueSize)
  }

  /// Only for a driver whose device is gone.
  deinit { buffer.deallocate() }

  /// Returns when something has arrived, the input has ended, or the task is cancelled.
  nonisolated(nonsending) func waitForInput() async {
    // All of it happens in one thread, the cancellation handler included.
    nonisolated(unsafe) let waiter = InputWaiter()
    nonisolated(unsafe) let driver = self
    await withTaskCancellationHandler {
      await withUnsafeContinuation { (continuation: UnsafeContinuation<Void, Never>) in
        if waiter.isCancelled || driver.lines.hasInput {
          continuation.resume()
        } else {
          waiter.continuation = continuation
          waiter.next = driver.waiting
          driver.waiting = waiter
          driver.provideBuffer()
        }
      }
    } onCancel: {
      waiter.isCancelled = true
      driver.remove(waiter)
      waiter.resume()
    }
  }

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
      lines.end()
    } else {
      lines.append(UnsafeRawBufferPointer(rebasing: buffer[..<Int(completion.written)]))
    }
    var resumed = waiting
    waiting = nil
    while let waiter = resumed {
      waiter.resume()
      resumed = waiter.next
    }
  }

  private func remove(_ removed: InputWaiter) {
    guard waiting !== removed else {
      waiting = removed.next
      return
    }
    var waiter = waiting
    while let current = waiter {
      if current.next === removed { current.next = removed.next }
      waiter = current.next
    }
  }

  /// A buffer that the device has although no task waits any more does not keep the machine alive.
  override var isAwaited: Bool { waiting != nil }
}

/// A task that waits for input.
final class InputWaiter {
  var next: InputWaiter?
  var continuation: UnsafeContinuation<Void, Never>?
  var isCancelled = false

  func resume() {
    guard let continuation else { return }
    self.continuation = nil
    continuation.resume()
  }
}
