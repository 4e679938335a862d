import KVM
import MachineABI
import Virtio

/// The devices of a machine: their register pages, the lock and the thread that they share, and the way from a write of the
/// guest's to the device it is for.
final class DeviceBus {
  /// A device, and what the image calls it.
  struct Device {
    let declaration: DeclaredDevice
    let device: any VirtioDevice
    /// The same, if it is one.
    var network: NetworkDevice?
  }

  private let declarations: [DeclaredDevice]
  private let transports: [MMIOTransport]
  private let loop: DeviceLoop
  private let console: ConsoleDevice?
  /// At the indices of their transports.
  private let networks: [NetworkDevice?]
  private let warn: @Sendable (String) -> Void
  private let writeEvents: WriteEvents
  /// Of a device that had more queues than one, only one would be among them: no such device needs more.
  private var busyQueues: [BusyQueue?]
  /// The pages behind the register slot. Declared last, so that what writes them is gone when they are unmapped.
  private let registers: MemoryMapping

  /// - Parameters:
  ///   - devices: in the order of their register pages.
  ///   - registers: one page for each device.
  ///   - memory: what the devices may reach. It stays mapped until `end()` has returned.
  ///   - interrupt: gives, for the device at an index, what interrupts the guest for it; usable until `end()` has
  ///     returned.
  ///   - writeEvents: usable until `end()` has returned.
  ///   - warn: takes a line about what a device could not do.
  init(
    _ devices: [Device], console: ConsoleDevice?, loop: DeviceLoop, registers: consuming MemoryMapping,
    memory: GuestRegions, interrupt: (_ device: Int) -> () -> Void, writeEvents: WriteEvents,
    warn: @escaping @Sendable (String) -> Void
  ) {
    precondition(registers.byteCount == devices.count * pageSize)
    declarations = devices.map { $0.declaration }
    let base = registers.baseAddress
    transports = devices.enumerated().map { index, attached in
      let transport = MMIOTransport(
        device: attached.device, registers: base + index * pageSize, memory: memory,
        interrupt: interrupt(index))
      // Cycles, which `end()` breaks.
      if let console, attached.device === console {
        console.configurationChanged = { transport.configurationChanged() }
      }
      attached.network?.configurationChanged = { transport.configurationChanged() }
      return transport
    }
    self.loop = loop
    self.writeEvents = writeEvents
    busyQueues = devices.map { _ in nil }
    self.console = console
    networks = devices.map { $0.network }
    self.warn = warn
    self.registers = registers
  }

  deinit {
    end()
  }

  /// The vector of a device's interrupts; more devices than there are vectors share them.
  static func vector(_ index: Int) -> UInt8 {
    UInt8(Int(NEEDLETAIL_FIRST_DEVICE_VECTOR) + index % Int(NEEDLETAIL_DEVICE_VECTOR_COUNT))
  }

  /// Serves a write of the guest's to a register page, after those that it has posted.
  ///
  /// - Parameters:
  ///   - offset: from the first device's page; inside the pages.
  ///   - page: the guest may change it meanwhile. Nil for a guest that posts no writes.
  func write(_ access: MMIOAccess, offset: UInt64, posted page: UnsafeMutablePointer<SharedPage>?) {
    loop.withLock {
      if let page { writePosted(page) }
      write(offset: Int(offset), data: access.data, byteCount: access.byteCount)
      if offset % UInt64(pageSize) == UInt64(VIRTIO_MMIO_QUEUE_NOTIFY) {
        considerQueue(
          UInt32(truncatingIfNeeded: access.data), of: Int(offset) / pageSize, notifyAddress: access.address)
      }
    }
  }

  /// Takes the notifications of a queue to the devices' thread, if it proves busy and nothing is lost by it.
  private func considerQueue(_ queue: UInt32, of device: Int, notifyAddress: UInt64) {
    let transport = transports[device]
    guard busyQueues[device] == nil, !transport.answersAtOnce, queue < UInt32(transport.queueCount),
      transport.notificationCount(queue: Int(queue)) == BusyQueue.notificationThreshold
    else { return }
    // Where the kernel has no more events the exits stay.
    busyQueues[device] = try? BusyQueue(
      queue, of: transport, notifyAddress: notifyAddress, writeEvents: writeEvents, loop: loop)
  }

  /// Carries out the posted writes (docs/boot-contract.md, "Posted writes").
  private func writePosted(_ page: UnsafeMutablePointer<SharedPage>) {
    // The guest can write anything here: read once, bound, use.
    let count = min(Int(page.pointee.posted_count), Int(NEEDLETAIL_POSTED_WRITE_LIMIT))
    guard count > 0 else { return }
    page.pointee.posted_count = 0
    let entries = UnsafeRawPointer(needletail_shared_posted_writes(page)!)
    for index in 0..<count {
      let entry = entries + index * MemoryLayout<PostedWrite>.stride
      let offset = Int(virtq_load32(entry))
      guard offset < transports.count * pageSize else { continue }
      write(offset: offset, data: UInt64(virtq_load32(entry + 4)), byteCount: MemoryLayout<UInt32>.size)
    }
  }

  private func write(offset: Int, data: UInt64, byteCount: Int) {
    // The guest's one processor waits for this write, so no lawful driver gives the device more than a turn's worth.
    _ = transports[offset / pageSize].write(offset: offset % pageSize, data: data, byteCount: byteCount)
  }

  /// Writes out what the guest has handed to the console device, ahead of what it is about to print otherwise.
  func drainConsole() {
    guard let console else { return }
    loop.withLock { console.drainTransmit() }
  }

  /// What became of the console device's output so far.
  var consoleDelivery: ConsoleDevice.Delivery {
    guard let console else { return .written }
    return loop.withLock { console.delivery }
  }

  /// What each device did so far.
  var activity: [DeviceActivity] {
    loop.withLock {
      transports.enumerated().map { index, transport in
        var activity = DeviceActivity(declarations[index])
        activity.network = networks[index]?.counters
        for queue in transport.counters {
          activity.requests += queue.chains
          activity.notifications += queue.notifications
          activity.interrupts += queue.interrupts
        }
        return activity
      }
    }
  }

  /// Ends all that is in flight; nothing touches the guest's memory any more when this returns. Once more does nothing.
  func end() {
    loop.withLock {
      for transport in transports { transport.stop() }
      console?.configurationChanged = {}
      for network in networks { network?.configurationChanged = {} }
    }
    loop.end()
    for network in networks {
      for line in network?.end() ?? [] { warn(line) }
    }
  }
}
