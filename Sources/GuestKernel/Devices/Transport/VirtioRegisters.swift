import MachineABI

/// A device's registers, and the steps by which a driver takes the device into use (virtio-1.2 §3.1.1 and §4.2.3.1).
///
/// Register writes leave the guest, at the price of many requests; so a device that says that it is reset is not reset
/// again, selectors that are 0 already are not written, nor is one for features that the machine has named, and what needs no
/// answer is posted: two writes leave the guest for a device of one queue.
package struct VirtioRegisters<Page: RegisterPage> {
  package let page: Page
  package let device: DeviceRecord

  package init(page: Page, device: DeviceRecord) {
    self.page = page
    self.device = device
  }

  /// How often to look whether a reset has ended. Each look leaves the guest on monitors that do not keep the page current.
  private static var resetPatience: Int { 10_000 }

  // MARK: Initialisation, in this order

  /// Steps 1 to 6: finds the device sane, and agrees on features.
  ///
  /// - Parameter wanted: features that the driver makes use of; VERSION_1 need not be among them.
  /// - Returns: those of them that the device offers.
  func negotiate(wanted: UInt64) throws(DeviceError) -> UInt64 {
    try negotiate(choosing: { offered in offered & wanted })
  }

  /// Steps 1 to 6, where what a driver makes use of depends on what else there is.
  ///
  /// - Parameter choose: given what the device offers, those of it that the driver makes use of.
  /// - Returns: what was chosen.
  package func negotiate(choosing choose: (UInt64) -> UInt64) throws(DeviceError) -> UInt64 {
    guard load(VIRTIO_MMIO_MAGIC_VALUE) == UInt32(VIRTIO_MMIO_MAGIC),
      load(VIRTIO_MMIO_VERSION) == UInt32(VIRTIO_MMIO_VERSION_2), load(VIRTIO_MMIO_DEVICE_ID) == device.kind
    else { throw DeviceError(device: device.name, reason: .notVirtio) }

    let driver = UInt32(VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER)
    if !device.isReset {
      try reset()
      post(UInt32(VIRTIO_STATUS_ACKNOWLEDGE), VIRTIO_MMIO_STATUS)
    }
    post(driver, VIRTIO_MMIO_STATUS)

    if !device.isReset { store(0, VIRTIO_MMIO_DEVICE_FEATURES_SEL) }
    var offered = UInt64(load(VIRTIO_MMIO_DEVICE_FEATURES)) | UInt64(device.highFeatures) << 32
    if device.highFeatures == 0 {
      store(1, VIRTIO_MMIO_DEVICE_FEATURES_SEL)
      offered |= UInt64(load(VIRTIO_MMIO_DEVICE_FEATURES)) << 32
    }
    // Without it the device is one of the time before the specification (virtio-1.2 §6.1).
    guard offered & feature(VIRTIO_F_VERSION_1) != 0 else {
      throw refusal(.lacksFeature(UInt32(VIRTIO_F_VERSION_1)))
    }
    let accepted = offered & choose(offered) | feature(VIRTIO_F_VERSION_1)
    post(0, VIRTIO_MMIO_DRIVER_FEATURES_SEL)
    post(UInt32(truncatingIfNeeded: accepted), VIRTIO_MMIO_DRIVER_FEATURES)
    post(1, VIRTIO_MMIO_DRIVER_FEATURES_SEL)
    post(UInt32(truncatingIfNeeded: accepted >> 32), VIRTIO_MMIO_DRIVER_FEATURES)
    store(driver | UInt32(VIRTIO_STATUS_FEATURES_OK), VIRTIO_MMIO_STATUS)
    guard load(VIRTIO_MMIO_STATUS) & UInt32(VIRTIO_STATUS_FEATURES_OK) != 0 else { throw refusal(.refusesFeatures) }
    return accepted
  }

  /// Step 7, for one queue: selects it and finds its size.
  ///
  /// - Returns: the greatest power of two that is neither more than `wanted` nor more than the device has.
  package func sizeOfQueue(_ index: UInt32, wanted: UInt16) throws(DeviceError) -> UInt16 {
    if index != 0 || !device.isReset { store(index, VIRTIO_MMIO_QUEUE_SEL) }
    let most = min(load(VIRTIO_MMIO_QUEUE_NUM_MAX), UInt32(wanted))
    guard most > 0, load(VIRTIO_MMIO_QUEUE_READY) == 0 else { throw refusal(.lacksQueue(index)) }
    return 1 << UInt16(31 - most.leadingZeroBitCount)
  }

  /// Step 7: lets the device use the queue that `sizeOfQueue` selected.
  package func enable(_ queue: borrowing DriverQueue) {
    post(UInt32(queue.size), VIRTIO_MMIO_QUEUE_NUM)
    post(queue.descriptorArea, VIRTIO_MMIO_QUEUE_DESC_LOW, VIRTIO_MMIO_QUEUE_DESC_HIGH)
    post(queue.driverArea, VIRTIO_MMIO_QUEUE_DRIVER_LOW, VIRTIO_MMIO_QUEUE_DRIVER_HIGH)
    post(queue.deviceArea, VIRTIO_MMIO_QUEUE_DEVICE_LOW, VIRTIO_MMIO_QUEUE_DEVICE_HIGH)
    post(1, VIRTIO_MMIO_QUEUE_READY)
  }

  /// Step 8: the device is in use from here on.
  package func start() {
    store(
      UInt32(
        VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER | VIRTIO_STATUS_FEATURES_OK | VIRTIO_STATUS_DRIVER_OK),
      VIRTIO_MMIO_STATUS)
  }

  /// Gives the device up, as a driver does that cannot use it (virtio-1.2 §2.1), and says why.
  package func refusal(_ reason: DeviceError.Reason) -> DeviceError {
    store(load(VIRTIO_MMIO_STATUS) | UInt32(VIRTIO_STATUS_FAILED), VIRTIO_MMIO_STATUS)
    return DeviceError(device: device.name, reason: reason)
  }

  private func reset() throws(DeviceError) {
    store(0, VIRTIO_MMIO_STATUS)
    for _ in 0..<Self.resetPatience where load(VIRTIO_MMIO_STATUS) == 0 { return }
    throw DeviceError(device: device.name, reason: .doesNotReset)
  }

  // MARK: In use

  /// Tells the device of what a queue has that is new, unless it does not want to know (virtio-1.2 §4.2.3.3).
  package func announce(_ queue: inout DriverQueue) {
    if queue.takeAnnouncement() { store(queue.index, VIRTIO_MMIO_QUEUE_NOTIFY) }
  }

  /// Ends the wait for an interrupt, if there was one: what it would tell of has been looked at.
  package func endWait(_ queue: inout DriverQueue) throws(QueueFault) {
    guard queue.expectsInterrupt else { return }
    queue.suppressInterrupts()
    // Also when something was completed: the device may have broken right behind it, and tells once.
    if needsReset { throw .needsReset }
  }

  /// Whether the device has given up (virtio-1.2 §2.1.2).
  var needsReset: Bool { load(VIRTIO_MMIO_STATUS) & UInt32(VIRTIO_STATUS_DEVICE_NEEDS_RESET) != 0 }

  /// Takes note of interrupts, which a device that sends no messages otherwise goes on to raise (virtio-1.2 §4.2.3.4).
  package func acknowledgeInterrupts() {
    guard !device.sendsMessages else { return }
    let causes = load(VIRTIO_MMIO_INTERRUPT_STATUS)
    if causes != 0 { store(causes, VIRTIO_MMIO_INTERRUPT_ACK) }
  }

  /// Reads the configuration space, again if it has changed meanwhile (virtio-1.2 §2.5.1): `read` sees one state of it.
  package func readConfiguration<Result>(_ read: (ConfigurationSpace<Page>) -> Result) throws(DeviceError) -> Result {
    // A device that changes it all the time is not one to wait for.
    for _ in 0..<100 {
      let generation = load(VIRTIO_MMIO_CONFIG_GENERATION)
      let result = read(ConfigurationSpace(page: page))
      if load(VIRTIO_MMIO_CONFIG_GENERATION) == generation { return result }
    }
    throw refusal(.badConfiguration)
  }

  private func load(_ register: Int32) -> UInt32 { page.load32(Int(register)) }
  private func store(_ value: UInt32, _ register: Int32) { page.store32(value, at: Int(register)) }
  private func post(_ value: UInt32, _ register: Int32) { page.post32(value, at: Int(register)) }
  private func post(_ value: UInt64, _ low: Int32, _ high: Int32) {
    post(UInt32(truncatingIfNeeded: value), low)
    post(UInt32(truncatingIfNeeded: value >> 32), high)
  }
}

/// A device's configuration space: little-endian fields at offsets that the device's kind defines (virtio-1.2 §2.5, §4.2.2.2).
package struct ConfigurationSpace<Page: RegisterPage> {
  let page: Page

  package init(page: Page) {
    self.page = page
  }

  package func load8(_ offset: Int) -> UInt8 { page.load8(Int(VIRTIO_MMIO_CONFIG) + offset) }
  package func load16(_ offset: Int) -> UInt16 { page.load16(Int(VIRTIO_MMIO_CONFIG) + offset) }
  func load32(_ offset: Int) -> UInt32 { page.load32(Int(VIRTIO_MMIO_CONFIG) + offset) }
  /// In two accesses, as the specification has 64-bit fields read.
  func load64(_ offset: Int) -> UInt64 { UInt64(load32(offset)) | UInt64(load32(offset + 4)) << 32 }
}
