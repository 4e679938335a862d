/// What the driver wrote about one queue (virtio-1.2 §4.2.3.2).
struct QueueSetup {
  /// The largest size, from the device.
  let limit: UInt16
  var size: UInt32 = 0
  var addresses = VirtqueueAddresses()
  /// Set while the queue is ready.
  var rings: VirtqueueRings?

  init(limit: UInt16) { self.limit = limit }

  var isReady: Bool { rings != nil }
}

/// What happened on one queue since the machine began, over all resets.
public struct QueueCounters: Equatable, Sendable {
  /// How often the driver said that there are new buffers.
  public var notifications: UInt64 = 0
  /// How many interrupts were sent because of used buffers.
  public var interrupts: UInt64 = 0
  /// How many chains the device took.
  public var chains: UInt64 = 0

  /// Counts; none are given for a queue on which nothing has happened.
  public init(notifications: UInt64 = 0, interrupts: UInt64 = 0, chains: UInt64 = 0) {
    self.notifications = notifications
    self.interrupts = interrupts
    self.chains = chains
  }
}
