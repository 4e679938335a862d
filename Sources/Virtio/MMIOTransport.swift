import MachineABI

/// A virtio device over MMIO, version 2 (virtio-1.2 §4.2): the registers by which the driver finds it, sets it up and
/// resets it.
///
/// The guest reads the register page itself; this keeps it as a read must find it. Only writes come here. Everything is
/// called with the machine's device lock held (`DeviceLoop.withLock`).
///
/// Where the specification says only what a driver must not do: a write that it must not make is ignored, and one that
/// leaves the device with something it cannot work with (a queue that cannot be where it is said to be, DRIVER_OK
/// without features) makes it need a reset.
public final class MMIOTransport {
  /// What VendorID reads as: "NDTL".
  public static let vendor: UInt32 = 0x4c54_444e
  /// Features of every device here (virtio-1.2 §6).
  public static let commonFeatures: UInt64 =
    feature(VIRTIO_F_VERSION_1) | feature(VIRTIO_F_INDIRECT_DESC) | feature(VIRTIO_F_EVENT_IDX)
  /// What every device here offers of the features from 32 to 63: none has one there of its own.
  public static let highFeatures = UInt32(truncatingIfNeeded: commonFeatures >> 32)

  private let device: any VirtioDevice
  private let page: RegisterPage
  private let memory: GuestRegions
  private let sendInterrupt: () -> Void
  private let offeredFeatures: UInt64
  /// The configuration space as the page has it.
  private var configuration: [UInt8]
  private var configurationGeneration: UInt32 = 0

  // What the driver wrote since the last reset.
  private var status: DeviceStatus = []
  private var deviceFeaturesSelector: UInt32 = 0
  private var driverFeaturesSelector: UInt32 = 0
  private var driverFeatures: UInt64 = 0
  /// Whether the driver wants a feature with a number above 63, of which there are none.
  private var wantsFeaturesBeyond = false
  private var queueSelector: UInt32 = 0
  private var setups: [QueueSetup]
  private var interruptStatus: UInt32 = 0

  /// The queues that the device has; empty unless it is started.
  private var queues: [Virtqueue] = []
  private var countersBefore: [QueueCounters]
  /// Whether the driver has the device running.
  public private(set) var isStarted = false
  /// What the driver did when the device last came to need a reset.
  public private(set) var failure: StaticString?

  /// - Parameters:
  ///   - registers: the host address of the device's register page: `pageSize` bytes, all zero, mapped as long as this
  ///     exists.
  ///   - memory: what the driver's rings and buffers may name.
  ///   - interrupt: sends the device's interrupt. InterruptStatus says why by the time this is called.
  public init(
    device: any VirtioDevice, registers: UnsafeMutableRawPointer, memory: GuestRegions,
    interrupt: @escaping () -> Void
  ) {
    self.device = device
    self.memory = memory
    sendInterrupt = interrupt
    page = RegisterPage(registers)
    precondition(device.offeredFeatures >> 32 == 0, "see `highFeatures`")
    offeredFeatures = device.offeredFeatures | Self.commonFeatures
    configuration = device.configuration
    let limits = device.queueSizes
    setups = limits.map { QueueSetup(limit: $0) }
    countersBefore = [QueueCounters](repeating: QueueCounters(), count: limits.count)
    // The rest is zero and stays it.
    page.set(VIRTIO_MMIO_MAGIC_VALUE, to: UInt32(VIRTIO_MMIO_MAGIC))
    page.set(VIRTIO_MMIO_VERSION, to: UInt32(VIRTIO_MMIO_VERSION_2))
    page.set(VIRTIO_MMIO_DEVICE_ID, to: device.kind)
    page.set(VIRTIO_MMIO_VENDOR_ID, to: Self.vendor)
    // There is no shared memory: the length of every region is -1, and so is its base.
    for register in [
      VIRTIO_MMIO_SHM_LEN_LOW, VIRTIO_MMIO_SHM_LEN_HIGH, VIRTIO_MMIO_SHM_BASE_LOW, VIRTIO_MMIO_SHM_BASE_HIGH,
    ] {
      page.set(register, to: .max)
    }
    showDeviceFeatures()
    showQueue()
    page.setConfiguration(configuration)
  }

