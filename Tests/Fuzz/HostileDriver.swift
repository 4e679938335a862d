import MachineABI

@testable import Virtio

/// A driver that does what an input says: it can set a device up as the specification has it, and it can write anything
/// to registers and memory at any time.
final class HostileDriver {
  /// Where the driver has put a queue.
  struct Layout {
    var descriptors: UInt64
    var available: UInt64
    var used: UInt64
    var size: UInt16 = 0
    /// What the driver publishes next.
    var availableIndex: UInt16 = 0
  }

  private final class Counter { var value = 0 }

  let memory = GuestMemory.shared
  let transport: MMIOTransport
  private let device: any VirtioDevice
  private let limits: [UInt16]
  private let interrupts = Counter()
  private(set) var layouts: [Layout]
  /// Of the queues that are ready: where the registers say that their descriptors are, whoever wrote them.
  private(set) var tables: [DescriptorTable?]
  private var registered: [DescriptorTable]
  private var selectedQueue = 0
  /// Work that was left for another turn.
  private(set) var wantsTurn: UInt32?
  /// For whoever looks, and sets it back.
  var hasBeenReset = false

  init(_ device: any VirtioDevice) {
    memory.clear()
    self.device = device
    limits = device.queueSizes
    layouts = limits.indices.map { Self.usualLayout($0) }
    tables = limits.map { _ in nil }
    registered = limits.map { _ in DescriptorTable(address: 0, size: 0) }
    transport = MMIOTransport(
      device: device, registers: memory.registers.host, memory: memory.regions,
      interrupt: { [interrupts] in interrupts.value += 1 })
    checkPage()
  }

  /// The machine ends.
  func end() {
    transport.stop()
    require(status == 0, "a stopped device has no status")
    checkPage()
  }

  private static func usualLayout(_ index: Int) -> Layout {
    let base = GuestMemory.shared.main.address + UInt64(index) * 0x1000
    return Layout(descriptors: base, available: base + 0x400, used: base + 0x800)
  }

  // MARK: Registers

  func read(_ register: Int32) -> UInt32 {
    memory.registers.host.load(fromByteOffset: Int(register), as: UInt32.self)
  }
  var status: UInt32 { read(VIRTIO_MMIO_STATUS) }

  func write(_ register: Int32, _ value: UInt32) { write(offset: Int(register), UInt64(value), byteCount: 4) }

  func write(offset: Int, _ data: UInt64, byteCount: Int) {
    let chains = transport.counters.map(\.chains)
    if offset == Int(VIRTIO_MMIO_STATUS), byteCount == 4, UInt32(truncatingIfNeeded: data) == 0 { hasBeenReset = true }
    let hasMore = transport.write(offset: offset, data: data, byteCount: byteCount)
    if offset == Int(VIRTIO_MMIO_QUEUE_NOTIFY), byteCount == 4 {
      for (index, (before, after)) in zip(chains, transport.counters.map(\.chains)).enumerated() {
        // One notification is bounded work.
        require(after - before <= UInt64(limits[index]), "more chains than the queue has entries")
      }
      wantsTurn = hasMore ? UInt32(truncatingIfNeeded: data) : nil
    } else {
      require(!hasMore, "another turn of nothing")
    }
    if byteCount == 4, let register = Int32(exactly: offset) {
      noteTable(register, UInt32(truncatingIfNeeded: data))
    }
    checkPage()
  }

  /// Takes note of what a write says of a descriptor table (virtio-1.2 §4.2.2).
  private func noteTable(_ register: Int32, _ value: UInt32) {
    switch register {
    case VIRTIO_MMIO_STATUS where value == 0:
      tables = limits.map { _ in nil }
      registered = limits.map { _ in DescriptorTable(address: 0, size: 0) }
      selectedQueue = 0
    case VIRTIO_MMIO_QUEUE_SEL: selectedQueue = Int(value)
    default:
      guard limits.indices.contains(selectedQueue) else { return }
      let table = registered[selectedQueue]
      switch register {
      case VIRTIO_MMIO_QUEUE_READY:
        tables[selectedQueue] = read(VIRTIO_MMIO_QUEUE_READY) == 1 ? table : nil
        return
      // What is ready stays as it is.
      case _ where tables[selectedQueue] != nil: return
      case VIRTIO_MMIO_QUEUE_NUM: registered[selectedQueue].size = value
      case VIRTIO_MMIO_QUEUE_DESC_LOW:
        registered[selectedQueue].address = table.address & ~0xffff_ffff | UInt64(value)
      case VIRTIO_MMIO_QUEUE_DESC_HIGH:
        registered[selectedQueue].address = UInt64(value) << 32 | table.address & 0xffff_ffff
      default: return
      }
    }
  }

