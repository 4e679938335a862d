import MachineABI
import Testing

@testable import GuestKernel

@Suite struct VirtioRegistersTests {
  /// Opens a disk and says why not.
  private static func open(_ disk: FakeDisk, _ record: DeviceRecord? = nil) -> DeviceError.Reason? {
    do throws(DeviceError) {
      _ = try BlockDriver.open(record ?? disk.device.record(), page: disk.device)
      return nil
    } catch {
      #expect(error.device == "data")
      return error.reason
    }
  }

  /// The registers that mark the steps of virtio-1.2 §3.1.1.
  private static let steps = [
    VIRTIO_MMIO_STATUS, VIRTIO_MMIO_DEVICE_FEATURES_SEL, VIRTIO_MMIO_QUEUE_SEL, VIRTIO_MMIO_QUEUE_READY,
    VIRTIO_MMIO_QUEUE_NOTIFY, VIRTIO_MMIO_INTERRUPT_ACK,
  ].map { Int($0) }

  private static let acknowledged = UInt32(VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER)

  @Test func resetDeviceTakesThreeExits() {
    let disk = FakeDisk(sectors: 8)
    #expect(Self.open(disk) == nil)
    let steps = disk.device.writes.filter { Self.steps.contains($0.offset) }
    #expect(steps.map { $0.offset } == [0x70, 0x14, 0x70, 0x44, 0x70])
    #expect(steps.map { $0.value } == [3, 1, 11, 1, 15])
    #expect(disk.device.exits.map { $0.offset } == [0x14, 0x70, 0x70])
    #expect(disk.device.exits.map { $0.value } == [1, 11, 15])
  }

