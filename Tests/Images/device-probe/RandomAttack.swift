import MachineABI
import ProbePrimitives
import ProbeSupport
import SeededRandom

/// Random stores to a device's registers, and random rings: the same ones for the same seed.
///
/// Every address that is given to the device is in the arena or one that no device may use, so that a device that works as it
/// should leaves the rest of the memory alone.
struct RandomAttack {
  private let device: RawDevice
  private let queue = RawQueue()
  private var generator: SeededGenerator

  init(on device: RawDevice, seed: Int) {
    self.device = device
    generator = SeededGenerator(seed: UInt64(truncatingIfNeeded: seed))
  }

  mutating func step() {
    switch random(0..<16) {
    case 0, 1: storeToRegister()
    case 2: storeAnywhere()
    case 3, 4: begin()
    case 5..<9: makeRequest()
    case 9, 10: describe()
    case 11: makeAvailable()
    case 12: if random(0..<4) == 0 { scribble() }
    default: device.notify(UInt32(random(0..<3)))
    }
  }

  private mutating func random(_ range: Range<Int>) -> Int { .random(in: range, using: &generator) }
  private mutating func word() -> UInt64 { generator.next() }

  // MARK: Registers

  private mutating func storeToRegister() {
    let register = Self.registers[random(0..<Self.registers.count)]
    device.store(value(of: register), register)
  }

  private static let registers = [
    VIRTIO_MMIO_DEVICE_FEATURES_SEL, VIRTIO_MMIO_DRIVER_FEATURES, VIRTIO_MMIO_DRIVER_FEATURES_SEL,
    VIRTIO_MMIO_QUEUE_SEL,
    VIRTIO_MMIO_QUEUE_NUM, VIRTIO_MMIO_QUEUE_READY, VIRTIO_MMIO_QUEUE_NOTIFY, VIRTIO_MMIO_INTERRUPT_ACK,
    VIRTIO_MMIO_STATUS, VIRTIO_MMIO_QUEUE_DESC_LOW, VIRTIO_MMIO_QUEUE_DESC_HIGH, VIRTIO_MMIO_QUEUE_DRIVER_LOW,
    VIRTIO_MMIO_QUEUE_DRIVER_HIGH, VIRTIO_MMIO_QUEUE_DEVICE_LOW, VIRTIO_MMIO_QUEUE_DEVICE_HIGH,
  ]

  private mutating func value(of register: Int32) -> UInt32 {
    guard random(0..<8) > 0 else { return UInt32(truncatingIfNeeded: word()) }
    switch register {
    case VIRTIO_MMIO_STATUS: return pick([0, 1, 3, 11, 15, 64, 128, 255])
    case VIRTIO_MMIO_QUEUE_NUM: return pick([0, 1, 2, 3, 16, 17, 256, 512, 32768, 65536])
    case VIRTIO_MMIO_QUEUE_READY: return pick([0, 1, 2])
    case VIRTIO_MMIO_QUEUE_DESC_LOW, VIRTIO_MMIO_QUEUE_DRIVER_LOW, VIRTIO_MMIO_QUEUE_DEVICE_LOW:
      return UInt32(truncatingIfNeeded: address())
    case VIRTIO_MMIO_QUEUE_DESC_HIGH, VIRTIO_MMIO_QUEUE_DRIVER_HIGH, VIRTIO_MMIO_QUEUE_DEVICE_HIGH:
      return UInt32(truncatingIfNeeded: queue.arena >> 32)
    case VIRTIO_MMIO_DRIVER_FEATURES: return device.load(VIRTIO_MMIO_DEVICE_FEATURES)
    default: return pick([0, 1, 2, 3, .max])
    }
  }

  private mutating func pick(_ values: [UInt32]) -> UInt32 { values[random(0..<values.count)] }

  /// Any width, any alignment, anywhere on the page.
  private mutating func storeAnywhere() {
    let width = 1 << random(0..<4)
    let address = device.registers + UInt64(random(0..<pageSize - width + 1))
    switch width {
    case 1: probe_store8(address, UInt8(truncatingIfNeeded: word()))
    case 2: probe_store16(address, UInt16(truncatingIfNeeded: word()))
    case 4: probe_store32(address, UInt32(truncatingIfNeeded: word()))
    default: probe_store64(address, word())
    }
  }

  /// A device that runs, so that more comes of the rest.
  private mutating func begin() {
    device.reset()
    queue.clear()
    device.negotiate()
    for index: UInt32 in 0..<2 { device.enable(queue, index: index) }
    device.start()
  }

  // MARK: Rings

