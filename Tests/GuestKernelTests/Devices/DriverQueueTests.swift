import MachineABI
import SeededRandom
import Testing

@testable import GuestKernel

/// A queue that `#expect` can look at.
private final class QueueBox {
  var queue: DriverQueue

  init(size: UInt16, usesEventIndex: Bool) { queue = DriverQueue(size: size, usesEventIndex: usesEventIndex) }

  var nextHead: UInt16 { queue.nextHead }
  var freeCount: UInt16 { queue.freeCount }
  var inFlightCount: UInt16 { queue.inFlightCount }
  var descriptorArea: UInt64 { queue.descriptorArea }
  var driverArea: UInt64 { queue.driverArea }
  var deviceArea: UInt64 { queue.deviceArea }
  func add(_ segments: [DriverQueue.Segment]) -> UInt16? { queue.add(segments.span) }
  func takeAnnouncement() -> Bool { queue.takeAnnouncement() }
  func takeCompletion() throws(QueueFault) -> DriverQueue.Completion? { try queue.takeCompletion() }
  func requestInterrupt() -> Bool { queue.requestInterrupt() }
  func suppressInterrupts() { queue.suppressInterrupts() }
}

@Suite struct DriverQueueTests {
  private static func segment(_ byteCount: UInt32, isWritable: Bool) -> DriverQueue.Segment {
    DriverQueue.Segment(address: 0x10_0000, byteCount: byteCount, isWritable: isWritable)
  }

  /// A request of a readable head and a writable rest.
  private static func add(to queue: QueueBox, readable: Int = 1, writable: [UInt32] = [100]) -> UInt16? {
    let segments =
      (0..<readable).map { _ in segment(16, isWritable: false) } + writable.map { segment($0, isWritable: true) }
    return queue.add(segments)
  }

  private static func completion(of queue: QueueBox) -> Result<DriverQueue.Completion?, QueueFault> {
    do throws(QueueFault) { return .success(try queue.takeCompletion()) } catch { return .failure(error) }
  }

  @Test func layoutIsThatOfTheSpecification() {
    for size: UInt16 in [1, 2, 4, 64, 128, 256, 32768] {
      let queue = DriverQueue(size: size, usesEventIndex: true)
      #expect(queue.descriptorArea % UInt64(VIRTQ_DESC_ALIGNMENT) == 0)
      #expect(queue.driverArea % UInt64(VIRTQ_AVAIL_ALIGNMENT) == 0)
      #expect(queue.deviceArea % UInt64(VIRTQ_USED_ALIGNMENT) == 0)
      #expect(queue.driverArea >= queue.descriptorArea + 16 * UInt64(size))
      #expect(queue.deviceArea >= queue.driverArea + 6 + 2 * UInt64(size))
    }
    // The preferred size is chosen so that everything fits into one page.
    let queue = DriverQueue(size: preferredQueueSize, usesEventIndex: true)
    #expect(queue.descriptorArea % UInt64(pageSize) == 0)
    #expect(queue.deviceArea + 6 + 8 * UInt64(preferredQueueSize) <= queue.descriptorArea + UInt64(pageSize))
  }

