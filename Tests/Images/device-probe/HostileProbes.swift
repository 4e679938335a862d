import CGuestKernel
import GuestKernel
import MachineABI
import ProbePrimitives
import ProbeSupport
import SeededRandom

/// A driver that means harm. The monitor has to survive whatever it does, and no device may write what the application itself
/// could not.
///
/// The disk "log", the console and the entropy device are maltreated; "data" is used by the real driver meanwhile, and must
/// not notice.
let hostileProbes: [Probe] = [
  // A disk is to read a sector into each place that is none of its business.
  Probe("hostile-writes") { _ in
    await alongsideDriver {
      let device = RawDevice("log"), queue = RawQueue()
      for place in ForbiddenPlace.unwritable {
        let before = place.contents
        device.begin(queue)
        queue.request(VIRTIO_BLK_T_IN, data: place.address, 512)
        device.notify()
        report(place.name, isRefused: device.needsReset && queue.usedIndex == 0 && place.contents == before)
        queue.clear()
      }
      await expectWorking(device)
    }
  },
  // A disk is to take a sector's contents from each place that the application could not read itself.
  Probe("hostile-reads") { _ in
    await alongsideDriver {
      let device = RawDevice("log"), queue = RawQueue()
      for place in ForbiddenPlace.unreadable {
        device.begin(queue)
        queue.request(VIRTIO_BLK_T_OUT, data: place.address, 512)
        device.notify()
        report(place.name, isRefused: device.needsReset && queue.usedIndex == 0)
        queue.clear()
      }
      await expectWorking(device)
    }
  },
  // So is the entropy device, and the console, which writes what comes in.
  Probe("hostile-writes-of-others") { _ in
    await alongsideDriver {
      let queue = RawQueue()
      for device in [RawDevice("entropy"), RawDevice("console")] {
        for place in ForbiddenPlace.unwritable {
          let before = place.contents
          device.begin(queue)
          queue.describe(0, place.address, 512, flags: VIRTQ_DESC_F_WRITE)
          queue.makeAvailable(0)
          device.notify()
          report(
            "\(device.name)-\(place.name)",
            isRefused: device.needsReset && queue.usedIndex == 0 && place.contents == before)
          queue.clear()
        }
        await expectWorking(device)
      }
    }
  },
  // The rings themselves are in such places.
  Probe("hostile-rings") { _ in
    await alongsideDriver {
      for device in RawDevice.all where device.name != "data" {
        let queue = RawQueue()
        for part in 0..<3 {
          // A ring is shorter than a sector, and may lie in front of an edge.
          for place in part == 2 ? ForbiddenPlace.unwritable : ForbiddenPlace.unreadable
          where !place.name.hasPrefix("across") {
            let before = place.contents
            device.negotiate()
            device.store(0, VIRTIO_MMIO_QUEUE_SEL)
            device.store(UInt32(RawQueue.size), VIRTIO_MMIO_QUEUE_NUM)
            let address = { part == $0 ? place.address & ~15 : $1 }
            device.store(address(0, queue.descriptors), VIRTIO_MMIO_QUEUE_DESC_LOW, VIRTIO_MMIO_QUEUE_DESC_HIGH)
            device.store(address(1, queue.available), VIRTIO_MMIO_QUEUE_DRIVER_LOW, VIRTIO_MMIO_QUEUE_DRIVER_HIGH)
            device.store(address(2, queue.used), VIRTIO_MMIO_QUEUE_DEVICE_LOW, VIRTIO_MMIO_QUEUE_DEVICE_HIGH)
            device.store(1, VIRTIO_MMIO_QUEUE_READY)
            device.start()
            device.notify()
            report(
              "\(device.name)-\(part)-\(place.name)", isRefused: device.needsReset && place.contents == before)
          }
        }
        await expectWorking(device)
      }
    }
  },
  // Chains that no driver makes.
  Probe("hostile-chains") { _ in
    await alongsideDriver {
      for device in RawDevice.all where device.name != "data" {
        for breach in chainBreaches {
          let queue = RawQueue()
          device.begin(queue)
          breach.arrange(queue)
          device.notify()
          if breach.breaksQueue { report("\(device.name)-\(breach.name)", isRefused: device.needsReset) }
          // Nothing more is done for a driver like this.
          device.notify()
        }
        await expectWorking(device)
      }
    }
  },
  // ROUNDS: requests are under way when their device is reset; then their memory is the driver's again.
  Probe("hostile-resets") { arguments in
    await alongsideDriver {
      let device = RawDevice("log"), queue = RawQueue()
      var touched = 0
      for round in 0..<count(arguments) {
        device.begin(queue)
        for head in 0..<5 {
          let first = 3 * head
          queue.setHeader(VIRTIO_BLK_T_IN, sector: UInt64(round % 16))
          queue.describe(first, queue.header, 16, flags: VIRTQ_DESC_F_NEXT, next: UInt16(first + 1))
          queue.describe(
            first + 1, queue.data, UInt32(RawQueue.dataSize), flags: VIRTQ_DESC_F_NEXT | VIRTQ_DESC_F_WRITE,
            next: UInt16(first + 2))
          queue.describe(first + 2, queue.answer, 1, flags: VIRTQ_DESC_F_WRITE)
          queue.makeAvailable(UInt16(first))
        }
        device.notify()
        device.reset()
        queue.bytes.initializeMemory(as: UInt8.self, repeating: 0xa5, count: RawQueue.arenaSize)
        for _ in 0..<round % 4 { try? await Task.sleep(for: .microseconds(50)) }
        let bytes = UnsafeRawBufferPointer(start: queue.bytes, count: RawQueue.arenaSize)
        if !bytes.allSatisfy({ $0 == 0xa5 }) { touched += 1 }
        queue.clear()
      }
      print("touched \(touched)")
      await expectWorking(device)
    }
  },
  // Posted writes that are none.
  Probe("hostile-posted-writes") { arguments in
    await alongsideDriver {
      let info = bootInformation()
      let page = UnsafeMutablePointer<SharedPage>(bitPattern: UInt(info.shared_page))!
      let writes = needletail_shared_posted_writes(page)!
      let device = RawDevice("log")
      let first = RawDevice.all[0].registers
      var generator = SeededGenerator(seed: UInt64(truncatingIfNeeded: count(arguments)))
      for length: UInt32 in [1, 31, 32, 33, 1000, .max] {
        for _ in 0..<50 {
          for index in 0..<Int(NEEDLETAIL_POSTED_WRITE_LIMIT) {
            // Behind the last device, before the first, and anything on the disk's own page.
            var offset = UInt32.random(in: UInt32(RawDevice.all.count * pageSize) ... .max, using: &generator)
            if Bool.random(using: &generator) {
              offset = UInt32(device.registers - first) + .random(in: 0..<UInt32(pageSize), using: &generator)
            }
            writes[index] = PostedWrite(offset: offset, value: .random(in: 0 ... .max, using: &generator))
          }
          page.pointee.posted_count = length
          device.store(0, VIRTIO_MMIO_QUEUE_SEL)
          if page.pointee.posted_count != 0 { print("posted writes still wait") }
        }
      }
      await expectWorking(device)
    }
  },
  // DEVICE SEED STEPS: anything at all.
  Probe("hostile-random") { arguments in
    await alongsideDriver {
      let device = RawDevice(arguments[0])
      var attack = RandomAttack(on: device, seed: count(arguments, at: 1))
      for step in 0..<count(arguments, at: 2) {
        attack.step()
        if step % 64 == 0 { await Task.yield() }
      }
      await expectWorking(device)
    }
  },
]