  /// An address in the arena, or a forbidden one.
  private mutating func address() -> UInt64 {
    switch random(0..<20) {
    case 0: return ForbiddenPlace.unwritable[random(0..<ForbiddenPlace.unwritable.count)].address
    // A bit that no machine's addresses have.
    case 1: return word() | 1 << 63
    default: return queue.arena + UInt64(random(0..<RawQueue.arenaSize / 16) * 16)
    }
  }

  private mutating func describe() {
    let address = address()
    var length: UInt32
    switch random(0..<8) {
    case 0: length = 0
    // Longer than the machine's memory.
    case 1: length = UInt32(truncatingIfNeeded: word()) | 1 << 31
    case 2: length = UInt32(16 * random(1..<17))
    case 3: length = 1
    default: length = 512
    }
    let end = queue.arena + UInt64(RawQueue.arenaSize)
    if address >= queue.arena, address < end, length < 1 << 31 { length = min(length, UInt32(end - address)) }
    let flags = random(0..<16) == 0 ? Int32(word() & 0xffff) : Int32(random(0..<8))
    let table = random(0..<4) == 0 ? queue.table : queue.descriptors
    queue.describe(
      at: table, random(0..<RawQueue.size), address, length, flags: flags,
      next: UInt16(random(0..<8) == 0 ? random(0..<65536) : random(0..<RawQueue.size)))
    if random(0..<4) == 0 {
      let types = [
        VIRTIO_BLK_T_IN, VIRTIO_BLK_T_OUT, VIRTIO_BLK_T_FLUSH, VIRTIO_BLK_T_GET_ID, VIRTIO_BLK_T_DISCARD,
        VIRTIO_BLK_T_WRITE_ZEROES, 99,
      ]
      let type = types[random(0..<types.count)]
      if random(0..<2) == 0 {
        queue.request(type, sector: word() % 4096, data: queue.data, UInt32(512 * random(1..<9)))
      } else {
        queue.setHeader(type, sector: word())
      }
    }
  }

  /// A request that is good, or was before one thing was changed.
  private mutating func makeRequest() {
    let first = random(0..<4) * 4
    let next = { UInt16(first + $0) }
    if device.kind == UInt32(VIRTIO_ID_BLOCK) {
      let types = [
        VIRTIO_BLK_T_IN, VIRTIO_BLK_T_OUT, VIRTIO_BLK_T_FLUSH, VIRTIO_BLK_T_GET_ID, VIRTIO_BLK_T_DISCARD,
        VIRTIO_BLK_T_WRITE_ZEROES,
      ]
      let type = types[random(0..<types.count)]
      queue.setHeader(type, sector: UInt64(random(0..<140)))
      let isWritten = type == VIRTIO_BLK_T_IN || type == VIRTIO_BLK_T_GET_ID
      let length: UInt32
      switch type {
      case VIRTIO_BLK_T_IN, VIRTIO_BLK_T_OUT: length = UInt32(512 * random(1..<40))
      case VIRTIO_BLK_T_GET_ID: length = 20
      case VIRTIO_BLK_T_FLUSH: length = 0
      default: length = UInt32(16 * random(1..<4))
      }
      queue.describe(first, queue.header, 16, flags: VIRTQ_DESC_F_NEXT, next: next(length == 0 ? 2 : 1))
      queue.describe(
        first + 1, queue.data, length, flags: VIRTQ_DESC_F_NEXT | (isWritten ? VIRTQ_DESC_F_WRITE : 0), next: next(2))
      queue.describe(first + 2, queue.answer, 1, flags: VIRTQ_DESC_F_WRITE)
    } else {
      // What the console sends is short, or the case would get more than it can keep.
      let isWritten = random(0..<2) == 0
      for index in 0..<4 {
        queue.describe(
          first + index, queue.data + UInt64(random(0..<1024) * 16), UInt32(random(1..<65)),
          flags: (isWritten ? VIRTQ_DESC_F_WRITE : 0) | (index < 3 ? VIRTQ_DESC_F_NEXT : 0), next: next(index + 1))
      }
    }
    if random(0..<6) == 0 { describe() }
    queue.makeAvailable(UInt16(first))
  }

  private mutating func makeAvailable() {
    switch random(0..<8) {
    case 0: queue.availableIndex = UInt16(truncatingIfNeeded: word())
    case 1: queue.makeAvailable(UInt16(truncatingIfNeeded: word()))
    default: queue.makeAvailable(UInt16(random(0..<RawQueue.size)))
    }
  }

  /// Random bytes in the rings, but none that could name memory outside of the arena: each word's top bit is set.
  private mutating func scribble() {
    let offset = random(0..<0x1000 / 8 - 8) * 8
    for index in 0..<random(1..<9) {
      queue.bytes.storeBytes(of: word() | 1 << 63, toByteOffset: offset + index * 8, as: UInt64.self)
    }
  }
}
