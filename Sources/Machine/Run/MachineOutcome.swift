import KVM
import Virtio

/// How a machine ended.
public enum MachineOutcome: Equatable, Sendable {
  /// The guest asked for it, with this exit status.
  case exited(UInt8)
  /// The guest trapped or gave up.
  case panicked(GuestPanic)
  /// The monitor was asked to stop it.
  case stopped
  /// KVM came back for a reason that nothing in the machine can cause; the number is of its KVM_EXIT constants.
  case unexpectedExit(UInt32)
  /// Nobody reads the console any more.
  case consoleClosed
  /// A network is gone that the machine cannot do without. A line has said which, and why.
  case requiredNetworkLost
}

extension MachineOutcome {
  /// How a machine ends whose output cannot be delivered; nil if it can.
  ///
  /// - Throws: why writing failed.
  static func ending(_ delivery: ConsoleDevice.Delivery) throws(SystemCallError) -> MachineOutcome? {
    switch delivery {
    case .written: nil
    case .closed: .consoleClosed
    case .stopped: .stopped
    case .failed(let error): throw error
    }
  }
}
