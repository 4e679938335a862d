import MachineABI

/// As many descriptors as fit into one page with their rings.
package let preferredQueueSize: UInt16 = 128

/// A driver that works with one queue of its device.
class QueueDriver<Page: RegisterPage>: DeviceDriver {
  let registers: VirtioRegisters<Page>
  let features: UInt64
  final var queue: DriverQueue

  /// - Parameters:
  ///   - registers: the device's, with features agreed on.
  ///   - features: those agreed on.
  ///   - queueIndex: the queue to work with; others stay disabled.
  ///   - queueSize: what `registers.sizeOfQueue` said.
  init(registers: VirtioRegisters<Page>, features: UInt64, queueIndex: UInt32 = 0, queueSize: UInt16) {
    self.registers = registers
    self.features = features
    queue = DriverQueue(
      index: queueIndex, size: queueSize, usesEventIndex: features & feature(VIRTIO_F_EVENT_IDX) != 0)
    super.init(device: registers.device)
  }

  /// Takes the device into use, with this queue and no other (virtio-1.2 §3.1.1, steps 7 and 8).
  final func start() {
    registers.enable(queue)
    registers.start()
  }

  /// A request is done. To override.
  func completed(_ completion: DriverQueue.Completion) {}

  /// Whether a task waits for a completion. To override.
  var isAwaited: Bool { queue.inFlightCount > 0 }

  override final func serve() {
    do throws(QueueFault) {
      announce()
      try poll()
      // What completions have made room for.
      announce()
    } catch {
      stopMachine(error, device)
    }
  }

  /// Tells the device of new requests.
  final func announce() {
    registers.announce(&queue)
  }

  /// Takes note of everything that the device has completed.
  final func poll() throws(QueueFault) {
    while let completion = try queue.takeCompletion() {
      completed(completion)
    }
    try registers.endWait(&queue)
  }

  /// Waits a little for a completion without an interrupt; returns whether one has come. For a device that is at work on the
  /// queue: to idle until it interrupts would cost more than the rest of what it does.
  private func awaitCompletion() -> Bool {
    let end = monotonicNanoseconds() + Self.patience
    repeat {
      if queue.hasCompletion { return true }
      virtq_pause()
    } while monotonicNanoseconds() < end
    return false
  }

  /// In nanoseconds: about what idling and the interrupt that ends it take.
  private static var patience: UInt64 { 20_000 }

  override final func prepareToIdle() -> Idleness {
    // Whether or not one was asked for: an interrupt that the device still raises is no edge when the next one comes, and a
    // level that keeps the machine awake. What it told of is in the ring, which is looked at behind this.
    registers.acknowledgeInterrupts()
    guard isAwaited else { return .nobodyWaits }
    if queue.isBeingServed, awaitCompletion() { return .hasWork }
    return queue.requestInterrupt() ? .awaitsInterrupt : .hasWork
  }
}

/// Ends the machine because a device does what no device may do.
package func stopMachine(_ fault: QueueFault, _ device: DeviceRecord) -> Never {
  let words = fault.words(device: device.name)
  #if hasFeature(Embedded)
    panic(words)
  #else
    fatalError(words)
  #endif
}
