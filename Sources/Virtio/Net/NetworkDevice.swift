import CLinux
import KVM
import MachineABI

/// A network interface of one pair of queues (virtio-1.2 §5.1), whose link leads to a backend.
///
/// Frames go from the driver's buffers to the kernel and back without a copy of ours. What there is no buffer for is not
/// read: it waits with the kernel, and is lost there. When the other side is gone the link is down, and the machine goes on.
public final class NetworkDevice: VirtioDevice {
  /// The entries of each queue: as many as a TAP interface's own queue is long, over two, and more than enough for the longest
  /// frame in small buffers.
  static let queueSize: UInt16 = 256

  /// More than one turn brings of requests and acknowledgements.
  private static let bulkByteCount: UInt64 = 32 << 10
  /// For so many turns of receiving the loop's thread serves this device before others: a flood is no reason to keep them
  /// waiting.
  private static let pollingTurnLimit = 16

  /// How often in a row something is tried that failed for a reason that may pass. The time before the next attempt doubles
  /// from 2 ms on: all of them take one second.
  private static let attemptLimit = 9

  /// The MTUs that a device can have, both ends included (virtio-1.2 §5.1.4.1).
  public static let mtuRange = 68...NetworkFrame.packetLimit

  private let loop: DeviceLoop
  private let address: EthernetAddress
  private let mtu: Int?
  private let capture: PacketCapture?
  /// Nil once the link is down, from which it does not come back.
  private var backend: (any NetworkBackend)?

  private var receiveQueue: Virtqueue?
  private var transmitQueue: Virtqueue?
  private var receiver: NetworkReceiver?
  private var transmitter: NetworkTransmitter?
  private var isWatchingInput = false
  /// Whether the loop's thread found many bytes when it looked for frames last.
  private var receivesBulk = false
  /// A second number for the backend's descriptor, which is watched for the room that a frame waits for: there is one watch for
  /// each descriptor.
  private var roomDescriptor: Int32 = -1
  /// Whether sending goes on after some time, for want of a descriptor to wait for.
  private var isSendingDelayed = false
  /// The same for receiving.
  private var isReceivingDelayed = false
  /// How often in a row receiving, or sending, has failed.
  private var receiveFailureCount = 0
  private var sendFailureCount = 0

  /// What the device did so far.
  public private(set) var counters = NetworkCounters()

  /// Called when `configuration` has changed because the link went down (virtio-1.2 §5.1.4).
  public var configurationChanged: () -> Void = {}
  /// Called with the reason when the link goes down.
  public var linkWentDown: (NetworkBackendError) -> Void = { _ in }

  /// - Parameters:
  ///   - capture: where to record every frame, if anywhere.
  ///   - loop: waits for frames.
  public init(
    backend: any NetworkBackend, address: EthernetAddress, capture: PacketCapture? = nil, loop: DeviceLoop
  ) {
    self.backend = backend
    self.address = address
    self.capture = capture
    self.loop = loop
    mtu = backend.mtu
    offloads = backend.offloads
  }

  private let offloads: NetworkOffloads

  /// Ends the recording of frames, and what was started for the backend. Call once the device has stopped.
  ///
  /// - Returns: lines about what is missing from the recording and what has not ended.
  public func end() -> [String] { [capture?.end(), backend?.end()].compactMap { $0 } }

  // MARK: VirtioDevice

  public var kind: UInt32 { UInt32(VIRTIO_ID_NETWORK) }

  public var offeredFeatures: UInt64 {
    var features = feature(VIRTIO_NET_F_MAC) | feature(VIRTIO_NET_F_STATUS) | feature(VIRTIO_NET_F_MRG_RXBUF)
    if mtu != nil { features |= feature(VIRTIO_NET_F_MTU) }
    if offloads.contains(.checksum) {
      features |= feature(VIRTIO_NET_F_CSUM) | feature(VIRTIO_NET_F_GUEST_CSUM)
      if offloads.contains(.segmentsIPv4) {
        features |= feature(VIRTIO_NET_F_HOST_TSO4) | feature(VIRTIO_NET_F_GUEST_TSO4)
      }
      if offloads.contains(.segmentsIPv6) {
        features |= feature(VIRTIO_NET_F_HOST_TSO6) | feature(VIRTIO_NET_F_GUEST_TSO6)
      }
    }
    return features
  }

  public var queueSizes: [UInt16] { [Self.queueSize, Self.queueSize] }

