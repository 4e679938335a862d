import MachineABI

@testable import Virtio

/// Any sequence of register writes, with resets at any moment and a device whose configuration changes by itself.
let transportTarget = FuzzTarget(name: "transport") { bytes in
  var input = FuzzInput(bytes)
  let device = EchoDevice()
  let driver = HostileDriver(device)
  device.driver = driver
  while !input.isAtEnd {
    let before = RegisterSnapshot(driver)
    let choice = input.next(UInt8.self)
    switch choice >> 5 {
    case 0, 1, 2, 3:
      let register = writableRegisters[Int(choice & 31) % writableRegisters.count]
      driver.write(register, input.registerValue())
    case 4: driver.writeAnything(&input)
    case 5:
      let offset = Int(VIRTIO_MMIO_CONFIG) + Int(choice & 15)
      driver.write(offset: offset, input.next(UInt64.self), byteCount: [1, 2, 4, 8][input.next(below: 4)])
    case 6:
      if choice & 16 != 0 { device.configuration[Int(choice & 7)] = input.next() }
      driver.transport.configurationChanged()
    default:
      switch choice & 7 {
      case 0, 1, 2: driver.start(&input)
      case 3, 4: driver.step(1, &input)
      case 5: device.release(1)
      case 6: device.holds.toggle()
      default: driver.write(VIRTIO_MMIO_STATUS, 0)
      }
    }
    driver.checkPage()
    before.check(driver, device)
  }
  driver.end()
}

private let writableRegisters: [Int32] = [
  VIRTIO_MMIO_STATUS, VIRTIO_MMIO_STATUS, VIRTIO_MMIO_STATUS, VIRTIO_MMIO_STATUS, VIRTIO_MMIO_DEVICE_FEATURES_SEL,
  VIRTIO_MMIO_DRIVER_FEATURES_SEL, VIRTIO_MMIO_DRIVER_FEATURES, VIRTIO_MMIO_QUEUE_SEL, VIRTIO_MMIO_QUEUE_READY,
  VIRTIO_MMIO_QUEUE_READY, VIRTIO_MMIO_QUEUE_NUM, VIRTIO_MMIO_QUEUE_NUM, VIRTIO_MMIO_QUEUE_DESC_LOW,
  VIRTIO_MMIO_QUEUE_DESC_HIGH, VIRTIO_MMIO_QUEUE_DRIVER_LOW, VIRTIO_MMIO_QUEUE_DRIVER_HIGH,
  VIRTIO_MMIO_QUEUE_DEVICE_LOW, VIRTIO_MMIO_QUEUE_DEVICE_HIGH, VIRTIO_MMIO_QUEUE_NOTIFY, VIRTIO_MMIO_INTERRUPT_ACK,
]

extension FuzzInput {
  /// Mostly something that a register may want.
  fileprivate mutating func registerValue() -> UInt32 {
    switch next(UInt8.self) {
    case let small where small < 64: UInt32(small)
    case let status where status < 96: [0, 1, 3, 11, 15, 75, 79, 143][Int(status & 7)]
    case let shift where shift < 128: 1 << UInt32(shift & 31)
    case let address where address < 192: UInt32(truncatingIfNeeded: self.address() & ~UInt64(address & 15))
    default: next()
    }
  }
}

/// What was before a write, for what has to hold between before and after.
private struct RegisterSnapshot {
  private let configuration: [UInt8]
  private let generation: UInt32
  private let status: UInt32

  init(_ driver: HostileDriver) {
    configuration = driver.shownConfiguration
    generation = driver.read(VIRTIO_MMIO_CONFIG_GENERATION)
    status = driver.status
  }

  func check(_ driver: HostileDriver, _ device: EchoDevice) {
    let shown = driver.shownConfiguration
    // §2.5: it changes exactly when the configuration does.
    require(
      (shown != configuration) == (driver.read(VIRTIO_MMIO_CONFIG_GENERATION) != generation), "ConfigGeneration")
    require(shown == device.configuration, "the configuration as the device has it")
    // §2.1.1: only a reset takes bits away.
    require(driver.status == 0 || driver.status & status == status || driver.hasBeenReset, "a status bit was lost")
    driver.hasBeenReset = false
  }
}

extension HostileDriver {
  fileprivate var shownConfiguration: [UInt8] {
    let start = memory.registers.host + Int(VIRTIO_MMIO_CONFIG)
    return [UInt8](UnsafeRawBufferPointer(start: start, count: 12))
  }
}
