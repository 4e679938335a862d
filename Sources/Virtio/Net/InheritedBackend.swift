import CLinux
import KVM

/// A descriptor that the process was started with, as a network device's other side.
public enum InheritedBackend {
  /// Takes the descriptor over, for what it is: a TAP interface, a socket of messages, each of which is a frame, or a
  /// connected socket of bytes, on which each frame comes behind its length (`StreamBackend`).
  public static func open(_ number: Int32, mtu: Int?) throws(NetworkBackendError) -> any NetworkBackend {
    guard number > STDERR_FILENO else {
      throw .inherited(number, reason: "expected one that is not standard input, output or error")
    }
    // Of this process alone from here on.
    guard linux_close_on_exec(number) == 0 else { throw .inherited(number, reason: "is not open") }
    let file = FileDescriptor(owning: number)
    if linux_socket_kind(number) == Int32(SOCK_STREAM.rawValue) { return StreamBackend(socket: file, mtu: mtu) }
    return try PacketBackend(inherited: file, mtu: mtu)
  }
}