  public var configuration: [UInt8] {
    var fields = virtio_net_config()
    withUnsafeMutableBytes(of: &fields.mac) { for index in 0..<6 { $0[index] = address.bytes[index] } }
    fields.status = backend == nil ? 0 : UInt16(VIRTIO_NET_S_LINK_UP)
    fields.max_virtqueue_pairs = 1
    fields.mtu = UInt16(clamping: mtu ?? 0)
    return withUnsafeBytes(of: fields) { [UInt8]($0) }
  }

  /// Nothing in it is the driver's to write (§5.1.4).
  public func writeConfiguration(_ value: UInt32, byteCount: Int, at offset: Int) {}

  public func start(features: UInt64, queues: [Virtqueue]) {
    receiveQueue = queues[Int(VIRTIO_NET_RECEIVE_QUEUE)]
    transmitQueue = queues[Int(VIRTIO_NET_TRANSMIT_QUEUE)]
    receiver = NetworkReceiver(features: features, packetLimit: mtu ?? NetworkFrame.usualMTU)
    transmitter = NetworkTransmitter(features: features)
    backend?.beginReceiving(Self.receiveOffloads(features))
    // The driver may have filled the queues before.
    _ = transmitQueue?.serveTurn { transmit() }
    // Nor need it tell of what it gives back later, unless there was not enough.
    receiveQueue?.beginPolling()
    _ = receiveQueue?.serveTurn { watchForFrames() }
    receiveQueue?.endPolling()
    _ = receiveQueue?.serveTurn { watchForFrames() }
  }

  private static func receiveOffloads(_ features: UInt64) -> NetworkOffloads {
    var offloads: NetworkOffloads = []
    if features & feature(VIRTIO_NET_F_GUEST_CSUM) != 0 { offloads.insert(.checksum) }
    if features & feature(VIRTIO_NET_F_GUEST_TSO4) != 0 { offloads.insert(.segmentsIPv4) }
    if features & feature(VIRTIO_NET_F_GUEST_TSO6) != 0 { offloads.insert(.segmentsIPv6) }
    return offloads
  }

  public func queueNotified(_ index: Int) {
    switch index {
    case Int(VIRTIO_NET_RECEIVE_QUEUE): watchForFrames()
    // While a frame waits for room, so do the others.
    case Int(VIRTIO_NET_TRANSMIT_QUEUE) where !isSendingLater:
      transmit()
      // A peer sends more as soon as it is answered, often before a frame to it is all gone. A driver that sends does not
      // wait for an interrupt, so what has come goes along in this exit, without the loop's thread and by way of the cache
      // of the processor that reads it next.
      if isWatchingInput { receive() }
    default: break
    }
  }

  public func stopQueue(_ index: Int) {
    switch index {
    case Int(VIRTIO_NET_RECEIVE_QUEUE):
      stopWatchingInput()
      receiver = nil
      if receiveQueue != nil { backend?.endReceiving() }
      receiveQueue = nil
    case Int(VIRTIO_NET_TRANSMIT_QUEUE):
      stopWatchingRoom()
      transmitter?.stop(backend)
      transmitter = nil
      transmitQueue = nil
    default: break
    }
  }

  public func stop() {
    stopQueue(Int(VIRTIO_NET_RECEIVE_QUEUE))
    stopQueue(Int(VIRTIO_NET_TRANSMIT_QUEUE))
  }

  // MARK: To the guest

  /// Waits for frames if there is room for them.
  private func watchForFrames() {
    guard !isWatchingInput, !isReceivingDelayed, let backend, let receiveQueue,
      receiver?.takeBuffers(from: receiveQueue) == true
    else { return }
    do throws(SystemCallError) {
      // The closure and with it the device live until `stopWatchingInput()`.
      try loop.watch(backend.descriptor, for: .readable) { self.receiveAndTransmit() }
      isWatchingInput = true
    } catch {
      receivingFailed(.system(error))
    }
  }

  /// Goes on with receiving after some time if the error may pass, and takes the link down if it does not.
  private func receivingFailed(_ error: NetworkBackendError) {
    stopWatchingInput()
    guard let delay = Self.delay(after: error, &receiveFailureCount) else {
      takeLinkDown(error)
      // What the driver has queued goes nowhere, which it is to hear.
      if transmitQueue != nil { sendLater(afterMilliseconds: 0) }
      return
    }
    isReceivingDelayed = true
    loop.after(milliseconds: delay) {
      self.isReceivingDelayed = false
      self.watchForFrames()
    }
  }

  /// For how many milliseconds to leave what has failed; nil: it will not pass, or has not.
  private static func delay(after error: NetworkBackendError, _ failureCount: inout Int) -> Int? {
    guard error.mayPass, failureCount < attemptLimit else { return nil }
    failureCount += 1
    return 1 << failureCount
  }

