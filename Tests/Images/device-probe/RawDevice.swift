import CGuestKernel
import GuestKernel
import MachineABI
import ProbePrimitives
import ProbeSupport

/// A device by its registers alone (virtio-1.2 §4.2), without any of the driver's good manners.
struct RawDevice: Sendable {
  let name: String
  let kind: UInt32
  let registers: UInt64

  /// The devices of this machine, in their order.
  static let all: [RawDevice] = {
    let info = bootInformation()
    let entries = UnsafeBufferPointer(
      start: UnsafePointer<DeviceEntry>(bitPattern: UInt(info.devices)), count: Int(info.device_count))
    return entries.map { entry in
      let name = withUnsafeBytes(of: entry.name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
      return RawDevice(name: name, kind: entry.kind, registers: entry.registers)
    }
  }()

  init(name: String, kind: UInt32, registers: UInt64) {
    self.name = name
    self.kind = kind
    self.registers = registers
  }

  init(_ name: String) {
    guard let device = Self.all.first(where: { $0.name == name }) else { fatalError("no device '\(name)'") }
    self = device
  }

  func load(_ register: Int32) -> UInt32 { needletail_register_load32(registers, UInt32(register)) }
  func store(_ value: UInt32, _ register: Int32) { probe_store32(registers + UInt64(register), value) }
  func store(_ value: UInt64, _ low: Int32, _ high: Int32) {
    store(UInt32(truncatingIfNeeded: value), low)
    store(UInt32(truncatingIfNeeded: value >> 32), high)
  }

  var status: UInt32 { load(VIRTIO_MMIO_STATUS) }
  var needsReset: Bool { status & UInt32(VIRTIO_STATUS_DEVICE_NEEDS_RESET) != 0 }

  func reset() { store(0, VIRTIO_MMIO_STATUS) }

  /// Everything up to FEATURES_OK, with all that is offered but the event index: so that every chain interrupts.
  func negotiate() {
    reset()
    store(UInt32(VIRTIO_STATUS_ACKNOWLEDGE), VIRTIO_MMIO_STATUS)
    store(UInt32(VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER), VIRTIO_MMIO_STATUS)
    for half: UInt32 in 0...1 {
      store(half, VIRTIO_MMIO_DEVICE_FEATURES_SEL)
      var features = load(VIRTIO_MMIO_DEVICE_FEATURES)
      if half == 0 { features &= ~(1 << UInt32(VIRTIO_F_EVENT_IDX)) }
      store(half, VIRTIO_MMIO_DRIVER_FEATURES_SEL)
      store(features, VIRTIO_MMIO_DRIVER_FEATURES)
    }
    store(
      UInt32(VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER | VIRTIO_STATUS_FEATURES_OK), VIRTIO_MMIO_STATUS)
  }

  /// Lets the device use queue 0 and whichever else is wanted.
  func enable(_ queue: RawQueue, index: UInt32 = 0) {
    store(index, VIRTIO_MMIO_QUEUE_SEL)
    store(UInt32(RawQueue.size), VIRTIO_MMIO_QUEUE_NUM)
    store(queue.descriptors, VIRTIO_MMIO_QUEUE_DESC_LOW, VIRTIO_MMIO_QUEUE_DESC_HIGH)
    store(queue.available, VIRTIO_MMIO_QUEUE_DRIVER_LOW, VIRTIO_MMIO_QUEUE_DRIVER_HIGH)
    store(queue.used, VIRTIO_MMIO_QUEUE_DEVICE_LOW, VIRTIO_MMIO_QUEUE_DEVICE_HIGH)
    store(1, VIRTIO_MMIO_QUEUE_READY)
  }

  func start() { store(status | UInt32(VIRTIO_STATUS_DRIVER_OK), VIRTIO_MMIO_STATUS) }

  /// From nothing to a device that works with this queue.
  func begin(_ queue: RawQueue, index: UInt32 = 0) {
    negotiate()
    enable(queue, index: index)
    start()
    guard status == 15 else { fatalError("\(name) does not start: status \(status.hexadecimal)") }
  }

  func notify(_ queue: UInt32 = 0) { store(queue, VIRTIO_MMIO_QUEUE_NOTIFY) }
}

/// The rings of a split queue (virtio-1.2 §2.7), and room for buffers, in memory of their own.
struct RawQueue {
  static let size = 16

