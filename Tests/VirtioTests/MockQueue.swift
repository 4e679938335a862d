@testable import Virtio

/// The driver's side of a split virtqueue, from the text of virtio-1.2 §2.7 alone. The rings are in guest memory where
/// tests can spoil them.
final class MockQueue {
  /// One element of a buffer.
  struct Buffer: Equatable {
    var address: UInt64
    var count: UInt32
    var isWritable: Bool

    static func readable(_ address: UInt64, _ count: Int) -> Buffer {
      Buffer(address: address, count: UInt32(count), isWritable: false)
    }
    static func writable(_ address: UInt64, _ count: Int) -> Buffer {
      Buffer(address: address, count: UInt32(count), isWritable: true)
    }
  }
  struct Used: Equatable {
    var head: UInt16
    var count: UInt32
  }

  /// §2.7.5
  enum Flag {
    static let next: UInt16 = 1
    static let write: UInt16 = 2
    static let indirect: UInt16 = 4
  }

  let index: UInt32
  let size: UInt16
  let descriptors: UInt64
  let available: UInt64
  let used: UInt64
  /// Free-running.
  var availableIndex: UInt16 = 0
  var usedIndex: UInt16 = 0
  private unowned let driver: MockDriver
  private var memory: GuardedMemory { driver.memory }
  /// The index that the device last had a notification of, or was seen not to want one.
  private var notified: UInt16 = 0
  private(set) var free: [UInt16]
  private var chains: [UInt16: [UInt16]] = [:]

  init(index: UInt32, size: UInt16, driver: MockDriver) {
    self.index = index
    self.size = size
    self.driver = driver
    let memory = driver.memory
    descriptors = memory.allocate(16 * Int(size), alignment: 16)
    available = memory.allocate(6 + 2 * Int(size), alignment: 2)
    used = memory.allocate(6 + 8 * Int(size), alignment: 4)
    memory.store([UInt8](repeating: 0, count: 16 * Int(size)), at: descriptors)
    memory.store([UInt8](repeating: 0, count: 6 + 2 * Int(size)), at: available)
    memory.store([UInt8](repeating: 0, count: 6 + 8 * Int(size)), at: used)
    free = (0..<size).reversed()
  }

  private var usesEventIndex: Bool { driver.features & MockDriver.Feature.eventIndex != 0 }

  // MARK: Fields

  var availableFlags: UInt16 {
    get { memory.load(available) }
    set { memory.store(newValue, at: available) }
  }
  var publishedAvailableIndex: UInt16 {
    get { memory.load(available + 2) }
    set { memory.store(newValue, at: available + 2) }
  }
  var usedEvent: UInt16 {
    get { memory.load(available + 4 + 2 * UInt64(size)) }
    set { memory.store(newValue, at: available + 4 + 2 * UInt64(size)) }
  }
  var usedFlags: UInt16 { memory.load(used) }
  var publishedUsedIndex: UInt16 { memory.load(used + 2) }
  var availableEvent: UInt16 {
    get { memory.load(used + 4 + 8 * UInt64(size)) }
    set { memory.store(newValue, at: used + 4 + 8 * UInt64(size)) }
  }

  func setDescriptor(_ index: UInt16, address: UInt64, count: UInt32, flags: UInt16, next: UInt16 = 0) {
    setDescriptor(at: descriptors + 16 * UInt64(index), address: address, count: count, flags: flags, next: next)
  }
  func setDescriptor(at place: UInt64, address: UInt64, count: UInt32, flags: UInt16, next: UInt16 = 0) {
    let host = memory.host(place, count: 16)
    host.storeBytes(of: address, as: UInt64.self)
    host.storeBytes(of: count, toByteOffset: 8, as: UInt32.self)
    host.storeBytes(of: flags, toByteOffset: 12, as: UInt16.self)
    host.storeBytes(of: next, toByteOffset: 14, as: UInt16.self)
  }

  // MARK: §2.7.13: supplying buffers