  @Test func aDeviceWhoseFeaturesAreNamedTakesTwoExits() {
    let disk = FakeDisk(sectors: 8, features: [VIRTIO_BLK_F_FLUSH, 60])
    #expect(Self.open(disk, disk.device.record(namesFeatures: true)) == nil)
    #expect(disk.device.exits.map { $0.offset } == [0x70, 0x70])
    #expect(disk.device.exits.map { $0.value } == [11, 15])
    #expect(
      disk.device.driverFeatures
        == feature(VIRTIO_F_VERSION_1) | feature(VIRTIO_F_EVENT_IDX) | feature(VIRTIO_BLK_F_FLUSH))
  }

  @Test func otherDevicesAreResetAndToldEverything() {
    let disk = FakeDisk(sectors: 8)
    disk.device.addToStatus(VIRTIO_STATUS_DRIVER_OK)
    #expect(Self.open(disk, disk.device.record(isReset: false, sendsMessages: false)) == nil)
    let steps = disk.device.writes.filter { Self.steps.contains($0.offset) }
    #expect(steps.map { $0.offset } == [0x70, 0x70, 0x70, 0x14, 0x14, 0x70, 0x30, 0x44, 0x70])
    #expect(steps.map { $0.value } == [0, 1, 3, 0, 1, 11, 0, 1, 15])
  }

  @Test func featuresAreThoseOfBothSides() {
    let disk = FakeDisk(sectors: 8, features: [VIRTIO_BLK_F_FLUSH, VIRTIO_BLK_F_TOPOLOGY, VIRTIO_F_INDIRECT_DESC, 60])
    #expect(Self.open(disk) == nil)
    #expect(
      disk.device.driverFeatures
        == feature(VIRTIO_F_VERSION_1) | feature(VIRTIO_F_EVENT_IDX) | feature(VIRTIO_BLK_F_FLUSH))
  }

  /// Everything that makes a driver give up also tells the device so.
  @Test func refusals() {
    func expect(_ reason: DeviceError.Reason, _ change: (FakeDisk) -> Void) {
      let disk = FakeDisk(sectors: 8)
      change(disk)
      #expect(Self.open(disk) == reason)
      #expect(disk.device.status & UInt32(VIRTIO_STATUS_FAILED) != 0)
      #expect(disk.device.status & UInt32(VIRTIO_STATUS_DRIVER_OK) == 0)
    }
    expect(.lacksFeature(32)) { $0.device.features = feature(VIRTIO_F_EVENT_IDX) }
    expect(.refusesFeatures) { $0.device.acceptsFeatures = false }
    expect(.lacksQueue(0)) { $0.device.largestQueue = 0 }
    // A request has three parts.
    expect(.badConfiguration) { $0.device.largestQueue = 2 }
    expect(.badConfiguration) { $0.device.configuration.replaceSubrange(0..<8, with: repeatElement(0xff, count: 8)) }
    expect(.badConfiguration) { disk in disk.device.changesConfiguration = { disk.device.generation += 1 } }
  }

  @Test func notVirtio() {
    let disk = FakeDisk(sectors: 8)
    disk.device.magic = 0
    #expect(Self.open(disk) == .notVirtio)
    #expect(disk.device.writes.isEmpty)
    let console = FakeDisk(sectors: 8)
    let record = console.device.record()
    console.device.kind = UInt32(VIRTIO_ID_CONSOLE)
    #expect(Self.open(console, record) == .notVirtio)
  }

  @Test func configurationIsReadAgainWhenItChanges() throws {
    let disk = FakeDisk(sectors: 8)
    var looks = 0
    // Grows between the first look at the generation and the second.
    disk.device.changesConfiguration = {
      looks += 1
      if looks == 2 {
        disk.device.configuration[0] = 16
        disk.device.generation = 1
      }
    }
    let driver = try BlockDriver.open(disk.device.record(), page: disk.device)
    #expect(driver.geometry.byteCount == 16 * 512)
    #expect(looks == 4)
  }

  @Test(arguments: [(1024, 128), (128, 128), (100, 64), (3, 2)])
  func queueSizes(largest: UInt32, chosen: UInt16) throws {
    let disk = FakeDisk(sectors: 8)
    disk.device.largestQueue = largest
    let registers = VirtioRegisters(page: disk.device, device: disk.device.record())
    #expect(try registers.sizeOfQueue(0, wanted: preferredQueueSize) == chosen)
  }

  @Test func interruptsAreAcknowledgedWhereTheyNeedToBe() {
    let device = FakeDevice()
    device.raiseInterrupt()
    VirtioRegisters(page: device, device: device.record()).acknowledgeInterrupts()
    #expect(device.writes.isEmpty)
    VirtioRegisters(page: device, device: device.record(sendsMessages: false)).acknowledgeInterrupts()
    #expect(device.writes.map { $0.offset } == [Int(VIRTIO_MMIO_INTERRUPT_ACK)])
  }

  // MARK: The table

  private static func withTable(_ body: (DeviceTable) -> Void) {
    func entry(_ name: String, _ kind: Int32, _ flags: Int32) -> DeviceEntry {
      var entry = DeviceEntry()
      withUnsafeMutableBytes(of: &entry.name) { $0.copyBytes(from: name.utf8) }
      entry.kind = UInt32(kind)
      entry.flags = UInt32(flags)
      entry.high_features = UInt32(flags)
      entry.registers = UInt64(name.utf8.count) << 12
      return entry
    }
    let longest = String(repeating: "x", count: 31)
    let entries = [
      entry("data", VIRTIO_ID_BLOCK, NEEDLETAIL_DEVICE_IS_RESET), entry("tty", VIRTIO_ID_CONSOLE, 3),
      entry(longest, VIRTIO_ID_BLOCK, 0),
    ]
    entries.withUnsafeBufferPointer { body(DeviceTable($0)) }
  }

  @Test func devicesByName() {
    Self.withTable { table in
      func reason(_ name: String, _ kind: Int32 = VIRTIO_ID_BLOCK) -> DeviceError.Reason? {
        do throws(DeviceError) {
          let record = try table.device(named: name, kind: UInt32(kind))
          #expect(record.name == name && record.registers == UInt64(name.utf8.count) << 12)
          #expect(record.highFeatures == (name == "tty" ? 3 : name == "data" ? 1 : 0))
          return nil
        } catch {
          return error.reason
        }
      }
      #expect(reason("data") == nil)
      #expect(reason(String(repeating: "x", count: 31)) == nil)
      #expect(reason("dat") == .notAttached)
      #expect(reason("data2") == .notAttached)
      #expect(reason("") == .notAttached)
      #expect(reason("tty") == .wrongKind(expected: 2, found: 3))
      #expect(table.device(ofKind: UInt32(VIRTIO_ID_CONSOLE))?.name == "tty")
      #expect(table.device(ofKind: UInt32(VIRTIO_ID_ENTROPY)) == nil)
    }
  }
}
