import MachineABI

/// Why a device could not be opened.
public struct DeviceError: Error, Equatable, Sendable, CustomStringConvertible {
  /// What stands in the way.
  public enum Reason: Equatable, Sendable {
    /// The machine has no device of this name: the image does not declare it, or this monitor attaches none.
    case notAttached
    /// There is a device of this name, but of another kind; both are virtio device IDs (virtio-1.2 §5).
    case wrongKind(expected: UInt32, found: UInt32)
    /// Its registers are not those of virtio-mmio, transport version 2 (virtio-1.2 §4.2.2).
    case notVirtio
    /// A reset does not end (virtio-1.2 §2.4).
    case doesNotReset
    /// It lacks a feature that its driver cannot do without; a bit number of virtio-1.2 §6.
    case lacksFeature(UInt32)
    /// It did not accept the features that its driver chose among those offered (virtio-1.2 §3.1.1, step 6).
    case refusesFeatures
    /// It lacks a queue that its kind of device has.
    case lacksQueue(UInt32)
    /// Its configuration contradicts itself.
    case badConfiguration
    /// The operating system's error code (errno), in the hosted build.
    case systemError(Int32)
  }

  /// The device's name, as it was asked for.
  public let device: String
  /// What stands in the way.
  public let reason: Reason

  package init(device: String, reason: Reason) {
    self.device = device
    self.reason = reason
  }

  /// One line: the device, and why not.
  public var description: String {
    switch reason {
    case .notAttached: "device '\(device)' is not attached: the image has to declare it, and the monitor to provide it"
    case .wrongKind(let expected, let found):
      "device '\(device)' is \(Self.words(kind: found)), not \(Self.words(kind: expected))"
    case .notVirtio: "device '\(device)' has no virtio-mmio registers of version 2"
    case .doesNotReset: "device '\(device)' does not come out of its reset"
    case .lacksFeature(let bit): "device '\(device)' lacks feature \(bit)"
    case .refusesFeatures: "device '\(device)' refuses the features that it was asked for"
    case .lacksQueue(let index): "device '\(device)' lacks queue \(index)"
    case .badConfiguration: "device '\(device)' has a configuration that contradicts itself"
    case .systemError(let code): "device '\(device)' cannot be opened: error \(code)"
    }
  }

  private static func words(kind: UInt32) -> String {
    switch Int32(truncatingIfNeeded: kind) {
    case VIRTIO_ID_NETWORK: "a network interface"
    case VIRTIO_ID_BLOCK: "a block device"
    case VIRTIO_ID_CONSOLE: "a console"
    case VIRTIO_ID_ENTROPY: "an entropy source"
    default: "a device of kind \(kind)"
    }
  }
}
