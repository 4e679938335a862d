import CLinux
import KVM
import Virtio

/// A queue whose notifications come to the devices' thread, because there were many and nobody could answer them at once.
///
/// For what a device does itself while the driver notifies, the exit is better: the answer is there when the guest goes on, and
/// no thread has to wake. What a disk is asked for has to wait for that thread in any case; then the exit is only in the way.
final class BusyQueue {
  /// A queue is busy from so many notifications on. Each takes some 15 µs more as an exit, and a machine that ends soon after
  /// its event was made waits 15 ms for it (docs/performance.md, "Devices"): no guest loses more than as much again as it has
  /// spent already.
  static let notificationThreshold: UInt64 = 1000

  private let event: FileDescriptor

  /// Takes a queue's notifications over. Call with the device lock held.
  ///
  /// - Parameter notifyAddress: the guest-physical address of the device's QueueNotify register.
  init(
    _ queue: UInt32, of transport: MMIOTransport, notifyAddress: UInt64, writeEvents: WriteEvents, loop: DeviceLoop
  ) throws(SystemCallError) {
    event = try writeEvents.event(address: notifyAddress, value: queue)
    let descriptor = event.rawValue
    try loop.watch(descriptor, for: .readable) {
      var count: UInt64 = 0
      _ = read(descriptor, &count, MemoryLayout<UInt64>.size)
      guard transport.notify(queue: queue) else { return }
      // There is more. In between the lock is free, and the loop may end.
      var one: UInt64 = 1
      _ = write(descriptor, &one, MemoryLayout<UInt64>.size)
    }
  }
}