  @Test func fullQueueTakesNothing() throws {
    let queue = QueueBox(size: 8, usesEventIndex: false)
    let device = FakeDevice()
    device.attach(queue.queue)
    #expect(Self.add(to: queue, readable: 3, writable: [1]) != nil)
    #expect(Self.add(to: queue, readable: 3, writable: []) != nil)
    #expect(Self.add(to: queue) == nil)
    #expect(Self.add(to: queue, readable: 1, writable: []) != nil)
    #expect(Self.add(to: queue, readable: 1, writable: []) == nil)
    #expect(queue.inFlightCount == 3)
    for _ in 0..<3 {
      let chain = try #require(device.takeAvailable())
      device.complete(id: UInt32(chain.head), written: 0)
    }
    for _ in 0..<3 { #expect(try queue.takeCompletion() != nil) }
    #expect(queue.freeCount == 8 && queue.inFlightCount == 0)
    #expect(Self.add(to: queue, readable: 4, writable: [1, 2, 3, 4]) != nil)
  }

  /// A working device, in random order, against a model; long enough for the indices to wrap around.
  @Test(arguments: [(UInt16(4), true, 70_000), (128, true, 70_000), (16, false, 5_000)])
  func workingDevice(size: UInt16, usesEventIndex: Bool, steps: Int) throws {
    var random = SeededGenerator(seed: UInt64(size))
    let queue = QueueBox(size: size, usesEventIndex: usesEventIndex)
    let device = FakeDevice()
    device.attach(queue.queue)
    var chains: [FakeDevice.Chain] = []
    var descriptorsInFlight = 0
    for _ in 0..<steps {
      let readable = Int.random(in: 1...2, using: &random)
      let writable = (0..<Int.random(in: 0...2, using: &random)).map { _ in UInt32.random(in: 1...4096, using: &random)
      }
      let expected = queue.nextHead
      if let head = Self.add(to: queue, readable: readable, writable: writable) {
        #expect(head == expected)
        let chain = try #require(device.takeAvailable())
        #expect(chain.head == head && chain.readable.count == readable)
        #expect(chain.writable.map { UInt32($0.count) } == writable)
        descriptorsInFlight += readable + writable.count
        chains.append(chain)
      } else {
        #expect(descriptorsInFlight + readable + writable.count > Int(size))
      }
      while chains.count > Int.random(in: 0...Int(size), using: &random) {
        let chain = chains.remove(at: Int.random(in: 0..<chains.count, using: &random))
        let written = UInt32.random(in: 0...chain.writableCount, using: &random)
        device.complete(id: UInt32(chain.head), written: written)
        #expect(try queue.takeCompletion() == DriverQueue.Completion(head: chain.head, written: written))
        descriptorsInFlight -= chain.readable.count + chain.writable.count
      }
      #expect(try queue.takeCompletion() == nil)
      #expect(Int(queue.freeCount) == Int(size) - descriptorsInFlight && Int(queue.inFlightCount) == chains.count)
    }
  }

  // MARK: Devices that do what no device may do

  /// What a device can do, and what the driver has to find.
  private static func hostile(_ misbehave: (FakeDevice, UInt16, UInt16) -> Void) -> QueueFault? {
    let queue = QueueBox(size: 8, usesEventIndex: false)
    let device = FakeDevice()
    device.attach(queue.queue)
    // Heads 0 and 2; 1 and 3 are the rests of their chains; the others are free.
    let first = add(to: queue)!
    let second = add(to: queue)!
    misbehave(device, first, second)
    for _ in 0..<8 {
      switch completion(of: queue) {
      case .failure(let fault): return fault
      case .success(nil): return nil
      case .success: continue
      }
    }
    return nil
  }

  @Test func wrongIdentifiers() {
    #expect(Self.hostile { device, _, _ in device.complete(id: 1, written: 0) } == .notInFlight(id: 1))
    #expect(Self.hostile { device, _, _ in device.complete(id: 5, written: 0) } == .notInFlight(id: 5))
    #expect(Self.hostile { device, _, _ in device.complete(id: 8, written: 0) } == .notInFlight(id: 8))
    #expect(Self.hostile { device, _, _ in device.complete(id: .max, written: 0) } == .notInFlight(id: .max))
    // The low bits name a request in flight.
    #expect(Self.hostile { device, _, _ in device.complete(id: 0x1_0000, written: 0) } == .notInFlight(id: 0x1_0000))
  }

  @Test func duplicate() {
    let fault = Self.hostile { device, first, _ in
      device.complete(id: UInt32(first), written: 0)
      device.complete(id: UInt32(first), written: 0)
    }
    #expect(fault == .notInFlight(id: 0))
  }

  @Test func tooLong() {
    let fault = Self.hostile { device, first, _ in device.complete(id: UInt32(first), written: 101) }
    #expect(fault == .wroteTooMuch(id: 0, claimed: 101, writable: 100))
    #expect(
      Self.hostile { device, first, _ in device.complete(id: UInt32(first), written: .max) }
        == .wroteTooMuch(id: 0, claimed: .max, writable: 100))
    #expect(Self.hostile { device, first, _ in device.complete(id: UInt32(first), written: 100) } == nil)
  }

