import MachineABI

@testable import GuestKernel

/// A virtio-mmio device in this process, written from the specification: the registers' behaviour, and the device's side of
/// the rings with no checks at all, so that tests may break every rule.
final class FakeDevice: RegisterPage {
  struct Chain {
    var head: UInt16
    var readable: [UnsafeRawBufferPointer] = []
    var writable: [UnsafeMutableRawBufferPointer] = []
    var writableCount: UInt32 { writable.reduce(0) { $0 + UInt32($1.count) } }
  }

  var kind = UInt32(VIRTIO_ID_BLOCK)
  var magic = UInt32(VIRTIO_MMIO_MAGIC)
  var features = feature(VIRTIO_F_VERSION_1)
  var acceptsFeatures = true
  var largestQueue: UInt32 = 256
  var queueCount: UInt32 = 1
  /// The queue that the functions below are about.
  var queue: UInt32 = 0
  var configuration: [UInt8] = []
  var generation: UInt32 = 0
  /// Called at each look at the configuration generation.
  var changesConfiguration: () -> Void = {}

  /// Every write, in the order in which it took effect.
  private(set) var writes: [(offset: Int, value: UInt32)] = []
  /// Those of them that were not posted: each is an exit.
  private(set) var exits: [(offset: Int, value: UInt32)] = []
  private var posted: [(offset: Int, value: UInt32)] = []
  private(set) var notifications: [UInt32] = []
  private(set) var status: UInt32 = 0
  private(set) var driverFeatures: UInt64 = 0
  private(set) var registers: [Int: UInt32] = [:]
  private var availableIndices: [UInt32: UInt16] = [:]

  func record(
    isReset: Bool = true, sendsMessages: Bool = true, namesFeatures: Bool = false, name: String = "data"
  ) -> DeviceRecord {
    DeviceRecord(
      name: name, kind: kind, registers: 0x1000, isReset: isReset, sendsMessages: sendsMessages,
      highFeatures: namesFeatures ? UInt32(features >> 32) : 0)
  }

  func addToStatus(_ bits: Int32) { status |= UInt32(bits) }

  // MARK: Registers

  func load8(_ offset: Int) -> UInt8 { configuration[offset - Int(VIRTIO_MMIO_CONFIG)] }
  func load16(_ offset: Int) -> UInt16 { UInt16(load8(offset)) | UInt16(load8(offset + 1)) << 8 }
  func load32(_ offset: Int) -> UInt32 {
    if offset >= Int(VIRTIO_MMIO_CONFIG) { return UInt32(load16(offset)) | UInt32(load16(offset + 2)) << 16 }
    switch Int32(offset) {
    case VIRTIO_MMIO_MAGIC_VALUE: return magic
    case VIRTIO_MMIO_VERSION: return UInt32(VIRTIO_MMIO_VERSION_2)
    case VIRTIO_MMIO_DEVICE_ID: return kind
    case VIRTIO_MMIO_DEVICE_FEATURES:
      return UInt32(truncatingIfNeeded: features >> (32 * UInt64(register(VIRTIO_MMIO_DEVICE_FEATURES_SEL))))
    case VIRTIO_MMIO_QUEUE_NUM_MAX: return register(VIRTIO_MMIO_QUEUE_SEL) < queueCount ? largestQueue : 0
    case VIRTIO_MMIO_STATUS: return status
    case VIRTIO_MMIO_CONFIG_GENERATION:
      changesConfiguration()
      return generation
    default: return registers[key(offset, register(VIRTIO_MMIO_QUEUE_SEL))] ?? 0
    }
  }

  func post32(_ value: UInt32, at offset: Int) { posted.append((offset, value)) }

  func store32(_ value: UInt32, at offset: Int) {
    for write in posted { apply(write.value, at: write.offset) }
    posted = []
    exits.append((offset, value))
    apply(value, at: offset)
  }

  private func apply(_ value: UInt32, at offset: Int) {
    writes.append((offset, value))
    switch Int32(offset) {
    case VIRTIO_MMIO_STATUS:
      status = value
      if !acceptsFeatures { status &= ~UInt32(VIRTIO_STATUS_FEATURES_OK) }
      if value == 0 { registers = [:] }
    case VIRTIO_MMIO_DRIVER_FEATURES:
      driverFeatures |= UInt64(value) << (32 * UInt64(register(VIRTIO_MMIO_DRIVER_FEATURES_SEL)))
    case VIRTIO_MMIO_QUEUE_NOTIFY: notifications.append(value)
    case VIRTIO_MMIO_INTERRUPT_ACK: registers[Int(VIRTIO_MMIO_INTERRUPT_STATUS), default: 0] &= ~value
    default: registers[key(offset, register(VIRTIO_MMIO_QUEUE_SEL))] = value
    }
  }

  func raiseInterrupt() { registers[Int(VIRTIO_MMIO_INTERRUPT_STATUS)] = 1 }