  /// What happened on each queue since the machine began.
  public var counters: [QueueCounters] {
    var counters = countersBefore
    for (index, queue) in queues.enumerated() {
      counters[index].chains += queue.chainCount
      counters[index].interrupts += queue.interruptCount
    }
    return counters
  }

  /// How many queues the device has.
  public var queueCount: Int { setups.count }

  /// How often the driver said that a queue has new buffers, since the machine began: what tells a busy queue.
  public func notificationCount(queue index: Int) -> UInt64 { countersBefore[index].notifications }

  /// See `VirtioDevice.answersAtOnce`.
  public var answersAtOnce: Bool { device.answersAtOnce }

  /// The driver wrote to the register page.
  ///
  /// - Parameters:
  ///   - offset: from the start of the page. Anything is allowed; what is no writable register is ignored.
  ///   - data: the bytes written, the first in the lowest eight bits; what is above `byteCount` bytes does not matter.
  ///   - byteCount: how many. Registers are written by aligned accesses of four alone (§4.2.2.2); others are ignored.
  /// - Returns: whether the device was given more than it does in one turn (`Virtqueue.serveTurn`). While every processor
  ///   of the guest waits for the write, only a driver that breaks the protocol gets there, and nobody owes it anything.
  @discardableResult
  public func write(offset: Int, data: UInt64, byteCount: Int) -> Bool {
    if offset >= Int(VIRTIO_MMIO_CONFIG) {
      writeConfiguration(data, byteCount: byteCount, at: offset)
    } else if offset >= 0, offset % 4 == 0, byteCount == 4 {
      let value = UInt32(truncatingIfNeeded: data)
      guard offset != Int(VIRTIO_MMIO_QUEUE_NOTIFY) else { return notify(queue: value) }
      writeRegister(Int32(offset), value)
    }
    return false
  }

  private func writeRegister(_ register: Int32, _ value: UInt32) {
    switch register {
    case VIRTIO_MMIO_INTERRUPT_ACK: setInterruptStatus(interruptStatus & ~value)
    case VIRTIO_MMIO_STATUS: writeStatus(value)
    case VIRTIO_MMIO_DEVICE_FEATURES_SEL:
      deviceFeaturesSelector = value
      showDeviceFeatures()
    case VIRTIO_MMIO_DRIVER_FEATURES_SEL: driverFeaturesSelector = value
    case VIRTIO_MMIO_DRIVER_FEATURES: writeDriverFeatures(value)
    case VIRTIO_MMIO_QUEUE_SEL:
      queueSelector = value
      showQueue()
    case VIRTIO_MMIO_QUEUE_READY: writeQueueReady(value)
    case VIRTIO_MMIO_QUEUE_NUM: changeSelectedQueue { $0.size = value }
    case VIRTIO_MMIO_QUEUE_DESC_LOW: changeSelectedQueue { $0.addresses.descriptors.lowHalf = value }
    case VIRTIO_MMIO_QUEUE_DESC_HIGH: changeSelectedQueue { $0.addresses.descriptors.highHalf = value }
    case VIRTIO_MMIO_QUEUE_DRIVER_LOW: changeSelectedQueue { $0.addresses.driver.lowHalf = value }
    case VIRTIO_MMIO_QUEUE_DRIVER_HIGH: changeSelectedQueue { $0.addresses.driver.highHalf = value }
    case VIRTIO_MMIO_QUEUE_DEVICE_LOW: changeSelectedQueue { $0.addresses.device.lowHalf = value }
    case VIRTIO_MMIO_QUEUE_DEVICE_HIGH: changeSelectedQueue { $0.addresses.device.highHalf = value }
    // Read-only registers, SHMSel (no region is any different), and nothing at all.
    default: return
    }
  }

  /// The driver says that a queue has new buffers: by a write of QueueNotify, or an eventfd in its place (§4.2.3.3).
  /// Ignored for a queue that is not running; a notification too many is no fault (§2.7.10.2).
  ///
  /// - Returns: as `write` does.
  public func notify(queue index: UInt32) -> Bool {
    guard index < UInt32(queues.count), setups[Int(index)].isReady, !status.contains(.needsReset) else { return false }
    let index = Int(index)
    countersBefore[index].notifications += 1
    return queues[index].serveTurn { device.queueNotified(index) }
  }

