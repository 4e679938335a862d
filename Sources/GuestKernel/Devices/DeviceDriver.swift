/// An opened device as the event loop knows it.
///
/// Everything that is done with a driver is done by one thread: in an image there is no other.
class DeviceDriver {
  let device: DeviceRecord
  /// The driver that was opened before this one.
  fileprivate(set) var next: DeviceDriver?

  init(device: DeviceRecord) {
    self.device = device
  }

  /// Tells the device of new requests and takes note of what it has completed; called between batches of ready jobs, so that
  /// the requests of many tasks are announced at once.
  func serve() {}

  /// Asks the device for an interrupt if a task waits for it.
  func prepareToIdle() -> Idleness { .nobodyWaits }
}

/// What a driver has to say when the machine is about to idle.
enum Idleness {
  /// No task waits for this device.
  case nobodyWaits
  /// A task waits, and an interrupt will come.
  case awaitsInterrupt
  /// There is something to serve already.
  case hasWork
}

/// The drivers of all opened devices, the last opened first. A device that is never opened is never touched.
struct OpenedDevices {
  private(set) var first: DeviceDriver?

  mutating func append(_ driver: DeviceDriver) {
    driver.next = first
    first = driver
  }

  /// The driver of a device that is open already.
  func driver(of device: DeviceRecord) -> DeviceDriver? {
    var driver = first
    while let candidate = driver {
      if candidate.device.registers == device.registers { return candidate }
      driver = candidate.next
    }
    return nil
  }
}
