import MachineABI

/// A device that gives random bytes of the host's, which go into the generator behind Swift's random numbers.
///
/// What it is good for: the generator is seeded from the host's `getrandom` before the first instruction, and never runs
/// dry; so it gives no better numbers with this device. But should somebody learn the generator's state (from a leak of the
/// machine's memory, say), every number after that would be known to him. With the device only those are that come before
/// the next reseeding: at opening, and then after every mebibyte given out.
///
/// In the hosted build numbers are the operating system's anyway, and this does nothing.
public enum EntropySource {
  /// Opens the device and begins to feed the generator: with its first bytes as soon as every task waits for something, or a
  /// number of them have run. Opening it again does nothing.
  ///
  /// - Parameter name: the name under which the image declares it.
  public static func open(_ name: String) throws(DeviceError) {
    #if hasFeature(Embedded)
      let device = try DeviceTable.attached.device(named: name, kind: UInt32(VIRTIO_ID_ENTROPY))
      guard EventLoop.devices.driver(of: device) == nil else { return }
      let driver = try EntropyDriver.open(device, page: MappedRegisterPage(device)) {
        reseedGenerator(with: $0)
      }
      EventLoop.devices.append(driver)
      generatorWasUsed = { driver.generatorGave($0) }
      driver.requestSeed()
    #endif
  }
}
