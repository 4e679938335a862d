import CLinux
import KVM
import MachineABI

/// A console of one port: input from one descriptor, output to another (virtio-1.2 §5.3).
///
/// Input is read only when the driver has given a buffer to read it into, so whatever the driver does not want stays with
/// the kernel, for whoever writes it to wait. The end of input, of which the specification knows nothing, is one receive
/// buffer given back with nothing in it.
public final class ConsoleDevice: VirtioDevice {
  /// What became of the output.
  public enum Delivery {
    /// The host has all of it.
    case written
    /// Nobody reads the other end any more.
    case closed
    /// The machine was told to stop while nobody read the other end.
    case stopped
    /// Writing failed; what the guest wrote from there on is lost.
    case failed(SystemCallError)
  }

  /// Descriptors of each queue, for a driver with several readers or writers; one is enough for most.
  private static let queueSize: UInt16 = 64

  private let loop: DeviceLoop
  private var input: ConsoleInput
  private let transmitter: ConsoleTransmitter
  /// Nil if the input is not a terminal.
  private var window: TerminalWindow?

  private var receiveQueue: Virtqueue?
  private var transmitQueue: Virtqueue?
  /// The receive buffer that is next to be filled; there is none while the driver wants no input.
  private var receiveBuffer: DescriptorChain?
  private var isWatchingInput = false
  /// The driver has been told of the end.
  private var hasEnded = false

  /// What became of the output so far; ask after every `queueNotified` and `drainTransmit`. Once it is not `written`
  /// any more, nothing more is written.
  public private(set) var delivery = Delivery.written

  /// Called when `configuration` has changed because the terminal's window has (virtio-1.2 §5.3.4).
  public var configurationChanged: () -> Void = {}

  /// - Parameters:
  ///   - input: any kind of descriptor, which stays the caller's. One that is closed is an input that has ended.
  ///   - output: stays the caller's.
  ///   - stopFlag: a byte that is set when the machine is to stop; then nothing here waits for a reader any more. It stays
  ///     valid as long as this value lives.
  public init(input: Int32, output: Int32, loop: DeviceLoop, stopFlag: UnsafePointer<UInt8>) {
    self.loop = loop
    self.input = ConsoleInput(descriptor: input, stopFlag: stopFlag)
    transmitter = ConsoleTransmitter(descriptor: output, stopFlag: stopFlag)
    window = TerminalWindow(of: input)
  }

  // MARK: VirtioDevice

  public var kind: UInt32 { UInt32(VIRTIO_ID_CONSOLE) }

  /// The size is offered only for a terminal; that it is tells the driver that there is one.
  public var offeredFeatures: UInt64 { window == nil ? 0 : feature(VIRTIO_CONSOLE_F_SIZE) }

  public var queueSizes: [UInt16] { [Self.queueSize, Self.queueSize] }

  public var configuration: [UInt8] {
    let content = virtio_console_config(
      cols: window?.columns ?? 0, rows: window?.rows ?? 0, max_nr_ports: 1, emerg_wr: 0)
    return withUnsafeBytes(of: content) { Array($0) }
  }

  /// Nothing in it can be written: the emergency write is not offered (virtio-1.2 §5.3.4).
  public func writeConfiguration(_ value: UInt32, byteCount: Int, at offset: Int) {}

  public func start(features: UInt64, queues: [Virtqueue]) {
    receiveQueue = queues[Int(VIRTIO_CONSOLE_RECEIVE_QUEUE)]
    transmitQueue = queues[Int(VIRTIO_CONSOLE_TRANSMIT_QUEUE)]
    if features & feature(VIRTIO_CONSOLE_F_SIZE) != 0 { watchWindow() }
    // The driver may have filled the queues before. Its processor waits for this, so a lawful one has no more than a
    // turn's worth.
    drainTransmit()
    _ = receiveQueue?.serveTurn { receive() }
  }

  public func queueNotified(_ index: Int) {
    switch index {
    case Int(VIRTIO_CONSOLE_RECEIVE_QUEUE): receive()
    case Int(VIRTIO_CONSOLE_TRANSMIT_QUEUE): transmit()
    default: break
    }
  }

