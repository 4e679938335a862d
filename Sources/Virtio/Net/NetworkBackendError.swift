import CLinux
import KVM

/// Why a network device's other side cannot be, or is no more.
public enum NetworkBackendError: Error {
  /// A system call failed.
  case system(SystemCallError)
  /// An interface cannot have this name.
  case interfaceName(String)
  /// Somebody else has the interface.
  case interfaceInUse(String)
  /// The interface is no TAP of one queue.
  case interfaceKind(String)
  /// The process may neither use nor make the interface.
  case interfacePermission(String)
  /// An inherited descriptor is not what can be used; in words.
  case inherited(Int32, reason: StaticString)
  /// The other side is gone; in words, what it was.
  case closed(StaticString)
  /// The other side says that its next frame has so many bytes.
  case frameLength(UInt32)
  /// A port of the host's that is to be published cannot be had.
  case publishedPort(PasstOptions.Forwarding, SystemCallError)
  /// Two ports of the guest's are to be published as one of the host's.
  case publishedTwice(PasstOptions.Forwarding)
  /// The program ended, or could not be run; in words.
  case program(StaticString, reason: String)

  /// Whether the same may work a moment later: for want of memory, of descriptors or of a thread, or because a device failed.
  var mayPass: Bool {
    if case .system = self { return true }
    return false
  }

  /// One line.
  public var description: String {
    switch self {
    case .system(let error): error.description
    case .interfaceName(let name):
      "interface '\(name)': expected 1 to \(LINUX_INTERFACE_NAME_LIMIT) bytes without '/', '%', ':' and spaces"
    case .interfaceInUse(let name): "interface \(name): in use; expected a TAP interface that nobody has open"
    case .interfaceKind(let name):
      "interface \(name): expected a TAP interface of one queue (ip tuntap add \(name) mode tap)"
    case .interfacePermission(let name):
      "interface \(name): not permitted; expected one that is this user's (as root: ip tuntap add \(name) mode tap user NAME)"
    case .inherited(let number, let reason): "descriptor \(number): \(reason)"
    case .closed(let what): "\(what)"
    case .frameLength(let length):
      "a frame of \(length) bytes was announced; expected at most \(StreamBackend.frameLimit)"
    case .publishedPort(let forwarding, let error):
      "port \(forwarding.hostText) of the host: \(String(cString: strerror(error.code)))"
        + "; expected one that this user may listen on and nobody does"
    case .publishedTwice(let forwarding):
      "port \(forwarding.hostText) of the host is published twice; expected one --publish for each port"
    case .program(let name, let reason): "\(name): \(reason)"
    }
  }
}
