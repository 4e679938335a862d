import CLinux
import MachineABI

/// A source of randomness: the host's own, as getrandom(2) gives it (virtio-1.2 §5.4).
public final class EntropyDevice: VirtioDevice {
  /// The most bytes that one request gets, which may be less than it asks for (virtio-1.2 §5.4.6.2). The kernel makes some
  /// hundred megabytes a second: a guest whose buffers are all of its memory, in every request, would else keep the monitor
  /// here for minutes for one notification.
  static let requestLimit = 64 << 10
  /// Descriptors in the queue; a driver needs one at a time.
  private static let queueSize: UInt16 = 16

  private var queue: Virtqueue?

  /// A source that nobody uses yet.
  public init() {}

  public var kind: UInt32 { UInt32(VIRTIO_ID_ENTROPY) }
  public var offeredFeatures: UInt64 { 0 }
  public var queueSizes: [UInt16] { [Self.queueSize] }
  public var configuration: [UInt8] { [] }

  public func writeConfiguration(_ value: UInt32, byteCount: Int, at offset: Int) {}

  public func start(features: UInt64, queues: [Virtqueue]) {
    queue = queues[0]
    // The driver may have filled it before. Its processor waits for this, so a lawful one has no more than a turn's worth.
    _ = queue?.serveTurn { serve() }
  }

  public func queueNotified(_ index: Int) {
    serve()
  }

  /// Nothing is ever in flight.
  public func stopQueue(_ index: Int) {}

  public func stop() {
    queue = nil
  }

  private func serve() {
    guard let queue else { return }
    var hasCompleted = false
    while let chain = queue.next() {
      // virtio-1.2 §5.4.6.1 rules out buffers to read; where there is nothing to write, the one byte that §5.4.6.2 demands
      // cannot be.
      guard chain.readable.isEmpty, chain.writable.contains(where: { !$0.isEmpty }) else {
        queue.fail("entropy: a buffer that is not for writing alone")
        break
      }
      guard let count = Self.fill(chain.writable) else {
        queue.fail("entropy: getrandom does not fill guest memory")
        break
      }
      queue.complete(head: chain.head, written: UInt32(count))
      hasCompleted = true
    }
    if hasCompleted { queue.notifyDriver() }
  }

  /// Fills the buffers from their start; returns how many bytes there are then, or nil if the kernel refused.
  private static func fill(_ buffers: [UnsafeMutableRawBufferPointer]) -> Int? {
    var filled = 0
    for buffer in buffers {
      var offset = 0
      while offset < buffer.count, filled < requestLimit {
        let count = getrandom(buffer.baseAddress! + offset, min(buffer.count - offset, requestLimit - filled), 0)
        if count < 0 {
          if linux_errno() == EINTR { continue }
          return nil
        }
        offset += count
        filled += count
      }
    }
    return filled
  }
}