private struct ChainBreach: Sendable {
  let name: String
  /// Whether it is so wrong that the device gives up, whatever its kind.
  let breaksQueue: Bool
  let arrange: @Sendable (RawQueue) -> Void

  init(_ name: String, breaksQueue: Bool = true, _ arrange: @escaping @Sendable (RawQueue) -> Void) {
    self.name = name
    self.breaksQueue = breaksQueue
    self.arrange = arrange
  }
}

private let chainBreaches = [
  ChainBreach("loop") {
    $0.describe(0, $0.header, 16, flags: VIRTQ_DESC_F_NEXT, next: 1)
    $0.describe(1, $0.header, 16, flags: VIRTQ_DESC_F_NEXT, next: 0)
    $0.makeAvailable(0)
  },
  ChainBreach("next-outside") {
    $0.describe(0, $0.header, 16, flags: VIRTQ_DESC_F_NEXT, next: 0xffff)
    $0.makeAvailable(0)
  },
  ChainBreach("head-outside") { $0.makeAvailable(UInt16(RawQueue.size)) },
  ChainBreach("index-jump") { $0.availableIndex = UInt16(RawQueue.size) + 1 },
  ChainBreach("index-back") { $0.availableIndex = 0xffff },
  ChainBreach("readable-behind-writable") {
    $0.describe(0, $0.data, 16, flags: VIRTQ_DESC_F_WRITE | VIRTQ_DESC_F_NEXT, next: 1)
    $0.describe(1, $0.header, 16)
    $0.makeAvailable(0)
  },
  ChainBreach("longest-buffer") {
    $0.describe(0, $0.data, .max, flags: VIRTQ_DESC_F_WRITE)
    $0.makeAvailable(0)
  },
  ChainBreach("indirect-of-odd-length") {
    $0.describe(0, $0.table, 17, flags: VIRTQ_DESC_F_INDIRECT)
    $0.makeAvailable(0)
  },
  ChainBreach("indirect-loop") {
    $0.describe(at: $0.table, 0, $0.header, 16, flags: VIRTQ_DESC_F_NEXT, next: 0)
    $0.describe(0, $0.table, 32, flags: VIRTQ_DESC_F_INDIRECT)
    $0.makeAvailable(0)
  },
  ChainBreach("indirect-in-indirect") {
    $0.describe(at: $0.table, 0, $0.table, 32, flags: VIRTQ_DESC_F_INDIRECT)
    $0.describe(0, $0.table, 32, flags: VIRTQ_DESC_F_INDIRECT)
    $0.makeAvailable(0)
  },
  ChainBreach("indirect-in-trap-stubs") {
    $0.describe(0, UInt64(probe_trap_table()), 160, flags: VIRTQ_DESC_F_INDIRECT)
    $0.makeAvailable(0)
  },
  ChainBreach("table-is-its-own-buffer", breaksQueue: false) {
    $0.describe(0, $0.descriptors, 256, flags: VIRTQ_DESC_F_WRITE)
    $0.makeAvailable(0)
  },
  ChainBreach("used-ring-is-buffer", breaksQueue: false) {
    $0.describe(0, $0.used, 134, flags: VIRTQ_DESC_F_WRITE)
    $0.makeAvailable(0)
  },
  ChainBreach("available-ring-is-buffer", breaksQueue: false) {
    $0.describe(0, $0.available, 38, flags: VIRTQ_DESC_F_WRITE)
    $0.makeAvailable(0)
  },
  ChainBreach("no-status", breaksQueue: false) {
    $0.setHeader(VIRTIO_BLK_T_IN, sector: 0)
    $0.describe(0, $0.header, 16)
    $0.makeAvailable(0)
  },
  ChainBreach("half-a-header", breaksQueue: false) {
    $0.describe(0, $0.header, 8, flags: VIRTQ_DESC_F_NEXT, next: 1)
    $0.describe(1, $0.answer, 1, flags: VIRTQ_DESC_F_WRITE)
    $0.makeAvailable(0)
  },
  ChainBreach("end-of-all-sectors", breaksQueue: false) {
    $0.request(VIRTIO_BLK_T_OUT, sector: .max, data: $0.data, 1024)
  },
  ChainBreach("odd-length", breaksQueue: false) { $0.request(VIRTIO_BLK_T_IN, data: $0.data, 511) },
  ChainBreach("unknown-type", breaksQueue: false) { $0.request(0x1234, data: $0.data, 512) },
]

