import KVM
import MachineABI
import Virtio

/// Why a machine's devices are not those that its image declares.
public enum AttachmentError: Error {
  /// The image declares no device of this kind and name.
  case undeclared(DeclaredDevice.Kind, String, declared: [DeclaredDevice])
  /// The image declares a device of this kind and name, and none is attached.
  case missing(DeclaredDevice.Kind, String)
  /// The file of the block device of this name cannot serve.
  case block(String, BlockFileError)
  /// What the network interface of this name is to lead to cannot serve.
  case network(String, NetworkBackendError)
  /// The file in which the frames of the interface of this name are to be recorded cannot be written.
  case capture(String, SystemCallError)

  /// One line.
  public var description: String {
    switch self {
    case .undeclared(let kind, let name, let declared):
      let others = declared.filter { $0.kind == kind }
      let known =
        others.isEmpty
        ? "no \(Self.words(for: kind))s" : others.map { "'\($0.name)'" }.joined(separator: ", ")
      return "\(Self.words(for: kind)) '\(name)' is attached, but the image does not declare it; it declares \(known)"
    case .missing(let kind, let name):
      let option = kind == .network ? "--net \(name)=BACKEND" : "--block \(name)=PATH"
      return "the image declares the \(Self.words(for: kind)) '\(name)', which is not attached; expected \(option)"
    case .block(let name, let error):
      return "block device '\(name)': \(error.description)"
    case .network(let name, let error):
      return "network '\(name)': \(error.description)"
    case .capture(let name, let error):
      return "network '\(name)': capture: \(error.description)"
    }
  }

  /// What a user calls such a device.
  static func words(for kind: DeclaredDevice.Kind) -> String { kind == .block ? "block device" : kind.name }
}
