import Virtio

/// What a device did during a run, over all its queues.
public struct DeviceActivity: Equatable, Sendable {
  /// The name by which the image declares it.
  public let name: String
  /// What it is.
  public let kind: DeclaredDevice.Kind
  /// Chains of buffers that the device took.
  public var requests: UInt64 = 0
  /// How often the driver said that there are new buffers; each is one exit, but for those of a
  /// busy queue.
  public var notifications: UInt64 = 0
  /// Interrupts sent because of used buffers.
  public var interrupts: UInt64 = 0
  /// What passed through a network interface; nil for other devices.
  public var network: NetworkCounters?

  init(_ declaration: DeclaredDevice) {
    name = declaration.name
    kind = declaration.kind
  }
}
