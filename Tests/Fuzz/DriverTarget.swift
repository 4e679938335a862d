import MachineABI

@testable import GuestKernel

/// The block driver with a device that says and writes anything: the driver works, or it refuses, or it finds a fault.
let driverTarget = FuzzTarget(name: "driver") { bytes in
  let device = HostileDevice(kind: UInt32(VIRTIO_ID_BLOCK), FuzzInput(bytes))
  device.configure()
  guard let driver = try? BlockDriver.open(device.record, page: device) else { return }
  device.lies = 0
  let session = DriverSession(driver, device)
  while !device.isAtEnd { session.step() }
  session.end()
}

extension HostileDevice {
  /// A disk as disks are, unless the input has it otherwise.
  fileprivate func configure() {
    let choice = next(UInt8.self)
    features = feature(VIRTIO_F_VERSION_1) | UInt64(next(UInt32.self))
    if choice & 1 != 0 {
      features &= ~feature(VIRTIO_F_EVENT_IDX)
    } else {
      features |= feature(VIRTIO_F_EVENT_IDX)
    }
    var fields = virtio_blk_config()
    fields.capacity = choice & 2 == 0 ? 1 << 20 : next()
    fields.size_max = choice & 4 == 0 ? 4096 : next()
    fields.seg_max = choice & 8 == 0 ? 14 : next()
    fields.blk_size = choice & 16 == 0 ? 512 : next()
    fields.max_discard_sectors = choice & 32 == 0 ? 64 : next()
    fields.max_write_zeroes_sectors = choice & 32 == 0 ? 64 : next()
    configuration = withUnsafeBytes(of: fields) { Array($0) }
    if choice & 64 != 0 { queueLimit = next(UInt32.self) }
    if choice & 128 != 0 { lies = next(below: 16) }
  }
}

/// Tasks that use a driver, and what the device does meanwhile.
private final class DriverSession: @unchecked Sendable {
  private let driver: BlockDriver<HostileDevice>
  private let device: HostileDevice
  /// What the device may name as data: no driver ever looks at it, so there need not be any memory.
  private static let dataStart: UInt64 = 1 << 46
  private var taskCount = 0
  private var endedCount = 0
  private var hasFault = false
  /// The device has completed what it may not have seen, so a chain may be another one before it is looked at.
  private var hasMadeUp = false
  /// The index of the next available entry that the device looks at.
  private var seen: UInt16 = 0
  private var heads: [UInt16] = []
  /// Where the status of a request with this head goes: a place that the driver keeps for it.
  private var statuses: [UInt16: UInt64] = [:]

  init(_ driver: BlockDriver<HostileDevice>, _ device: HostileDevice) {
    self.driver = driver
    self.device = device
  }

  func step() {
    switch device.next(below: 12) {
    case 0, 1, 2: startTask()
    case 3, 4: lookAtAvailable()
    case 5, 6: completeOne(status: device.next(below: 3) == 0 ? device.next() : 0)
    case 7:
      hasMadeUp = true
      device.complete(id: UInt32(device.next(below: 20)), written: device.length())
    case 8:
      hasMadeUp = true
      device.scribble()
    case 9: device.lies = device.next(below: 4)
    case 10: driver.announce()
    default: poll()
    }
  }

  private func startTask() {
    guard taskCount - endedCount < 40 else { return }
    let operations: [BlockError.Operation] = [.read, .write, .flush, .discard, .writeZeroes, .identify]
    let operation = operations[device.next(below: operations.count)]
    var (offset, count) = (UInt64(0), UInt64(0))
    switch operation {
    case .flush: guard driver.geometry.canFlush else { return }
    case .identify: count = UInt64(VIRTIO_BLK_ID_BYTES)
    default:
      offset = 512 &* UInt64(device.next(UInt16.self))
      count = 512 &* UInt64(device.next(UInt8.self))
      if device.next(below: 8) == 0 { (offset, count) = (device.next() & ~511, device.next() & ~511) }
      guard driver.geometry.objection(to: operation, offset: offset, byteCount: count) == nil, count > 0 else { return }
    }
    taskCount += 1
    Task(executorPreference: InlineExecutor.shared) { [offset, count] in
      _ = await self.driver.perform(operation, memory: Self.dataStart, offset: offset, byteCount: count)
      self.endedCount += 1
    }
    InlineExecutor.shared.run()
  }

