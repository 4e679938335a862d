import MachineABI

/// A chain of descriptors that the driver made available: one request (virtio-1.2 §2.7.4.2).
public struct DescriptorChain {
  /// The index of the chain's first descriptor, by which it is given back.
  public let head: UInt16
  /// What the device may read, in order. Guest memory: it may change at any time; read once, then check.
  public let readable: [UnsafeRawBufferPointer]
  /// What the device may write, in order.
  public let writable: [UnsafeMutableRawBufferPointer]
}

/// A split virtqueue as its device sees it (virtio-1.2 §2.7). Everything in it is the driver's, who may be hostile.
public final class Virtqueue {
  /// Takes the next available chain; nil when there is none, or the queue is broken.
  public func next() -> DescriptorChain? { nil }

  /// Gives a chain back, after the device wrote `written` bytes to the start of its writable buffers.
  public func complete(head: UInt16, written: UInt32) {}

  /// Interrupts the driver if it wants to know of what was completed since the last time (virtio-1.2 §2.7.7, §2.7.10). Once
  /// for a batch of completions.
  public func notifyDriver() {}

  /// The driver broke the protocol: the device needs a reset (virtio-1.2 §2.1.2), and the queue gives no more chains.
  public func fail(_ reason: StaticString) {}
}