  // MARK: The usual

  /// Sets the device up, all but correctly.
  func start(_ input: inout FuzzInput) {
    write(VIRTIO_MMIO_STATUS, 0)
    write(VIRTIO_MMIO_STATUS, 1)
    write(VIRTIO_MMIO_STATUS, 3)
    let choice = input.next(UInt8.self)
    write(VIRTIO_MMIO_DEVICE_FEATURES_SEL, 0)
    var low = read(VIRTIO_MMIO_DEVICE_FEATURES)
    if choice & 1 != 0 { low &= ~(1 << UInt32(VIRTIO_F_EVENT_IDX)) }
    if choice & 2 != 0 { low &= ~(1 << UInt32(VIRTIO_F_INDIRECT_DESC)) }
    if choice & 4 != 0 { low &= input.next(UInt32.self) | 3 << 28 }
    write(VIRTIO_MMIO_DRIVER_FEATURES_SEL, 0)
    write(VIRTIO_MMIO_DRIVER_FEATURES, low)
    write(VIRTIO_MMIO_DRIVER_FEATURES_SEL, 1)
    write(VIRTIO_MMIO_DRIVER_FEATURES, 1)
    write(VIRTIO_MMIO_STATUS, 11)
    for index in layouts.indices {
      var layout = Self.usualLayout(index)
      let choice = input.next(UInt8.self)
      layout.size = 1 << UInt16(choice & 7)
      if choice & 8 != 0 { layout.descriptors = input.address() & ~15 }
      if choice & 16 != 0 { layout.available = input.address() & ~1 }
      if choice & 32 != 0 { layout.used = input.address() & ~3 }
      layouts[index] = layout
      write(VIRTIO_MMIO_QUEUE_SEL, UInt32(index))
      write(VIRTIO_MMIO_QUEUE_NUM, UInt32(layout.size))
      write(VIRTIO_MMIO_QUEUE_DESC_LOW, UInt32(truncatingIfNeeded: layout.descriptors))
      write(VIRTIO_MMIO_QUEUE_DESC_HIGH, UInt32(truncatingIfNeeded: layout.descriptors >> 32))
      write(VIRTIO_MMIO_QUEUE_DRIVER_LOW, UInt32(truncatingIfNeeded: layout.available))
      write(VIRTIO_MMIO_QUEUE_DRIVER_HIGH, UInt32(truncatingIfNeeded: layout.available >> 32))
      write(VIRTIO_MMIO_QUEUE_DEVICE_LOW, UInt32(truncatingIfNeeded: layout.used))
      write(VIRTIO_MMIO_QUEUE_DEVICE_HIGH, UInt32(truncatingIfNeeded: layout.used >> 32))
      // One that is left disabled.
      if choice & 192 != 192 { write(VIRTIO_MMIO_QUEUE_READY, 1) }
    }
    write(VIRTIO_MMIO_STATUS, 15)
  }

  /// How many kinds of steps there are.
  static let stepCount = 16

  /// Does one thing.
  func step(_ kind: Int, _ input: inout FuzzInput) {
    switch kind {
    case 0, 1: addChain(&input, notifies: kind == 1)
    case 2: notify(input.next(below: layouts.count))
    case 3: memory.store(input.take(input.next(below: 64)), at: input.address())
    case 4: setDescriptor(&input)
    case 5: addHead(&input)
    case 6: addIndirect(&input)
    case 7:
      let queue = input.next(below: layouts.count)
      memory.store(input.next(UInt16.self), at: layouts[queue].available &+ UInt64(2 * input.next(below: 2)))
    case 8:
      // used_event
      let layout = layouts[input.next(below: layouts.count)]
      memory.store(input.next(UInt16.self), at: layout.available &+ 4 &+ 2 * UInt64(layout.size))
    case 9: writeAnything(&input)
    case 10: if let wantsTurn { notify(Int(wantsTurn)) }
    case 11: start(&input)
    case 12: write(VIRTIO_MMIO_INTERRUPT_ACK, UInt32(input.next(UInt8.self)))
    case 13:
      write(VIRTIO_MMIO_QUEUE_SEL, UInt32(input.next(below: layouts.count)))
      write(VIRTIO_MMIO_QUEUE_READY, UInt32(input.next(below: 2)))
    case 14: write(VIRTIO_MMIO_STATUS, UInt32(input.next(UInt8.self)))
    default: notify(input.next(below: layouts.count))
    }
  }

