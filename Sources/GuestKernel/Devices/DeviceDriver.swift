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

  /// When it is to be served again although nothing interrupts, in nanoseconds of the machine's clock; asked for behind
  /// `prepareToIdle`.
  var deadline: UInt64? { nil }
}

/// What a driver has to say when the machine is about to idle.
package enum Idleness {
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

/// A device whose driver is not of this module.
package protocol ServedDevice: AnyObject {
  /// See `DeviceDriver`.
  func serve()
  /// See `DeviceDriver`.
  func prepareToIdle() -> Idleness
  /// See `DeviceDriver`.
  var deadline: UInt64? { get }
}

#if hasFeature(Embedded)
  private final class OutsideDriver: DeviceDriver {
    private let served: any ServedDevice

    init(_ served: any ServedDevice, _ device: DeviceRecord) {
      self.served = served
      super.init(device: device)
    }

    override func serve() { served.serve() }
    override func prepareToIdle() -> Idleness { served.prepareToIdle() }
    override var deadline: UInt64? { served.deadline }
  }

  extension EventLoop {
    /// From now on the device has its turns.
    package static func append(_ served: any ServedDevice, _ device: DeviceRecord) {
      devices.append(OutsideDriver(served, device))
    }
  }
#endif