  /// There are frames, on the loop's thread. While long ones come the driver's acknowledgements go out between them: without
  /// an exit for each, and without waiting for the lock that this thread has. Answers to short ones are better sent by the
  /// driver's own processor.
  private func receiveAndTransmit() {
    let before = counters.receivedBytes
    defer { receivesBulk = counters.receivedBytes - before >= Self.bulkByteCount }
    guard receivesBulk, let transmitQueue, !isSendingLater else {
      receive()
      return
    }
    transmitQueue.beginPolling()
    for _ in 0..<Self.pollingTurnLimit {
      guard receive(), !transmitQueue.serveTurn({ transmit() }), !isSendingLater else { break }
    }
    transmitQueue.endPolling()
    if !isSendingLater { transmitMore() }
  }

  /// There may be frames; returns whether there are more.
  @discardableResult
  private func receive() -> Bool {
    guard let backend, let receiveQueue else { return false }
    let outcome = receiver?.receive(from: backend, into: receiveQueue, counters: &counters, capture: capture)
    receiveQueue.notifyDriver()
    if case .failed(let error) = outcome {
      receivingFailed(error)
      return false
    }
    receiveFailureCount = 0
    switch outcome {
    case nil, .noBuffers: stopWatchingInput()
    case .moreFrames: return true
    case .noFrames, .failed: break
    }
    return false
  }

  private func stopWatchingInput() {
    guard isWatchingInput, let backend else { return }
    loop.stopWatching(backend.descriptor)
    isWatchingInput = false
  }

  // MARK: From the guest

  /// Within a turn of the queue.
  private func transmit() {
    guard let transmitQueue else { return }
    while true {
      switch transmitter?.transmit(from: transmitQueue, to: backend, counters: &counters, capture: capture) {
      case nil, .noFrames:
        sendFailureCount = 0
        stopWatchingRoom()
      case .moreFrames: watchForRoom()
      case .failed(let error):
        // Once more, if there is no backend now that could fail.
        if !sendingFailed(error) { continue }
      }
      break
    }
    transmitQueue.notifyDriver()
  }

  /// Whether what the driver has sent waits for its time, which comes on the loop's thread.
  private var isSendingLater: Bool { roomDescriptor >= 0 || isSendingDelayed }

  /// Goes on with sending after some time if the error may pass, and takes the link down if it does not.
  ///
  /// - Returns: false: the link is down.
  private func sendingFailed(_ error: NetworkBackendError) -> Bool {
    stopWatchingRoom()
    guard let delay = Self.delay(after: error, &sendFailureCount) else {
      takeLinkDown(error)
      return false
    }
    sendLater(afterMilliseconds: delay)
    return true
  }

  private func sendLater(afterMilliseconds milliseconds: Int) {
    guard !isSendingDelayed else { return }
    isSendingDelayed = true
    loop.after(milliseconds: milliseconds) {
      self.isSendingDelayed = false
      self.transmitMore()
    }
  }

  /// Goes on with sending when the backend has room, on the loop's thread. A link that is down takes everything: there it is
  /// the next turn, so that these frames have no more than theirs either.
  private func watchForRoom() {
    guard roomDescriptor < 0 else { return }
    guard let backend else { return sendLater(afterMilliseconds: 0) }
    do throws(SystemCallError) {
      let descriptor = try valueOrErrno("fcntl", linux_duplicate(backend.descriptor))
      do throws(SystemCallError) {
        try loop.watch(descriptor, for: .writable) { self.transmitMore() }
        roomDescriptor = descriptor
        sendFailureCount = 0
      } catch {
        close(descriptor)
        throw error
      }
    } catch {
      if !sendingFailed(.system(error)) { sendLater(afterMilliseconds: 0) }
    }
  }

  private func transmitMore() {
    guard let transmitQueue else { return }
    // A driver that goes on queueing meanwhile is owed nothing more in this turn, but is not forgotten.
    if transmitQueue.serveTurn({ transmit() }) { watchForRoom() }
  }

  private func stopWatchingRoom() {
    guard roomDescriptor >= 0 else { return }
    loop.stopWatching(roomDescriptor)
    close(roomDescriptor)
    roomDescriptor = -1
  }

  // MARK: The link

  /// The other side is gone, for good. The driver's frames go nowhere from here on, as with a cable pulled out.
  private func takeLinkDown(_ error: NetworkBackendError) {
    guard backend != nil else { return }
    stopWatchingInput()
    stopWatchingRoom()
    backend = nil
    linkWentDown(error)
    configurationChanged()
  }
}
