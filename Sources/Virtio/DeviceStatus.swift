import MachineABI

/// The device status field (virtio-1.2 §2.1): how far the driver has come.
struct DeviceStatus: OptionSet {
  let rawValue: UInt32

  static let acknowledge = DeviceStatus(rawValue: UInt32(VIRTIO_STATUS_ACKNOWLEDGE))
  static let driver = DeviceStatus(rawValue: UInt32(VIRTIO_STATUS_DRIVER))
  static let driverOK = DeviceStatus(rawValue: UInt32(VIRTIO_STATUS_DRIVER_OK))
  static let featuresOK = DeviceStatus(rawValue: UInt32(VIRTIO_STATUS_FEATURES_OK))
  static let needsReset = DeviceStatus(rawValue: UInt32(VIRTIO_STATUS_DEVICE_NEEDS_RESET))
  static let failed = DeviceStatus(rawValue: UInt32(VIRTIO_STATUS_FAILED))

  /// The bits that the driver sets; NEEDS_RESET is the device's.
  static let drivers: DeviceStatus = [.acknowledge, .driver, .driverOK, .featuresOK, .failed]
}