  func notify(_ queue: Int) { write(VIRTIO_MMIO_QUEUE_NOTIFY, UInt32(queue)) }

  // MARK: Rings

  func setDescriptor(at place: UInt64, address: UInt64, count: UInt32, flags: UInt16, next: UInt16) {
    memory.store(address, at: place)
    memory.store(count, at: place &+ 8)
    memory.store(flags, at: place &+ 12)
    memory.store(next, at: place &+ 14)
  }

  func makeAvailable(_ queue: Int, head: UInt16) {
    let layout = layouts[queue]
    memory.store(head, at: layout.available &+ 4 &+ 2 * UInt64(layout.availableIndex % max(layout.size, 1)))
    layouts[queue].availableIndex &+= 1
    memory.store(layout.availableIndex &+ 1, at: layout.available &+ 2)
  }

  private func setDescriptor(_ input: inout FuzzInput) {
    let queue = input.next(below: layouts.count)
    let place = layouts[queue].descriptors &+ 16 * UInt64(input.next(below: Int(layouts[queue].size) + 1))
    let flags = input.next(UInt8.self)
    setDescriptor(
      at: place, address: input.address(), count: input.length(), flags: UInt16(flags & 7),
      next: flags & 128 != 0 ? input.next() : UInt16(input.next(UInt8.self)))
  }

  private func addHead(_ input: inout FuzzInput) {
    makeAvailable(input.next(below: layouts.count), head: UInt16(input.next(UInt8.self)))
  }

  /// A chain of up to eight descriptors in a row, the readable ones first.
  private func addChain(_ input: inout FuzzInput, notifies: Bool) {
    let queue = input.next(below: layouts.count)
    let size = Int(layouts[queue].size)
    guard size > 0 else { return }
    let shape = input.next(UInt8.self)
    let (readable, writable) = (Int(shape & 7), Int(shape >> 3 & 7))
    let first = input.next(below: size)
    writeDescriptors(
      readable: readable, writable: writable, first: first, size: size, table: layouts[queue].descriptors, &input)
    makeAvailable(queue, head: UInt16(first))
    if notifies { notify(queue) }
  }

  /// A chain in a table of its own.
  private func addIndirect(_ input: inout FuzzInput) {
    let queue = input.next(below: layouts.count)
    let size = Int(layouts[queue].size)
    guard size > 0 else { return }
    let table = input.address()
    let shape = input.next(UInt8.self)
    let (readable, writable) = (Int(shape & 7), Int(shape >> 3 & 7))
    writeDescriptors(readable: readable, writable: writable, first: 0, size: .max, table: table, &input)
    let head = input.next(below: size)
    let count = shape & 64 != 0 ? input.length() : UInt32(16 * (readable + writable))
    setDescriptor(
      at: layouts[queue].descriptors &+ 16 * UInt64(head), address: table, count: count,
      flags: UInt16(VIRTQ_DESC_F_INDIRECT), next: 0)
    makeAvailable(queue, head: UInt16(head))
    if shape & 128 != 0 { notify(queue) }
  }

  private func writeDescriptors(
    readable: Int, writable: Int, first: Int, size: Int, table: UInt64, _ input: inout FuzzInput
  ) {
    let total = readable + writable
    for index in 0..<total {
      let place = table &+ 16 * UInt64((first + index) % size)
      var flags = index < readable ? 0 : UInt16(VIRTQ_DESC_F_WRITE)
      if index + 1 < total { flags |= UInt16(VIRTQ_DESC_F_NEXT) }
      setDescriptor(
        at: place, address: input.address(), count: input.length(), flags: flags,
        next: UInt16(truncatingIfNeeded: (first + index + 1) % size))
    }
  }

  /// Any write to the register page.
  func writeAnything(_ input: inout FuzzInput) {
    let choice = input.next(UInt8.self)
    let offset = choice & 0xc0 == 0xc0 ? Int(input.next(UInt16.self)) : 4 * Int(choice & 0x4f)
    let byteCount = choice & 0x30 == 0x30 ? input.next(below: 9) : 4
    let data =
      switch input.next(UInt8.self) & 7 {
      case 0: UInt64.max
      case 1, 2, 3: UInt64(input.next(UInt8.self))
      case 4: UInt64(input.next(UInt32.self))
      case 5: input.address()
      case 6: input.address() >> 32
      default: input.next(UInt64.self)
      }
    write(offset: offset, data, byteCount: byteCount)
  }
}