  /// The device's configuration is not what it was: shows it, and tells a running driver (§2.5).
  public func configurationChanged() {
    refreshConfiguration()
    guard status.contains(.driverOK) else { return }
    announceConfiguration()
  }

  /// The machine ends: the device stops, and touches no memory of the guest's any more. Must be called before the last
  /// reference to this goes, for a running device's queues refer to it.
  public func stop() { reset() }

  // MARK: Status

  private func writeStatus(_ value: UInt32) {
    guard value != 0 else { return reset() }
    let written = DeviceStatus(rawValue: value).intersection(.drivers)
    // "The driver MUST NOT clear a device status bit" (§2.1.1) but by a reset.
    guard written.isSuperset(of: status.intersection(.drivers)) else { return }
    let added = written.subtracting(status)
    // FAILED may come at any time. The others come one after the other (§3.1.1).
    if added.contains(.failed) { status.insert(.failed) }
    if added.contains(.acknowledge) { status.insert(.acknowledge) }
    if added.contains(.driver), status.contains(.acknowledge) { status.insert(.driver) }
    // §2.2.2: the device does not take FEATURES_OK for what it does not offer; VERSION_1 is not optional (§6.1).
    if added.contains(.featuresOK), status.contains(.driver), areFeaturesAcceptable { status.insert(.featuresOK) }
    if added.contains(.driverOK), !status.contains(.needsReset) {
      if status.contains(.featuresOK) {
        start()
      } else {
        needReset("DRIVER_OK without FEATURES_OK")
      }
    }
    showStatus()
  }

  private var areFeaturesAcceptable: Bool {
    driverFeatures & feature(VIRTIO_F_VERSION_1) != 0 && driverFeatures & ~offeredFeatures == 0
      && !wantsFeaturesBeyond
  }

  private func start() {
    status.insert(.driverOK)
    showStatus()
    isStarted = true
    queues = setups.map { setup in
      Virtqueue(
        rings: setup.rings, features: driverFeatures, memory: memory, interrupt: { self.announceUsedBuffers() },
        needsReset: { self.needReset($0) })
    }
    device.start(features: driverFeatures, queues: queues)
  }

  /// Everything as it was before the driver came (§2.4, §4.2.2.1).
  private func reset() {
    if isStarted {
      isStarted = false
      device.stop()
      countersBefore = counters
      // This also ends the cycle of references between the queues and this.
      for queue in queues { queue.disable() }
      queues = []
    }
    deviceFeaturesSelector = 0
    driverFeaturesSelector = 0
    driverFeatures = 0
    wantsFeaturesBeyond = false
    queueSelector = 0
    for index in setups.indices { setups[index] = QueueSetup(limit: setups[index].limit) }
    showDeviceFeatures()
    showQueue()
    refreshConfiguration()
    setInterruptStatus(0)
    status = []
    showStatus()
  }

  /// The driver did what the device cannot go on after (§2.1.2). All queues stop, nothing but a reset helps.
  private func needReset(_ reason: StaticString) {
    guard !status.contains(.needsReset) else { return }
    failure = reason
    for queue in queues { queue.breakSilently() }
    status.insert(.needsReset)
    showStatus()
    // "If DRIVER_OK is set, ... the device MUST send a device configuration change notification" (§2.1.2).
    if status.contains(.driverOK) { announceConfiguration() }
  }

  private func showStatus() { page.set(VIRTIO_MMIO_STATUS, to: status.rawValue) }

  // MARK: Features

  private func showDeviceFeatures() {
    page.set(VIRTIO_MMIO_DEVICE_FEATURES, to: offeredFeatures.half(deviceFeaturesSelector) ?? 0)
  }

  private func writeDriverFeatures(_ value: UInt32) {
    // No more features once they are agreed on (§3.1.1, step 6).
    guard !status.contains(.featuresOK) else { return }
    switch driverFeaturesSelector {
    case 0: driverFeatures.lowHalf = value
    case 1: driverFeatures.highHalf = value
    default: if value != 0 { wantsFeaturesBeyond = true }
    }
  }

  // MARK: Queues

  /// The index of the queue that QueueSel names, if there is such a queue.
  private var selectedQueue: Int? { queueSelector < UInt32(setups.count) ? Int(queueSelector) : nil }