  private func register(_ offset: Int32) -> UInt32 { registers[key(Int(offset), queue)] ?? 0 }

  /// Where a register is kept: each queue has its own of those that describe it (virtio-1.2 §4.2.2).
  private func key(_ offset: Int, _ queue: UInt32) -> Int {
    let isOfQueue =
      offset > Int(VIRTIO_MMIO_QUEUE_NUM_MAX) && offset <= Int(VIRTIO_MMIO_QUEUE_DEVICE_HIGH)
      && ![VIRTIO_MMIO_QUEUE_NOTIFY, VIRTIO_MMIO_INTERRUPT_STATUS, VIRTIO_MMIO_INTERRUPT_ACK, VIRTIO_MMIO_STATUS]
        .contains(Int32(offset))
    return isOfQueue ? Int(queue) << 16 | offset : offset
  }

  // MARK: The queue

  var queueSize: Int { Int(register(VIRTIO_MMIO_QUEUE_NUM)) }

  private func area(_ low: Int32, _ high: Int32) -> UnsafeMutableRawPointer {
    UnsafeMutableRawPointer(bitPattern: UInt(register(high)) << 32 | UInt(register(low)))!
  }
  private var descriptors: UnsafeMutablePointer<virtq_desc> {
    area(VIRTIO_MMIO_QUEUE_DESC_LOW, VIRTIO_MMIO_QUEUE_DESC_HIGH).assumingMemoryBound(to: virtq_desc.self)
  }
  var driverArea: UnsafeMutablePointer<UInt16> {
    area(VIRTIO_MMIO_QUEUE_DRIVER_LOW, VIRTIO_MMIO_QUEUE_DRIVER_HIGH).assumingMemoryBound(to: UInt16.self)
  }
  var deviceArea: UnsafeMutableRawPointer { area(VIRTIO_MMIO_QUEUE_DEVICE_LOW, VIRTIO_MMIO_QUEUE_DEVICE_HIGH) }

  /// Attaches a queue that no driver set up through the registers.
  func attach(_ queue: borrowing DriverQueue) {
    registers[Int(VIRTIO_MMIO_QUEUE_NUM)] = UInt32(queue.size)
    for (low, high, address) in [
      (VIRTIO_MMIO_QUEUE_DESC_LOW, VIRTIO_MMIO_QUEUE_DESC_HIGH, queue.descriptorArea),
      (VIRTIO_MMIO_QUEUE_DRIVER_LOW, VIRTIO_MMIO_QUEUE_DRIVER_HIGH, queue.driverArea),
      (VIRTIO_MMIO_QUEUE_DEVICE_LOW, VIRTIO_MMIO_QUEUE_DEVICE_HIGH, queue.deviceArea),
    ] {
      registers[Int(low)] = UInt32(truncatingIfNeeded: address)
      registers[Int(high)] = UInt32(truncatingIfNeeded: address >> 32)
    }
  }

  /// Where the driver wants the next interrupt, with event indices.
  var usedEvent: UInt16 { driverArea[2 + queueSize] }
  var driverFlags: UInt16 { driverArea[0] }
  var usedIndex: UInt16 {
    get { deviceArea.load(fromByteOffset: 2, as: UInt16.self) }
    set { deviceArea.storeBytes(of: newValue, toByteOffset: 2, as: UInt16.self) }
  }
  func setDeviceFlags(_ flags: UInt16) { deviceArea.storeBytes(of: flags, as: UInt16.self) }
  func setAvailableEvent(_ index: UInt16) {
    deviceArea.storeBytes(of: index, toByteOffset: 4 + 8 * queueSize, as: UInt16.self)
  }

  func takeAvailable() -> Chain? {
    let availableIndex = availableIndices[queue] ?? 0
    guard driverArea[1] != availableIndex else { return nil }
    var chain = Chain(head: driverArea[2 + Int(availableIndex) % queueSize])
    availableIndices[queue] = availableIndex &+ 1
    var index = Int(chain.head)
    while true {
      let descriptor = descriptors[index]
      let start = UnsafeMutableRawPointer(bitPattern: UInt(descriptor.addr))
      if descriptor.flags & UInt16(VIRTQ_DESC_F_WRITE) != 0 {
        chain.writable.append(UnsafeMutableRawBufferPointer(start: start, count: Int(descriptor.len)))
      } else {
        chain.readable.append(UnsafeRawBufferPointer(start: start, count: Int(descriptor.len)))
      }
      guard descriptor.flags & UInt16(VIRTQ_DESC_F_NEXT) != 0 else { return chain }
      index = Int(descriptor.next)
    }
  }

  /// Writes any completion whatever.
  func complete(id: UInt32, written: UInt32) {
    let element = 4 + 8 * (Int(usedIndex) % queueSize)
    deviceArea.storeBytes(of: id, toByteOffset: element, as: UInt32.self)
    deviceArea.storeBytes(of: written, toByteOffset: element + 4, as: UInt32.self)
    usedIndex &+= 1
  }
}
