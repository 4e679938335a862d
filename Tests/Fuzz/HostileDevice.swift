import MachineABI

@testable import GuestKernel

/// A device that says what an input says: right answers by default, and others in their place.
///
/// A class, because a driver keeps a copy of its page.
final class HostileDevice: RegisterPage {
  private var input: FuzzInput
  private let kind: UInt32
  /// How many of the next reads of registers are lies.
  var lies = 0
  var configuration = [UInt8](repeating: 0, count: 64)
  var features: UInt64 = 0
  /// The queue that the functions below are about.
  var queue = 0
  /// One set for each queue, of which the first has the device's own as well.
  private var registers = [[UInt32]](repeating: [UInt32](repeating: 0, count: 64), count: 2)

  init(kind: UInt32, _ input: FuzzInput) {
    self.kind = kind
    self.input = input
  }

  var record: DeviceRecord {
    DeviceRecord(name: "hostile", kind: kind, registers: 0x1000, isReset: false, sendsMessages: false)
  }

  // MARK: What the target reads of the input

  var isAtEnd: Bool { input.isAtEnd }
  func next<Value: FixedWidthInteger>(_ type: Value.Type = Value.self) -> Value { input.next() }
  func next(below limit: Int) -> Int { input.next(below: limit) }
  func length() -> UInt32 { input.length() }
  func take(_ limit: Int) -> UnsafeRawBufferPointer { input.take(limit) }

  // MARK: Registers

  func load8(_ offset: Int) -> UInt8 { configuration[(offset - Int(VIRTIO_MMIO_CONFIG)) % 64] }
  func load16(_ offset: Int) -> UInt16 { UInt16(load8(offset)) | UInt16(load8(offset + 1)) << 8 }
  func load32(_ offset: Int) -> UInt32 {
    require(offset % 4 == 0, "an aligned access")
    if offset >= Int(VIRTIO_MMIO_CONFIG) { return UInt32(load16(offset)) | UInt32(load16(offset + 2)) << 16 }
    if lies > 0, !input.isAtEnd {
      lies -= 1
      return input.next()
    }
    switch Int32(offset) {
    case VIRTIO_MMIO_MAGIC_VALUE: return UInt32(VIRTIO_MMIO_MAGIC)
    case VIRTIO_MMIO_VERSION: return UInt32(VIRTIO_MMIO_VERSION_2)
    case VIRTIO_MMIO_DEVICE_ID: return kind
    case VIRTIO_MMIO_DEVICE_FEATURES:
      return UInt32(truncatingIfNeeded: features >> (32 * UInt64(register(VIRTIO_MMIO_DEVICE_FEATURES_SEL) & 1)))
    case VIRTIO_MMIO_QUEUE_NUM_MAX: return queueLimit
    default: return registers[bank(Int32(offset), selectedQueue)][offset / 4]
    }
  }

  var queueLimit: UInt32 = 16

  func store32(_ value: UInt32, at offset: Int) {
    require(offset % 4 == 0 && offset < Int(VIRTIO_MMIO_CONFIG), "a register")
    registers[bank(Int32(offset), selectedQueue)][offset / 4] = value
  }

  func register(_ offset: Int32) -> UInt32 { registers[bank(offset, queue)][Int(offset) / 4] }

  private var selectedQueue: Int { Int(registers[0][Int(VIRTIO_MMIO_QUEUE_SEL) / 4]) }

  /// Each queue has registers of its own that describe it (virtio-1.2 §4.2.2).
  private func bank(_ offset: Int32, _ queue: Int) -> Int {
    switch offset {
    case VIRTIO_MMIO_QUEUE_NUM, VIRTIO_MMIO_QUEUE_READY,
      VIRTIO_MMIO_QUEUE_DESC_LOW...VIRTIO_MMIO_QUEUE_DEVICE_HIGH:
      min(queue, 1)
    default: 0
    }
  }

  // MARK: The queue

  var queueSize: Int { Int(register(VIRTIO_MMIO_QUEUE_NUM)) }

  private func area(_ low: Int32, _ high: Int32) -> UnsafeMutableRawPointer {
    UnsafeMutableRawPointer(bitPattern: UInt(register(high)) << 32 | UInt(register(low)))!
  }
  var descriptors: UnsafeMutableRawPointer { area(VIRTIO_MMIO_QUEUE_DESC_LOW, VIRTIO_MMIO_QUEUE_DESC_HIGH) }
  var driverArea: UnsafeMutableRawPointer { area(VIRTIO_MMIO_QUEUE_DRIVER_LOW, VIRTIO_MMIO_QUEUE_DRIVER_HIGH) }
  var deviceArea: UnsafeMutableRawPointer { area(VIRTIO_MMIO_QUEUE_DEVICE_LOW, VIRTIO_MMIO_QUEUE_DEVICE_HIGH) }
  private var deviceAreaCount: Int { 6 + 8 * queueSize }

  var availableIndex: UInt16 { driverArea.load(fromByteOffset: 2, as: UInt16.self) }
  func availableHead(_ index: UInt16) -> UInt16 {
    driverArea.load(fromByteOffset: 4 + 2 * (Int(index) % queueSize), as: UInt16.self)
  }
  var usedIndex: UInt16 {
    get { deviceArea.load(fromByteOffset: 2, as: UInt16.self) }
    set { deviceArea.storeBytes(of: newValue, toByteOffset: 2, as: UInt16.self) }
  }

  /// Writes any completion whatever.
  func complete(id: UInt32, written: UInt32) {
    let element = 4 + 8 * (Int(usedIndex) % queueSize)
    deviceArea.storeBytes(of: id, toByteOffset: element, as: UInt32.self)
    deviceArea.storeBytes(of: written, toByteOffset: element + 4, as: UInt32.self)
    usedIndex &+= 1
  }

  /// Writes to the device's area of the rings.
  func scribble() {
    let offset = next(below: 256) % deviceAreaCount
    for (index, byte) in take(next(below: 16)).enumerated() where offset + index < deviceAreaCount {
      deviceArea.storeBytes(of: byte, toByteOffset: offset + index, as: UInt8.self)
    }
  }
}