  private func showQueue() {
    let setup = selectedQueue.map { setups[$0] }
    page.set(VIRTIO_MMIO_QUEUE_NUM_MAX, to: UInt32(setup?.limit ?? 0))
    page.set(VIRTIO_MMIO_QUEUE_READY, to: setup?.isReady == true ? 1 : 0)
  }

  /// Size and addresses stay as they are while the queue is ready (§4.2.2.2).
  private func changeSelectedQueue(_ change: (inout QueueSetup) -> Void) {
    guard let index = selectedQueue, !setups[index].isReady else { return }
    change(&setups[index])
  }

  private func writeQueueReady(_ value: UInt32) {
    guard let index = selectedQueue else { return }
    switch value {
    case 0:
      guard setups[index].isReady else { return }
      // The driver has its memory back when it reads 0, so the device ends what is in flight before.
      if isStarted {
        device.stopQueue(index)
        queues[index].disable()
      }
      setups[index].rings = nil
    case 1:
      guard !setups[index].isReady else { return }
      // Queues are set up before DRIVER_OK (§3.1.1, step 7). One that was disabled after it may have requests in
      // flight, so it is back only after a reset.
      guard !status.contains(.driverOK) else { return needReset("queue enabled after DRIVER_OK") }
      do throws(VirtqueueSetupError) {
        let setup = setups[index]
        setups[index].rings = try VirtqueueRings(
          setup.addresses, size: setup.size, limit: setup.limit, memory: memory)
      } catch {
        needReset("queue that cannot be")
      }
    default: return
    }
    showQueue()
  }

  // MARK: Interrupts

  private func setInterruptStatus(_ value: UInt32) {
    interruptStatus = value
    page.set(VIRTIO_MMIO_INTERRUPT_STATUS, to: value)
  }

  private func announceUsedBuffers() {
    setInterruptStatus(interruptStatus | UInt32(VIRTIO_MMIO_INTERRUPT_USED_BUFFER))
    sendInterrupt()
  }

  private func announceConfiguration() {
    setInterruptStatus(interruptStatus | UInt32(VIRTIO_MMIO_INTERRUPT_CONFIGURATION))
    sendInterrupt()
  }

  // MARK: Configuration space

  private func writeConfiguration(_ data: UInt64, byteCount: Int, at offset: Int) {
    // Aligned accesses of the field's width (§4.2.2.2).
    guard byteCount == 1 || byteCount == 2 || byteCount == 4, offset % byteCount == 0 else { return }
    let start = offset - Int(VIRTIO_MMIO_CONFIG)
    guard start <= configuration.count - byteCount else { return }
    let value = UInt32(truncatingIfNeeded: data & (1 << UInt64(8 * byteCount) - 1))
    device.writeConfiguration(value, byteCount: byteCount, at: start)
    refreshConfiguration()
  }

  /// Shows the configuration if it changed. The generation changes before it and after it (§2.5), because the guest may
  /// read the page while this writes it: who began to read before the change sees that there was one. Who began within
  /// it, and ended within it, is told by the interrupt that comes after.
  private func refreshConfiguration() {
    let current = device.configuration
    guard current != configuration else { return }
    precondition(current.count == configuration.count, "the configuration space has one size")
    configuration = current
    bumpGeneration()
    page.setConfiguration(current)
    bumpGeneration()
  }

  private func bumpGeneration() {
    configurationGeneration &+= 1
    page.set(VIRTIO_MMIO_CONFIG_GENERATION, to: configurationGeneration)
  }
}

extension UInt64 {
  /// Bits 0 to 31.
  fileprivate var lowHalf: UInt32 {
    get { UInt32(truncatingIfNeeded: self) }
    set { self = self & ~0xffff_ffff | UInt64(newValue) }
  }
  /// Bits 32 to 63.
  fileprivate var highHalf: UInt32 {
    get { UInt32(truncatingIfNeeded: self >> 32) }
    set { self = UInt64(newValue) << 32 | UInt64(lowHalf) }
  }
  /// The half that a selector register names; nil for what is beyond.
  fileprivate func half(_ selector: UInt32) -> UInt32? {
    selector == 0 ? lowHalf : selector == 1 ? highHalf : nil
  }
}