  /// Places a buffer and makes it available; the device is not notified. Returns its head, nil when the table is full.
  ///
  /// - Parameter indirect: in a table of its own, at a place of the memory that is never reused.
  @discardableResult
  func add(_ buffers: [Buffer], indirect: Bool = false) -> UInt16? {
    guard !buffers.isEmpty, free.count >= (indirect ? 1 : buffers.count) else { return nil }
    let indices = (0..<(indirect ? 1 : buffers.count)).map { _ in free.removeLast() }
    if indirect {
      let table = memory.allocate(16 * buffers.count)
      for (position, buffer) in buffers.enumerated() {
        let isLast = position == buffers.count - 1
        setDescriptor(
          at: table + 16 * UInt64(position), address: buffer.address, count: buffer.count,
          flags: (buffer.isWritable ? Flag.write : 0) | (isLast ? 0 : Flag.next),
          next: isLast ? 0 : UInt16(position + 1))
      }
      setDescriptor(indices[0], address: table, count: UInt32(16 * buffers.count), flags: Flag.indirect)
    } else {
      for (position, buffer) in buffers.enumerated() {
        let isLast = position == buffers.count - 1
        setDescriptor(
          indices[position], address: buffer.address, count: buffer.count,
          flags: (buffer.isWritable ? Flag.write : 0) | (isLast ? 0 : Flag.next),
          next: isLast ? 0 : indices[position + 1])
      }
    }
    chains[indices[0]] = indices
    makeAvailable(indices[0])
    return indices[0]
  }

  /// Puts a head on the available ring, whatever it is.
  func makeAvailable(_ head: UInt16) {
    memory.store(head, at: available + 4 + 2 * UInt64(availableIndex % size))
    availableIndex &+= 1
    publishedAvailableIndex = availableIndex
  }

  /// Whether the device wants to be notified of what was made available since the last time (§2.7.10.1).
  var isNotificationWanted: Bool {
    let old = notified
    guard availableIndex != old else { return false }
    guard usesEventIndex else { return usedFlags & 1 == 0 }
    return availableIndex &- availableEvent &- 1 < availableIndex &- old
  }

  /// Notifies the device if it wants that. Returns whether it did.
  @discardableResult
  func kick() -> Bool {
    let isWanted = isNotificationWanted
    notified = availableIndex
    if isWanted { notify() }
    return isWanted
  }

  /// Notifies the device.
  func notify() {
    notified = availableIndex
    driver.write(.queueNotify, index)
  }

  // MARK: §2.7.14: receiving used buffers

  /// What the device used since the last time, in its order.
  func collect() -> [Used] {
    var collected: [Used] = []
    while publishedUsedIndex != usedIndex {
      let entry = used + 4 + 8 * UInt64(usedIndex % size)
      let head: UInt32 = memory.load(entry)
      precondition(head < size, "the device used what there is not")
      guard let indices = chains.removeValue(forKey: UInt16(head)) else {
        preconditionFailure("the device used a buffer that was not available")
      }
      free.append(contentsOf: indices.reversed())
      collected.append(Used(head: UInt16(head), count: memory.load(entry + 4)))
      usedIndex &+= 1
    }
    // An interrupt for the very next buffer, unless a test says otherwise.
    if usesEventIndex { usedEvent = usedIndex }
    return collected
  }

  /// A whole request to a device that answers at once: returns what it wrote, as long as it says.
  ///
  /// - Parameters:
  ///   - readable: contents of the elements that the device reads.
  ///   - writable: sizes of those that it writes.
  func request(_ readable: [[UInt8]], writable: [Int] = [], indirect: Bool = false) -> [UInt8]? {
    let buffers =
      readable.map { bytes in
        let address = memory.allocate(bytes.count)
        memory.store(bytes, at: address)
        return Buffer.readable(address, bytes.count)
      } + writable.map { Buffer.writable(memory.allocate($0), $0) }
    guard let head = add(buffers, indirect: indirect) else { return nil }
    kick()
    let collected = collect()
    guard collected.count == 1, collected[0].head == head else { return nil }
    var left = Int(collected[0].count)
    var written: [UInt8] = []
    for buffer in buffers where buffer.isWritable {
      let count = min(left, Int(buffer.count))
      written += memory.bytes(buffer.address, count: count)
      left -= count
    }
    return left == 0 ? written : nil
  }
}
