@testable import Virtio

/// A device that reads everything it may read and writes everything it may write: the bytes that it read, over and
/// over.
final class EchoDevice: VirtioDevice {
  let kind: UInt32 = 4095
  var offeredFeatures: UInt64 = 1 << 3
  let queueSizes: [UInt16]
  var configuration: [UInt8] = Array(0..<12)
  /// Whether to give chains back at once; otherwise `held` has them.
  var completesAtOnce = true
  /// Whether to touch what the chains name.
  var readsAndWrites = true
  /// How many chains to take at most for one notification.
  var limit = Int.max
  var held: [(queue: Int, chain: DescriptorChain)] = []
  private(set) var queues: [Virtqueue] = []
  private(set) var features: UInt64?
  private(set) var notifications: [Int] = []
  private(set) var stops = 0
  private(set) var stoppedQueues: [Int] = []
  var whenQueueStops: () -> Void = {}
  private(set) var configurationWrites: [(value: UInt32, byteCount: Int, offset: Int)] = []
  /// How many chains each notification brought.
  private(set) var chainsPerNotification: [Int] = []

  init(queueSizes: [UInt16] = [16, 64]) { self.queueSizes = queueSizes }

  func writeConfiguration(_ value: UInt32, byteCount: Int, at offset: Int) {
    configurationWrites.append((value, byteCount, offset))
    // The first four bytes can be written.
    guard offset + byteCount <= 4 else { return }
    for index in 0..<byteCount { configuration[offset + index] = UInt8(truncatingIfNeeded: value >> UInt32(8 * index)) }
  }
  func start(features: UInt64, queues: [Virtqueue]) {
    self.features = features
    self.queues = queues
  }
  func queueNotified(_ index: Int) {
    notifications.append(index)
    var count = 0
    while count < limit, let chain = queues[index].next() {
      count += 1
      let written = readsAndWrites ? Self.echo(chain) : 0
      if completesAtOnce {
        queues[index].complete(head: chain.head, written: written)
      } else {
        held.append((index, chain))
      }
    }
    chainsPerNotification.append(count)
    queues[index].notifyDriver()
  }
  func stopQueue(_ index: Int) {
    stoppedQueues.append(index)
    whenQueueStops()
    held.removeAll { $0.queue == index }
  }
  func stop() {
    stops += 1
    held = []
    queues = []
  }

  /// Gives back what is held, the last first.
  func release() {
    while let (index, chain) = held.popLast() {
      queues[index].complete(head: chain.head, written: Self.echo(chain))
    }
    for queue in queues { queue.notifyDriver() }
  }

  /// Touches every byte of a chain; returns how many were written.
  static func echo(_ chain: DescriptorChain) -> UInt32 {
    var source: [UInt8] = []
    for buffer in chain.readable { source += buffer }
    if source.isEmpty { source = [0xee] }
    // Whole copies of it, for speed.
    while source.count < 4096 { source += source }
    var written = 0
    for buffer in chain.writable {
      var offset = 0
      while offset < buffer.count {
        let start = written % source.count
        let count = min(source.count - start, buffer.count - offset)
        source.withUnsafeBytes {
          UnsafeMutableRawBufferPointer(rebasing: buffer[offset..<offset + count])
            .copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[start..<start + count]))
        }
        offset += count
        written += count
      }
    }
    return UInt32(truncatingIfNeeded: written)
  }
}
