import MachineABI

/// A device that an image declares: its machine has it, or does not run the image.
public struct DeclaredDevice: Sendable, Equatable {
  /// The kinds of devices that a monitor has.
  public enum Kind: Sendable, Equatable {
    /// An interface to a network; an image may declare many.
    case network
    /// Storage; an image may declare many.
    case block
    /// The monitor's standard input and output, of which there is one.
    case console
    /// The host's randomness, of which there is one.
    case entropy

    /// As virtio numbers it (virtio 1.2, section 5).
    public var virtioID: UInt32 {
      switch self {
      case .network: UInt32(VIRTIO_ID_NETWORK)
      case .block: UInt32(VIRTIO_ID_BLOCK)
      case .console: UInt32(VIRTIO_ID_CONSOLE)
      case .entropy: UInt32(VIRTIO_ID_ENTROPY)
      }
    }

    init?(virtioID: UInt32) {
      switch virtioID {
      case Kind.network.virtioID: self = .network
      case Kind.block.virtioID: self = .block
      case Kind.console.virtioID: self = .console
      case Kind.entropy.virtioID: self = .entropy
      default: return nil
      }
    }

    /// Whether an image may declare several.
    var mayBeMany: Bool { self == .block || self == .network }

    /// In one word.
    public var name: String {
      switch self {
      case .network: "network"
      case .block: "block"
      case .console: "console"
      case .entropy: "entropy"
      }
    }
  }

  /// What it is.
  public let kind: Kind
  /// Unique within the image: 1 to 31 of A-Z a-z 0-9 . _ -
  public let name: String
}

extension DeclaredDevice {
  /// Reads a note's descriptor.
  ///
  /// - Parameter number: which of the device notes it is, for the message.
  init(_ declaration: DeviceDeclaration, number: Int) throws(Refusal) {
    guard let name = declaration.nameText else {
      throw Refusal(
        "device note \(number) name", "not a name", expected: "\(DeviceDeclaration.nameRule), and zeros behind it")
    }
    guard let kind = Kind(virtioID: declaration.kind) else {
      throw Refusal(
        "device '\(name)' kind", "\(declaration.kind)",
        expected: "\(VIRTIO_ID_NETWORK) (network), \(VIRTIO_ID_BLOCK) (block), \(VIRTIO_ID_CONSOLE) (console)"
          + " or \(VIRTIO_ID_ENTROPY) (entropy)")
    }
    guard declaration.flags == 0 else {
      throw Refusal("device '\(name)' flags", UInt64(declaration.flags), expected: "0")
    }
    self.init(kind: kind, name: name)
  }
}
