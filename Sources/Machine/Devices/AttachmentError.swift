import MachineABI
import Virtio

/// Why a machine's devices are not those that its image declares.
public enum AttachmentError: Error {
  /// The image declares no block device of this name.
  case undeclared(String, declared: [DeclaredDevice])
  /// The image declares a block device of this name, and none is attached.
  case missing(String)
  /// The file of the block device of this name cannot serve.
  case block(String, BlockFileError)

  /// One line.
  public var description: String {
    switch self {
    case .undeclared(let name, let declared):
      let blocks = declared.filter { $0.kind == .block }
      let known =
        blocks.isEmpty
        ? "no block devices" : blocks.map { "'\($0.name)'" }.joined(separator: ", ")
      return "block device '\(name)' is attached, but the image does not declare it; it declares \(known)"
    case .missing(let name):
      return "the image declares the block device '\(name)', which is not attached; expected --block \(name)=PATH"
    case .block(let name, let error):
      return "block device '\(name)': \(error.description)"
    }
  }
}
