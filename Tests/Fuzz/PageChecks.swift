import MachineABI

@testable import Virtio

extension HostileDriver {
  /// What holds for the register page whatever was written (virtio-1.2 §2.1, §4.2.2).
  func checkPage() {
    require(read(VIRTIO_MMIO_MAGIC_VALUE) == UInt32(VIRTIO_MMIO_MAGIC), "MagicValue")
    require(read(VIRTIO_MMIO_VERSION) == UInt32(VIRTIO_MMIO_VERSION_2), "Version")
    require(read(VIRTIO_MMIO_VENDOR_ID) == MMIOTransport.vendor, "VendorID")
    require(read(VIRTIO_MMIO_QUEUE_READY) <= 1, "QueueReady")
    require(read(VIRTIO_MMIO_INTERRUPT_STATUS) <= 3, "InterruptStatus")
    checkStatus()
    // What is for writing only, and what is nothing, reads as zero.
    for offset in Self.unreadable {
      require(read(offset) == 0, "register \(offset) is not for reading")
    }
  }

  private func checkStatus() {
    let status = DeviceStatus(rawValue: status)
    require(status.isSubset(of: [.drivers, .needsReset]), "unknown status bits")
    // §3.1.1: one after the other.
    require(!status.contains(.driver) || status.contains(.acknowledge), "DRIVER without ACKNOWLEDGE")
    require(!status.contains(.featuresOK) || status.contains(.driver), "FEATURES_OK without DRIVER")
    require(!status.contains(.driverOK) || status.contains(.featuresOK), "DRIVER_OK without FEATURES_OK")
    require(status.contains(.driverOK) == transport.isStarted, "a device runs from DRIVER_OK to reset")
    require(!status.contains(.needsReset) || transport.failure != nil, "NEEDS_RESET without a reason")
  }

  private static let unreadable = stride(from: Int32(0), to: VIRTIO_MMIO_CONFIG, by: 4).filter {
    !readable.contains($0)
  }
  private static let readable: Set<Int32> = [
    VIRTIO_MMIO_MAGIC_VALUE, VIRTIO_MMIO_VERSION, VIRTIO_MMIO_DEVICE_ID, VIRTIO_MMIO_VENDOR_ID,
    VIRTIO_MMIO_DEVICE_FEATURES, VIRTIO_MMIO_QUEUE_NUM_MAX, VIRTIO_MMIO_QUEUE_READY, VIRTIO_MMIO_INTERRUPT_STATUS,
    VIRTIO_MMIO_STATUS, VIRTIO_MMIO_SHM_LEN_LOW, VIRTIO_MMIO_SHM_LEN_HIGH, VIRTIO_MMIO_SHM_BASE_LOW,
    VIRTIO_MMIO_SHM_BASE_HIGH, VIRTIO_MMIO_CONFIG_GENERATION,
  ]
}
