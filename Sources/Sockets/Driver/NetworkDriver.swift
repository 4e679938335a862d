import GuestKernel
import MachineABI
import Network

/// The driver of a virtio network device with one pair of queues (virtio-1.2 §5.1).
///
/// A turn of the event loop: frames are sent that tasks have left to be sent, then those are taken in that have arrived, and
/// the tasks that waited for them run. So a request's acknowledgement goes out with its answer. What is left to send when
/// no task has anything to do goes out before the machine idles. Each is told to the device once, however many frames it is.
final class NetworkDriver<Page: RegisterPage>: ServedDevice {
  let capabilities: LinkCapabilities
  private let registers: VirtioRegisters<Page>
  private let features: NetworkFeatures
  private var receiving: ReceiveRing
  private var transmitting: TransmitRing
  /// Where frames come from and go to.
  private let endpoint: any FrameEndpoint
  /// There is something to send and no room for it.
  private var isBlocked = false

  /// How many frames are taken in before tasks run again: as many as a burst has, and not so many that a flood would
  /// leave the tasks no time.
  static var receiveBatch: Int { 64 }

  /// And how many bytes, so that tasks read them while they are in the processor's cache, and while there is room for them in
  /// the memory that a reader waits with.
  private static var receiveByteBatch: Int { 256 << 10 }

  /// Receive buffers: in all of them, once they are long, is room for 1 MiB, TCP's largest window.
  private static var receiveQueueSize: UInt16 { 128 }

  /// Takes a network device into use.
  ///
  /// - Parameter makeEndpoint: given what the device offers, makes what its frames come from and go to.
  static func open(
    _ device: DeviceRecord, page: Page, makeEndpoint: (LinkCapabilities) -> any FrameEndpoint
  ) throws(DeviceError) -> NetworkDriver {
    let registers = VirtioRegisters(page: page, device: device)
    let features = NetworkFeatures(try registers.negotiate(choosing: { NetworkFeatures(offered: $0).bits }))
    let capabilities = try registers.readConfiguration { features.capabilities($0) }
    guard let capabilities else { throw registers.refusal(.badConfiguration) }
    let endpoint = makeEndpoint(capabilities)

    let receiveQueue = UInt32(VIRTIO_NET_RECEIVE_QUEUE), transmitQueue = UInt32(VIRTIO_NET_TRANSMIT_QUEUE)
    let receiving = ReceiveRing(
      index: receiveQueue, size: try registers.sizeOfQueue(receiveQueue, wanted: receiveQueueSize), features: features)
    registers.enable(receiving.queue)
    let transmitting = TransmitRing(
      index: transmitQueue, size: try registers.sizeOfQueue(transmitQueue, wanted: preferredQueueSize),
      features: features, frameLimit: endpoint.frameLimit)
    registers.enable(transmitting.queue)
    registers.start()
    return NetworkDriver(registers, features, capabilities, receiving, transmitting, endpoint)
  }

  private init(
    _ registers: VirtioRegisters<Page>, _ features: NetworkFeatures, _ capabilities: LinkCapabilities,
    _ receiving: consuming ReceiveRing, _ transmitting: consuming TransmitRing, _ endpoint: any FrameEndpoint
  ) {
    self.registers = registers
    self.features = features
    self.capabilities = capabilities
    self.receiving = receiving
    self.transmitting = transmitting
    self.endpoint = endpoint
  }

  /// Whether the link is up, as far as the device tells (virtio-1.2 §5.1.4).
  var isLinkUp: Bool {
    guard features.hasStatus else { return true }
    let status = ConfigurationSpace(page: registers.page).load16(NetworkConfigurationOffset.status)
    return status & UInt16(VIRTIO_NET_S_LINK_UP) != 0
  }

  func serve() {
    do throws(QueueFault) {
      try turn()
    } catch {
      stopMachine(error, registers.device)
    }
  }

  /// Sends what is to be sent, and takes in what has arrived.
  func turn() throws(QueueFault) {
    endpoint.advance()
    try transmit()
    try receive()
    try registers.endWait(&receiving.queue)
    try registers.endWait(&transmitting.queue)
  }

  private func receive() throws(QueueFault) {
    var byteCount = 0
    for _ in 0..<Self.receiveBatch {
      let endpoint = endpoint
      let isFrame = try receiving.takeFrame {
        byteCount += $0.byteCount
        endpoint.receive($0, checksumIsValid: $1)
      }
      guard isFrame, byteCount < Self.receiveByteBatch else { break }
    }
    endpoint.settle()
    registers.announce(&receiving.queue)
  }

  private func transmit() throws(QueueFault) {
    isBlocked = false
    guard endpoint.hasOutput else { return }
    let endpoint = endpoint
    try transmitting.reclaim()
    while true {
      switch transmitting.send({ endpoint.transmit(into: &$0) }) {
      case .sent: continue
      case .nothing: return registers.announce(&transmitting.queue)
      case .full:
        // A device that sends while it is being told makes room at once.
        let inFlight = transmitting.queue.inFlightCount
        registers.announce(&transmitting.queue)
        try transmitting.reclaim()
        guard transmitting.queue.inFlightCount < inFlight else {
          isBlocked = true
          return
        }
      }
    }
  }

  /// Asks for interrupts whether or not a task waits: peers do.
  func prepareToIdle() -> Idleness {
    do throws(QueueFault) {
      try transmit()
    } catch {
      stopMachine(error, registers.device)
    }
    registers.acknowledgeInterrupts()
    // Without room there may be no end of the wait but a frame that was sent.
    if isBlocked, !transmitting.queue.requestInterrupt() { return .hasWork }
    guard receiving.queue.requestInterrupt() else { return .hasWork }
    return endpoint.isAwaited ? .awaitsInterrupt : .nobodyWaits
  }

  var deadline: UInt64? { endpoint.deadline }

  /// How full the queues are.
  var queueStatistics: NetworkQueueStatistics {
    NetworkQueueStatistics(
      receiveBufferCount: Int(receiving.queue.inFlightCount), receiveBufferLimit: Int(receiving.queue.size),
      sendingFrameCount: Int(transmitting.queue.inFlightCount), sendingFrameLimit: Int(transmitting.queue.size))
  }
}
