import CLinux
import MachineABI
import SeededRandom
import Testing

@testable import Virtio

/// Whatever the guest's memory holds and whatever its driver writes: no byte outside its memory is touched (the guard
/// pages around it see to that), every notification is bounded work, and what is in flight adds up.
@Suite struct HostileDriverTests {
  private static let areas = [
    GuardedMemory.Area(address: 0x1_0000, count: 0x4000),
    GuardedMemory.Area(address: 0x2_0000, count: 0x1000, isWritable: false),
    GuardedMemory.Area(address: 0x3_0000, count: 0x1000), GuardedMemory.Area(address: 0x3_1000, count: 0x1000),
  ]
  private static let seeds: [UInt64] = Array(1...10)
  private static let roundsPerSeed = 1000

  /// One driver and its memory, and random things to do to them.
  private final class Attack {
    var random: SeededGenerator
    let device = EchoDevice(queueSizes: [8, 16])
    let driver: MockDriver
    /// Random bytes, to fill memory from quickly.
    private let noise: [UInt8]
    /// How often each breach was found.
    private(set) var breaches: [String: Int] = [:]
    private(set) var chains = 0

    init(seed: UInt64) {
      random = SeededGenerator(seed: seed)
      driver = MockDriver(device, memory: GuardedMemory(areas))
      var generator = random
      noise = (0..<0x1000).flatMap { _ in withUnsafeBytes(of: generator.next()) { [UInt8]($0) } }
    }

    func number(_ range: ClosedRange<Int>) -> Int {
      range.lowerBound + Int(random.next() % UInt64(range.count))
    }
    func chance(_ percent: Int) -> Bool { number(1...100) <= percent }

    /// How many of a hundred fields are not what a driver would write.
    private var hostility = 0

    func address() -> UInt64 {
      if chance(hostility) { return random.next() }
      let area = areas[number(0...3)]
      if chance(hostility) { return area.address + UInt64(area.count + number(-64...16)) }
      return area.address + UInt64(number(0...area.count - 64))
    }
    func count() -> UInt32 {
      if chance(hostility) { return UInt32(truncatingIfNeeded: random.next()) }
      return UInt32(chance(5) ? 0 : number(1...64))
    }

    func fill() {
      for area in areas where area.isWritable {
        let start = number(0...noise.count - area.count)
        noise.withUnsafeBytes {
          driver.memory.host(area.address, count: area.count)
            .copyMemory(from: $0.baseAddress! + start, byteCount: area.count)
        }
      }
    }
    /// One descriptor of a table of `count`. In the tables of a driver that is not hostile, chains go upwards, and from
    /// the middle on buffers are writable.
    func descriptor(_ index: Int, of count: Int, at place: UInt64, in queue: MockQueue) {
      let isWritable = index >= count / 2
      var flags = isWritable ? MockQueue.Flag.write : 0
      var next = index
      if index < count - 1, chance(60) {
        flags |= MockQueue.Flag.next
        next = number(index + 1...count - 1)
      }
      var address = isWritable ? areas[chance(50) ? 0 : 2].address + UInt64(number(0...0xf00)) : address()
      var bytes = self.count()
      if chance(10) {
        // Tables of two descriptors are at the start of the third region.
        flags = MockQueue.Flag.indirect
        address = areas[2].address + UInt64(32 * number(0...7))
        bytes = 32
      }
      if chance(hostility) { flags = UInt16(number(0...7)) }
      if chance(hostility) { flags = UInt16(truncatingIfNeeded: random.next()) }
      if chance(hostility) { next = number(0...count) }
      if chance(hostility) { next = number(0...0xffff) }
      if chance(hostility) { address = self.address() }
      queue.setDescriptor(at: place, address: address, count: bytes, flags: flags, next: UInt16(next))
    }
    /// Descriptors, tables and rings with the shape of a driver's.
    func shape(_ queue: MockQueue) {
      hostility = [0, 1, 5, 20][number(0...3)]
      for table in 0..<8 {
        for index in 0...1 {
          descriptor(index, of: 2, at: areas[2].address + UInt64(32 * table + 16 * index), in: queue)
        }
      }
      let size = Int(queue.size)
      let first = number(0...size - 1)
      for index in 0..<size {
        descriptor(index, of: size, at: queue.descriptors + 16 * UInt64(index), in: queue)
        // Each head once, in some order, or not.
        let head = chance(hostility) ? number(0...size) : (first + index) % size
        driver.memory.store(UInt16(head), at: queue.available + 4 + 2 * UInt64(index))
      }
    }

    /// A device that is set up, with its rings anywhere.
    func start() throws {
      driver.memory.freeAll()
      device.completesAtOnce = chance(70)
      let feature = MockDriver.Feature.self
      try driver.negotiate(
        features: (chance(90) ? feature.indirectDescriptors : 0) | (chance(50) ? feature.eventIndex : 0))
      var queues: [MockQueue] = []
      for index: UInt32 in 0...1 {
        let queue = try driver.setUpQueue(index, size: 1 << number(0...3))
        queues.append(queue)
      }
      driver.status |= MockDriver.Status.driverOK
      self.queues = queues
    }
    var queues: [MockQueue] = []

