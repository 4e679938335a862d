import CLinux
import KVM

/// What passt(1) is told.
public struct PasstOptions: Equatable, Sendable {
  /// A port of the host's that leads to one of the guest's.
  public struct Forwarding: Equatable, Sendable {
    /// Whether it is UDP's, not TCP's.
    public var isUDP: Bool
    /// The host's address that is listened on; nil for all.
    public var hostAddress: String?
    public var hostPort: UInt16
    public var guestPort: UInt16

    public init(isUDP: Bool = false, hostAddress: String? = nil, hostPort: UInt16, guestPort: UInt16) {
      self.isUDP = isUDP
      self.hostAddress = hostAddress
      self.hostPort = hostPort
      self.guestPort = guestPort
    }
  }

  public var forwardings: [Forwarding]

  public init(forwardings: [Forwarding] = []) {
    self.forwardings = forwardings
  }
}

/// passt(1): a program without privileges that makes a guest's packets sockets of the host's, and the other way round.
///
/// What a terminal sends to the monitor does not reach it. It ends when its connection is closed: with the monitor, however that
/// ends; and a monitor that ends by itself waits for it (`PasstProcess`).
public enum Passt {
  /// The most that it takes for one packet (passt(1), `--mtu`): with as much for each, segments need not be cut.
  static let mtu = 65520

  /// Starts it, and waits until it is ready.
  ///
  /// - Parameter mtu: nil for its own.
  public static func start(_ options: PasstOptions, mtu: Int?) throws(NetworkBackendError) -> StreamBackend {
    for (index, forwarding) in options.forwardings.enumerated() {
      try forwarding.expectFree(besides: options.forwardings[..<index])
    }
    let mtu = mtu ?? Self.mtu
    var arguments = ["passt", "--quiet", "--fd", "\(PasstProcess.connectionNumber)", "--mtu", "\(mtu)"]
    // Else the gateway's address would be the host's own services on its loopback address.
    arguments.append("--no-map-gw")
    for forwarding in options.forwardings {
      arguments.append(forwarding.isUDP ? "--udp-ports" : "--tcp-ports")
      let address = forwarding.hostAddress.map { "\($0)/" } ?? ""
      arguments.append("\(address)\(forwarding.hostPort):\(forwarding.guestPort)")
    }
    var ends: (Int32, Int32) = (-1, -1)
    guard linux_open_local_pair(&ends.0, &ends.1) == 0 else { throw .system(SystemCallError("socketpair")) }
    let ours = FileDescriptor(owning: ends.0)
    let its = FileDescriptor(owning: ends.1)
    // What it cannot write at once it drops, and sends again two seconds later.
    linux_widen_socket(its.rawValue, StreamBackend.bufferByteCount)
    let process = try PasstProcess(arguments, connection: its, ours: ours)
    return StreamBackend(socket: ours, mtu: mtu, process: process)
  }
}