private func report(_ name: String, isRefused: Bool) {
  print(isRefused ? "refused \(name)" : "NOT REFUSED \(name)")
}

/// Runs an attack while the real driver uses the disk "data", then shows that everything else is as it was.
private func alongsideDriver(_ attack: @Sendable () async -> Void) async {
  let witness = [UInt64](repeating: 0x5eed_5eed_5eed_5eed, count: 64 << 10)
  let disk = open("data")
  let busy = Task {
    var stamp: UInt8 = 0
    while !Task.isCancelled {
      stamp &+= 1
      await roundTrip(disk, stamp)
      await Task.yield()
    }
  }
  await attack()
  busy.cancel()
  await busy.value
  await roundTrip(disk, 0x77)
  // Timers need the interrupt table, the trap stubs, ring 0's stack and the page tables.
  for _ in 0..<5 { try? await Task.sleep(for: .microseconds(200)) }
  print(witness.allSatisfy { $0 == 0x5eed_5eed_5eed_5eed } ? "unharmed" : "harmed")
}

private func roundTrip(_ disk: BlockDevice, _ stamp: UInt8) async {
  var bytes = [UInt8](repeating: stamp, count: 4096)
  await must { () async throws(BlockError) in
    try await disk.write(at: 4096, bytes)
    for index in bytes.indices { bytes[index] = 0 }
    try await disk.read(at: 4096, into: &bytes)
  }
  guard bytes.allSatisfy({ $0 == stamp }) else { fatalError("the other disk holds something else") }
}