    func round() throws {
      try start()
      let isNoise = chance(20)
      if isNoise { fill() } else { for queue in queues { shape(queue) } }
      for _ in 0..<number(1...6) {
        let queue = queues[number(0...1)]
        if !isNoise {
          let step = chance(hostility) ? UInt16(truncatingIfNeeded: random.next()) : UInt16(number(0...Int(queue.size)))
          queue.publishedAvailableIndex &+= step
          queue.usedEvent = chance(50) ? queue.publishedUsedIndex : UInt16(truncatingIfNeeded: random.next())
        }
        let before = device.chainsPerNotification.count
        queue.notify()
        for served in device.chainsPerNotification[before...] {
          chains += served
          if served > queue.size { Issue.record("one notification is not bounded work") }
        }
        check()
        if chance(30) {
          device.release()
          check()
        }
      }
      if driver.needsReset, let failure = driver.transport.failure { breaches["\(failure)", default: 0] += 1 }
    }
    /// What the queues say of themselves is what the device has.
    func check() {
      for (index, queue) in device.queues.enumerated() {
        let held = device.held.filter { $0.queue == index }
        if !queue.isBroken, queue.inFlight != held.count {
          Issue.record("\(queue.inFlight) in flight of \(held.count)")
        }
        if Set(held.map(\.chain.head)).count != held.count { Issue.record("a head was given twice") }
      }
    }
  }

  @Test(arguments: seeds) func randomRings(seed: UInt64) throws {
    let attack = Attack(seed: seed)
    for _ in 0..<Self.roundsPerSeed { try attack.round() }
    // It was no empty exercise: the device took chains, and every kind of breach came up, or all but the rarest.
    #expect(attack.chains > Self.roundsPerSeed)
    #expect(attack.breaches.count >= 12, "\(attack.breaches)")
  }

  @Test(arguments: seeds) func randomRegisterWrites(seed: UInt64) throws {
    let attack = Attack(seed: seed)
    let offsets = [
      0x14, 0x20, 0x24, 0x30, 0x38, 0x44, 0x44, 0x50, 0x50, 0x64, 0x70, 0x70, 0x70, 0x80, 0x90, 0xa0, 0xac,
    ]
    attack.fill()
    var starts = 0
    for _ in 0..<Self.roundsPerSeed * 3 {
      if attack.chance(2) {
        try attack.start()
        starts += 1
      }
      var offset = offsets[attack.number(0...offsets.count - 1)]
      var value = UInt64(attack.number(0...16))
      var byteCount = 4
      if attack.chance(5) { offset = attack.number(-8...4104) }
      if attack.chance(5) { byteCount = attack.number(-1...9) }
      if attack.chance(10) { value = attack.random.next() }
      if (0x80..<0xa8).contains(offset), attack.chance(80) { value = attack.address() & ~15 }
      if offset == 0x70, attack.chance(90) { value |= UInt64(attack.driver.status) }
      attack.driver.write(offset: offset, value, byteCount: byteCount)
      attack.check()
      guard attack.driver.transport.isStarted == (attack.driver.status & 4 != 0) else {
        Issue.record("the device runs without DRIVER_OK, or does not with it")
        return
      }
    }
    #expect(starts > 20)
    #expect(attack.driver.read(.magicValue) == 0x7472_6976)
  }

  /// The guest goes on while the device looks: every field may be another at each look.
  @Test(arguments: [1, 2, 3] as [UInt64]) func memoryThatChangesMeanwhile(seed: UInt64) throws {
    let attack = Attack(seed: seed)
    try attack.start()
    let other = OtherProcessor(attack.driver.memory.host(Self.areas[0].address, count: 0x400), count: 0x400, seed: seed)
    try other.run {
      for _ in 0..<Self.roundsPerSeed {
        try attack.start()
        for queue in attack.queues {
          queue.publishedAvailableIndex = UInt16(attack.number(1...Int(queue.size)))
          queue.notify()
          attack.device.release()
          attack.check()
        }
        #expect(attack.device.chainsPerNotification.allSatisfy { $0 <= 8 })
      }
    }
  }
}

/// A thread that writes guest memory all the time, as another processor of the guest might.
private final class OtherProcessor: @unchecked Sendable {
  private let memory: UnsafeMutableRawPointer
  private let count: Int
  private var random: SeededGenerator
  // Written by one thread, read by the other, a byte each: virtq_load16 and virtq_store16 make that one access.
  private let isDone: UnsafeMutablePointer<UInt16>

  init(_ memory: UnsafeMutableRawPointer, count: Int, seed: UInt64) {
    self.memory = memory
    self.count = count
    random = SeededGenerator(seed: seed)
    isDone = .allocate(capacity: 1)
    isDone.initialize(to: 0)
  }
  deinit { isDone.deallocate() }

  func run(_ body: () throws -> Void) throws {
    var thread = pthread_t()
    #expect(
      linux_start_thread(
        &thread,
        { argument in
          Unmanaged<OtherProcessor>.fromOpaque(argument!).takeUnretainedValue().write()
          return nil
        }, Unmanaged.passUnretained(self).toOpaque()) == 0)
    defer {
      virtq_store_release16(isDone, 1)
      pthread_join(thread, nil)
    }
    try body()
  }

  private func write() {
    while virtq_load_acquire16(isDone) == 0 {
      let value = random.next()
      // Mostly small numbers: those that mean something.
      let field =
        value & 0x100 != 0 ? UInt16(truncatingIfNeeded: value >> 48) : UInt16(truncatingIfNeeded: value >> 48) & 7
      virtq_store16(memory + Int(value >> 9) % (count / 2) * 2, field)
    }
  }
}