  @Test func indexJumps() {
    #expect(Self.hostile { device, _, _ in device.usedIndex = 3 } == .completesTooMany(claimed: 3, inFlight: 2))
    #expect(
      Self.hostile { device, _, _ in device.usedIndex = .max } == .completesTooMany(claimed: .max, inFlight: 2))
    let fault = Self.hostile { device, first, _ in
      device.complete(id: UInt32(first), written: 0)
      device.usedIndex = 8
    }
    #expect(fault == .completesTooMany(claimed: 8, inFlight: 2))
  }

  /// Whatever is in the device area, only requests in flight come out of it, each once.
  @Test(arguments: 0..<20) func randomUsedRings(seed: UInt64) {
    var random = SeededGenerator(seed: seed)
    for _ in 0..<500 {
      let queue = QueueBox(size: 8, usesEventIndex: Bool.random(using: &random))
      let device = FakeDevice()
      device.attach(queue.queue)
      var inFlight: Set<UInt16> = []
      for _ in 0..<Int.random(in: 0...5, using: &random) {
        if let head = Self.add(to: queue, writable: [UInt32.random(in: 1...8, using: &random)]) {
          inFlight.insert(head)
        }
      }
      let started = inFlight.count
      device.usedIndex = UInt16.random(in: 0...5, using: &random)
      for element in 0..<8 {
        device.deviceArea.storeBytes(
          of: UInt32.random(in: 0...9, using: &random), toByteOffset: 4 + 8 * element, as: UInt32.self)
        device.deviceArea.storeBytes(
          of: UInt32.random(in: 0...9, using: &random), toByteOffset: 8 + 8 * element, as: UInt32.self)
      }
      var taken = 0
      loop: while true {
        switch Self.completion(of: queue) {
        case .failure, .success(nil): break loop
        case .success(let completion?):
          taken += 1
          #expect(inFlight.remove(completion.head) != nil && completion.written <= 8)
        }
      }
      #expect(taken <= started && Int(queue.inFlightCount) == inFlight.count)
    }
  }

  // MARK: Telling each other

  @Test func announcementsByEventIndex() {
    let queue = QueueBox(size: 8, usesEventIndex: true)
    let device = FakeDevice()
    device.attach(queue.queue)
    #expect(!queue.takeAnnouncement())
    // The first one always: avail_event is 0.
    _ = Self.add(to: queue)
    _ = Self.add(to: queue)
    #expect(queue.takeAnnouncement())
    #expect(!queue.takeAnnouncement())
    // The device looks on by itself until it has seen index 2.
    _ = Self.add(to: queue)
    #expect(!queue.takeAnnouncement())
    device.setAvailableEvent(3)
    _ = Self.add(to: queue)
    #expect(queue.takeAnnouncement())
  }

  @Test func announcementsByFlag() {
    let queue = QueueBox(size: 8, usesEventIndex: false)
    let device = FakeDevice()
    device.attach(queue.queue)
    _ = Self.add(to: queue)
    #expect(queue.takeAnnouncement())
    device.setDeviceFlags(UInt16(VIRTQ_USED_F_NO_NOTIFY))
    _ = Self.add(to: queue)
    #expect(!queue.takeAnnouncement())
    device.setDeviceFlags(0)
    _ = Self.add(to: queue)
    #expect(queue.takeAnnouncement())
  }

  /// Whether a device that follows virtio-1.2 §2.7.10 interrupts when it takes the used index from `old` to `new`.
  private static func interrupts(_ device: FakeDevice, from old: UInt16, to new: UInt16) -> Bool {
    new &- device.usedEvent &- 1 < new &- old
  }

  @Test func interruptsByEventIndex() throws {
    let queue = QueueBox(size: 8, usesEventIndex: true)
    let device = FakeDevice()
    device.attach(queue.queue)
    let heads = [Self.add(to: queue)!, Self.add(to: queue)!]
    #expect(!Self.interrupts(device, from: 0, to: 1), "nobody asked")
    #expect(queue.requestInterrupt())
    #expect(Self.interrupts(device, from: 0, to: 1))
    device.complete(id: UInt32(heads[0]), written: 0)
    #expect(!queue.requestInterrupt(), "one is there already")
    #expect(try queue.takeCompletion() != nil)
    #expect(!Self.interrupts(device, from: 1, to: 2), "asked for the one before")
    #expect(queue.requestInterrupt())
    #expect(Self.interrupts(device, from: 1, to: 2))
  }

  @Test func interruptsByFlag() throws {
    let queue = QueueBox(size: 8, usesEventIndex: false)
    let device = FakeDevice()
    device.attach(queue.queue)
    let head = Self.add(to: queue)!
    #expect(device.driverFlags == UInt16(VIRTQ_AVAIL_F_NO_INTERRUPT))
    #expect(queue.requestInterrupt())
    #expect(device.driverFlags == 0)
    queue.suppressInterrupts()
    #expect(device.driverFlags == UInt16(VIRTQ_AVAIL_F_NO_INTERRUPT))
    device.complete(id: UInt32(head), written: 0)
    #expect(!queue.requestInterrupt())
  }
}
