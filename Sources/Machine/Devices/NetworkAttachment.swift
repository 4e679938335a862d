import Virtio

/// What one of the network interfaces that an image declares is to lead to.
public struct NetworkAttachment: Equatable, Sendable {
  /// The other side of the link.
  public enum Backend: Equatable, Sendable {
    /// A TAP interface of the host's.
    case tap(interface: String)
    /// A descriptor that the process was started with: a TAP interface's or a connected socket's.
    case descriptor(Int32)
    /// A local socket on which somebody listens who speaks as passt(1) does.
    case socket(path: String)
    /// passt(1), started for this machine.
    case passt(PasstOptions)
  }

  /// What `mtu` can be, both ends included.
  public static let mtuRange = NetworkDevice.mtuRange

  /// The name by which the image declares it.
  public var name: String
  /// The other side.
  public var backend: Backend
  /// The interface's address; nil to make one.
  public var address: EthernetAddress?
  /// The most bytes of a packet, to be told to the guest; nil for what the other side says.
  public var mtu: Int?
  /// The file in which every frame is recorded; nil for none.
  public var capturePath: String?
  /// Whether the machine ends when the link goes down.
  public var isRequired: Bool

  /// An attachment of these properties; see them.
  public init(
    name: String, backend: Backend, address: EthernetAddress? = nil, mtu: Int? = nil, capturePath: String? = nil,
    isRequired: Bool = false
  ) {
    self.name = name
    self.backend = backend
    self.address = address
    self.mtu = mtu
    self.capturePath = capturePath
    self.isRequired = isRequired
  }
}

extension NetworkAttachment {
  /// Gets hold of the other side.
  func open() throws(NetworkBackendError) -> any NetworkBackend {
    switch backend {
    case .tap(let interface): return try PacketBackend(interface: interface, mtu: mtu)
    case .descriptor(let number): return try InheritedBackend.open(number, mtu: mtu)
    case .socket(let path): return try StreamBackend(connectingTo: path, mtu: mtu)
    case .passt(let options): return try Passt.start(options, mtu: mtu)
    }
  }

  /// The address that was given; or one that is the same as long as the host runs, where the other side tells the interface
  /// from others of this host.
  var addressInUse: EthernetAddress {
    if let address { return address }
    switch backend {
    case .tap(let interface): return EthernetAddress(madeFrom: [name, "tap", interface])
    case .socket(let path): return EthernetAddress(madeFrom: [name, "unix", path])
    // Alone on its link.
    case .passt: return EthernetAddress(madeFrom: [name, "passt"])
    case .descriptor: return EthernetAddress(madeFrom: [])
    }
  }
}