  /// Page aligned, `arenaSize` bytes, and some more that nobody uses behind it. It is never freed: who knows what a device
  /// still does to it.
  let arena: UInt64
  static let arenaSize = 64 << 10
  private static let slack = 256 << 10

  var descriptors: UInt64 { arena }
  var available: UInt64 { arena + 0x400 }
  var used: UInt64 { arena + 0x800 }
  /// An indirect table.
  var table: UInt64 { arena + 0xc00 }
  /// A block request's header.
  var header: UInt64 { arena + 0x1000 }
  /// One byte.
  var answer: UInt64 { arena + 0x1100 }
  /// Room for data, to the end of the arena.
  var data: UInt64 { arena + 0x2000 }
  static var dataSize: Int { arenaSize - 0x2000 }

  init() {
    let memory = UnsafeMutableRawPointer.allocate(byteCount: Self.arenaSize + Self.slack, alignment: pageSize)
    arena = UInt64(UInt(bitPattern: memory))
    clear()
  }

  var bytes: UnsafeMutableRawPointer { UnsafeMutableRawPointer(bitPattern: UInt(arena))! }
  private func pointer(_ address: UInt64) -> UnsafeMutableRawPointer {
    UnsafeMutableRawPointer(bitPattern: UInt(address))!
  }

  func clear() { bytes.initializeMemory(as: UInt8.self, repeating: 0, count: Self.arenaSize) }

  func describe(_ index: Int, _ address: UInt64, _ length: UInt32, flags: Int32 = 0, next: UInt16 = 0) {
    describe(at: descriptors, index, address, length, flags: flags, next: next)
  }

  func describe(
    at table: UInt64, _ index: Int, _ address: UInt64, _ length: UInt32, flags: Int32 = 0, next: UInt16 = 0
  ) {
    pointer(table).storeBytes(
      of: virtq_desc(addr: address, len: length, flags: UInt16(flags), next: next), toByteOffset: index * 16,
      as: virtq_desc.self)
  }

  var availableIndex: UInt16 {
    get { virtq_load16(pointer(available + 2)) }
    nonmutating set { virtq_store_release16(pointer(available + 2), newValue) }
  }
  var usedIndex: UInt16 { virtq_load_acquire16(pointer(used + 2)) }

  func makeAvailable(_ head: UInt16) {
    let index = availableIndex
    virtq_store16(pointer(available + 4 + UInt64(Int(index) % Self.size * 2)), head)
    availableIndex = index &+ 1
  }

  /// The header of a block request.
  func setHeader(_ type: Int32, sector: UInt64) {
    pointer(header).storeBytes(
      of: virtio_blk_req(type: UInt32(type), reserved: 0, sector: sector), as: virtio_blk_req.self)
    pointer(answer).storeBytes(of: 0xff, as: UInt8.self)
  }
  var answerByte: UInt8 { pointer(answer).load(as: UInt8.self) }

  /// A block request with one buffer in the middle; head 0.
  func request(_ type: Int32, sector: UInt64 = 0, data address: UInt64, _ length: UInt32) {
    setHeader(type, sector: sector)
    describe(0, header, 16, flags: VIRTQ_DESC_F_NEXT, next: 1)
    let direction = type == VIRTIO_BLK_T_IN ? VIRTQ_DESC_F_WRITE : 0
    describe(1, address, length, flags: VIRTQ_DESC_F_NEXT | direction, next: 2)
    describe(2, answer, 1, flags: VIRTQ_DESC_F_WRITE)
    makeAvailable(0)
  }
}