  /// Output is never in flight; a buffer for input is until there is some.
  public func stopQueue(_ index: Int) {
    guard index == Int(VIRTIO_CONSOLE_RECEIVE_QUEUE) else { return }
    stopWatchingInput()
    receiveBuffer = nil
    receiveQueue = nil
  }

  public func stop() {
    stopQueue(Int(VIRTIO_CONSOLE_RECEIVE_QUEUE))
    stopWatchingWindow()
    transmitQueue = nil
    // The next driver finds out for itself.
    hasEnded = false
  }

  // MARK: To the guest

  /// Moves input into the driver's buffers until there is no more of the one or the other.
  private func receive() {
    guard let queue = receiveQueue else { return }
    // A buffer of a broken queue cannot be given back, so what was read into it would be lost.
    if queue.isBroken { receiveBuffer = nil }
    var completions = 0
    filling: while !hasEnded, let buffer = receiveBuffer ?? nextReceiveBuffer(queue) {
      receiveBuffer = buffer
      // A driver that gives buffers as fast as they are filled would keep this going, and the lock held, for ever. What is
      // left is for the next time that the input is found ready, which is at once.
      if completions == Int(Self.queueSize), isWatchingInput { break }
      switch input.read(into: buffer.writable) {
      case .bytes(let count): giveBack(buffer, to: queue, written: UInt32(count))
      case .nothing:
        do throws(SystemCallError) {
          try watchInput()
          break filling
        } catch {
          if error.code == EPERM, input.readAtOnce() { continue }
          end(with: buffer, of: queue)
        }
      case .end: end(with: buffer, of: queue)
      case .stopped: break filling
      }
      completions += 1
    }
    if receiveBuffer == nil { stopWatchingInput() }
    if completions > 0 { queue.notifyDriver() }
  }

  private func nextReceiveBuffer(_ queue: Virtqueue) -> DescriptorChain? {
    guard let chain = queue.next() else { return nil }
    // Nothing to write to would look like the end of input; the specification rules out the other (virtio-1.2 §5.3.6.1).
    guard chain.readable.isEmpty, chain.writable.contains(where: { !$0.isEmpty }) else {
      queue.fail("console: a receive buffer that is not for writing alone")
      return nil
    }
    return chain
  }

  private func giveBack(_ buffer: DescriptorChain, to queue: Virtqueue, written: UInt32) {
    receiveBuffer = nil
    queue.complete(head: buffer.head, written: written)
  }

  private func end(with buffer: DescriptorChain, of queue: Virtqueue) {
    hasEnded = true
    giveBack(buffer, to: queue, written: 0)
  }

  private func watchInput() throws(SystemCallError) {
    guard !isWatchingInput else { return }
    // The closure and with it the device live until `stopWatchingInput()`.
    try loop.watch(input.descriptor, for: .readable) { self.receive() }
    isWatchingInput = true
  }

  private func stopWatchingInput() {
    guard isWatchingInput else { return }
    loop.stopWatching(input.descriptor)
    isWatchingInput = false
  }

  // MARK: From the guest

  /// Writes out everything that the driver has queued, but no more than one turn's worth. To be called before anything
  /// else is written to the same output: the guest's order is kept thus.
  public func drainTransmit() {
    _ = transmitQueue?.serveTurn { transmit() }
  }

  private func transmit() {
    guard let queue = transmitQueue else { return }
    var hasCompleted = false
    while case .written = delivery, let chain = queue.next() {
      // virtio-1.2 §5.3.6.1
      guard chain.writable.isEmpty else {
        queue.fail("console: a transmit buffer that is for writing")
        break
      }
      delivery = transmitter.write(chain.readable)
      queue.complete(head: chain.head, written: 0)
      hasCompleted = true
    }
    if hasCompleted { queue.notifyDriver() }
  }

  // MARK: The terminal's window

  private func watchWindow() {
    // Without it the size stays what it was, which is no worse than a terminal that does not tell.
    guard let descriptor = window?.openSignal() else { return }
    do throws(SystemCallError) {
      try loop.watch(descriptor, for: .readable) {
        if self.window?.takeChange() == true { self.configurationChanged() }
      }
    } catch {
      window?.closeSignal()
    }
  }

  private func stopWatchingWindow() {
    guard let descriptor = window?.signal else { return }
    loop.stopWatching(descriptor)
    window?.closeSignal()
  }
}
