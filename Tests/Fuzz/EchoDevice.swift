@testable import Virtio

/// A device that takes chains as an input has it, and checks what its queues and its transport do.
final class EchoDevice: VirtioDevice {
  let kind: UInt32 = 4095
  let offeredFeatures: UInt64 = 1 << 3
  let queueSizes: [UInt16] = [8, 64]
  var configuration: [UInt8] = Array(0..<12)
  private(set) var queues: [Virtqueue] = []
  private var held: [(queue: Int, chain: DescriptorChain)] = []
  /// The chain that was taken last: one value for all of them, as disks and networks have it.
  private var chain = DescriptorChain()
  private var isRunning = false
  private var features: UInt64 = 0
  /// Says where the driver has put the descriptors of each queue.
  weak var driver: HostileDriver?
  /// Whether chains wait for `release`.
  var holds = false
  /// How many chains are taken for one notification.
  var limit = Int.max

  func writeConfiguration(_ value: UInt32, byteCount: Int, at offset: Int) {
    require([1, 2, 4].contains(byteCount) && offset >= 0 && offset + byteCount <= configuration.count, "outside")
    for index in 0..<byteCount { configuration[offset + index] = UInt8(truncatingIfNeeded: value >> UInt32(8 * index)) }
  }

  func start(features: UInt64, queues: [Virtqueue]) {
    require(!isRunning, "started twice")
    require(features & ~(offeredFeatures | MMIOTransport.commonFeatures) == 0, "a feature that was not offered")
    require(queues.count == queueSizes.count, "queues")
    isRunning = true
    self.features = features
    self.queues = queues
  }

  func stopQueue(_ index: Int) {
    require(isRunning && queues[index].size > 0, "stopped a queue that does not run")
    held.removeAll { $0.queue == index }
  }

  func stop() {
    require(isRunning, "stopped twice")
    isRunning = false
    held = []
    queues = []
  }

  func queueNotified(_ index: Int) {
    require(isRunning && queues[index].size > 0, "notified of a queue that does not run")
    var count = 0
    while count < limit, queues[index].takeNext(into: &chain) {
      count += 1
      check(chain, of: index)
      held.append((index, chain))
      if !holds { release(1) }
    }
    require(count <= queueSizes[index], "more chains than one turn has")
    queues[index].notifyDriver()
    checkCounts()
  }

  /// Gives the newest chains back.
  func release(_ count: Int) {
    for _ in 0..<min(count, held.count) {
      let (index, chain) = held.removeLast()
      let written = chain.writable.reduce(0) { $0 + $1.count }
      touch(chain)
      queues[index].complete(head: chain.head, written: UInt32(truncatingIfNeeded: written))
    }
    checkCounts()
  }

  private func check(_ chain: DescriptorChain, of queue: Int) {
    guard let table = driver?.tables[queue] else { fatalError("a chain of a queue that is not ready") }
    require(chain.head < table.size, "a head outside the table")
    let expected = ChainOracle.segments(of: chain.head, in: table, features: features)
    let readable = chain.readable.map {
      ChainOracle.Segment(host: $0.baseAddress!, count: $0.count, isWritable: false)
    }
    let writable = chain.writable.map {
      ChainOracle.Segment(host: UnsafeRawPointer($0.baseAddress!), count: $0.count, isWritable: true)
    }
    require(readable + writable == expected, "another chain than the driver's")
    require(
      writable.allSatisfy { GuestMemory.shared.holds($0.host, count: $0.count, toWrite: true) },
      "writes to what is read-only")
  }

  /// Reads and writes both ends of every buffer.
  private func touch(_ chain: DescriptorChain) {
    var sum: UInt8 = 0
    for buffer in chain.readable { sum = sum &+ buffer[0] &+ buffer[buffer.count - 1] }
    for buffer in chain.writable {
      buffer[0] = sum
      buffer[buffer.count - 1] = sum &+ 1
    }
  }

  private func checkCounts() {
    for (index, queue) in queues.enumerated() where !queue.isBroken && queue.size > 0 {
      require(queue.inFlight == held.count { $0.queue == index }, "chains in flight")
    }
  }
}
