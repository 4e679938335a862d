import MachineABI

/// One kind of virtio device, below the transport: what it offers, and what it does with its queues.
///
/// Everything here is called with the machine's device lock held (`DeviceLoop.withLock`), on whichever thread holds it.
public protocol VirtioDevice: AnyObject {
  /// The virtio device ID (virtio-1.2 §5).
  var kind: UInt32 { get }
  /// Feature bits of this kind of device; the transport adds those of every device (virtio-1.2 §6).
  var offeredFeatures: UInt64 { get }
  /// The largest size of each queue, a power of two (virtio-1.2 §2.7).
  var queueSizes: [UInt16] { get }
  /// The device's configuration space as it is now, little-endian (virtio-1.2 §2.5).
  var configuration: [UInt8] { get }

  /// Whether the device does what it is asked for, as far as it can tell, while it is told of it. Otherwise it is as good to
  /// tell it on the devices' thread, which has to get to know of everything anyway.
  var answersAtOnce: Bool { get }

  /// The driver wrote to the configuration space: `byteCount` of 1, 2 or 4 bytes of `value`, wholly inside `configuration`.
  func writeConfiguration(_ value: UInt32, byteCount: Int, at offset: Int)
  /// The driver has set DRIVER_OK: the queues may be used from here on (virtio-1.2 §3.1.1). Queues that the driver left
  /// disabled are there, but give no chains.
  func start(features: UInt64, queues: [Virtqueue])
  /// The driver says that a queue has new buffers (virtio-1.2 §4.2.3.3).
  func queueNotified(_ index: Int)
  /// The driver takes back one queue of a running device (QueueReady, virtio-1.2 §4.2.2): when this returns, nothing touches
  /// it or the buffers that were in it any more. Requests of it that were in flight have ended, and are not given back.
  /// The other queues go on.
  func stopQueue(_ index: Int)
  /// The driver resets the device (virtio-1.2 §2.4), or the machine ends. When this returns, nothing touches the queues or the
  /// guest's memory any more: requests in flight have ended.
  func stop()
}

extension VirtioDevice {
  public var answersAtOnce: Bool { true }
}