  /// Checks what the driver has made available since the last time.
  private func lookAtAvailable() {
    let index = device.availableIndex
    require(index &- seen <= UInt16(device.queueSize), "more available than the queue holds")
    while seen != index {
      let head = device.availableHead(seen)
      seen &+= 1
      heads.append(head)
      if !hasMadeUp { check(head) }
    }
  }

  private func check(_ head: UInt16) {
    var index = Int(head)
    var position = 0
    var writableSeen = false
    var total: UInt64 = 0
    while true {
      require(index < device.queueSize, "a descriptor of the table")
      let descriptor = (device.descriptors + 16 * index).load(as: virtq_desc.self)
      let isWritable = descriptor.flags & UInt16(VIRTQ_DESC_F_WRITE) != 0
      let isLast = descriptor.flags & UInt16(VIRTQ_DESC_F_NEXT) == 0
      require(isWritable || !writableSeen, "what the device reads comes first")
      writableSeen = isWritable
      require(descriptor.len > 0, "no empty descriptor")
      if position == 0 { require(descriptor.len == 16 && !isWritable, "a header") }
      if isLast { require(descriptor.len == 1 && isWritable, "a status") }
      total += UInt64(descriptor.len)
      position += 1
      require(position <= device.queueSize, "a chain that ends")
      guard !isLast else {
        statuses[head] = descriptor.addr
        break
      }
      index = Int(descriptor.next)
    }
    require(position >= 2, "header and status")
    require(total <= BlockGeometry.requestLimit + 16 + 1, "as much data as a request may have")
  }

  /// Does as a device should, with any status.
  private func completeOne(status: UInt8) {
    guard !heads.isEmpty else { return }
    let head = heads.remove(at: device.next(below: heads.count))
    finish(head, status: status)
  }

  private func finish(_ head: UInt16, status: UInt8) {
    var index = Int(head)
    var writable: UInt32 = 0
    var left = device.queueSize
    // The driver's own descriptors, which nobody else writes.
    while left > 0 {
      let descriptor = (device.descriptors + 16 * index).load(as: virtq_desc.self)
      if descriptor.flags & UInt16(VIRTQ_DESC_F_WRITE) != 0 { writable &+= descriptor.len }
      left -= 1
      guard descriptor.flags & UInt16(VIRTQ_DESC_F_NEXT) != 0 else { break }
      index = Int(descriptor.next) % device.queueSize
    }
    if let address = statuses[head] {
      UnsafeMutableRawPointer(bitPattern: UInt(address))!.storeBytes(of: status, as: UInt8.self)
    }
    device.complete(id: UInt32(head), written: writable)
  }

  private func poll() {
    lookAtAvailable()
    // A driver with a fault is not used any more.
    guard !hasFault else { return }
    do throws(QueueFault) {
      try driver.poll()
    } catch {
      hasFault = true
      _ = error.words(device: driver.device.name)
    }
    InlineExecutor.shared.run()
    require(driver.queue.inFlightCount <= UInt16(device.queueSize), "in flight")
  }

  /// Lets everything end, so that no task is left: each request in flight fails.
  func end() {
    InlineExecutor.shared.run()
    device.lies = 0
    hasMadeUp = true
    var turns = 0
    while driver.queue.inFlightCount > 0 {
      turns += 1
      require(turns < 1000, "requests end")
      for head in 0..<UInt16(device.queueSize) {
        // What the driver has taken back, as it sees it.
        device.usedIndex = device.availableIndex &- driver.queue.inFlightCount
        finish(head, status: UInt8(VIRTIO_BLK_S_IOERR))
        while true {
          do throws(QueueFault) {
            try driver.poll()
            break
          } catch {
            guard case .wroteTooMuch = error else { break }
            device.usedIndex = device.availableIndex &- driver.queue.inFlightCount
            device.complete(id: UInt32(head), written: 0)
          }
        }
        InlineExecutor.shared.run()
      }
    }
    require(endedCount == taskCount, "every task has had its answer")
    require(driver.queue.freeCount == driver.queue.size, "every descriptor is free again")
  }
}