/// After a reset, the device does for a decent driver what it is there for.
private func expectWorking(_ device: RawDevice) async {
  let queue = RawQueue()
  switch Int32(device.kind) {
  case VIRTIO_ID_BLOCK:
    device.begin(queue)
    queue.request(VIRTIO_BLK_T_IN, data: queue.data, 4096)
    device.notify()
    await waitUntilUsed(queue, device)
    print(queue.answerByte == 0 ? "\(device.name) works" : "\(device.name) answers \(queue.answerByte)")
  case VIRTIO_ID_ENTROPY:
    device.begin(queue)
    queue.describe(0, queue.data, 64, flags: VIRTQ_DESC_F_WRITE)
    queue.makeAvailable(0)
    device.notify()
    await waitUntilUsed(queue, device)
    let words = UnsafeRawBufferPointer(start: queue.bytes + Int(queue.data - queue.arena), count: 64)
    print(words.contains { $0 != 0 } ? "\(device.name) works" : "\(device.name) gives zeros")
  default:
    device.begin(queue, index: UInt32(VIRTIO_CONSOLE_TRANSMIT_QUEUE))
    let text: StaticString = "\nwritten by the console device\n"
    (queue.bytes + Int(queue.data - queue.arena)).copyMemory(from: text.utf8Start, byteCount: text.utf8CodeUnitCount)
    queue.describe(0, queue.data, UInt32(text.utf8CodeUnitCount))
    queue.makeAvailable(0)
    device.notify(UInt32(VIRTIO_CONSOLE_TRANSMIT_QUEUE))
    await waitUntilUsed(queue, device)
    print("\(device.name) works")
  }
  device.reset()
}

private func waitUntilUsed(_ queue: RawQueue, _ device: RawDevice) async {
  while queue.usedIndex == 0 {
    guard !device.needsReset else { fatalError("\(device.name) gives up on a good request") }
    await Task.yield()
  }
}
