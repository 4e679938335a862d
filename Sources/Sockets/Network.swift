import GuestKernel
import MachineABI
import Network

/// A network interface with its protocol stack: IPv4 and IPv6, UDP, TCP, DHCP and DNS.
///
/// An image declares it with `#devices(.network("net"))`. It is opened by whatever uses it first; programs with one
/// interface need not name it anywhere else. Its address comes from DHCP and from routers, unless arguments say otherwise:
/// `ip=10.0.0.2/24 gw=10.0.0.1 dns=10.0.0.1`, or `NAME.ip=…` where there are several interfaces (docs/network.md).
///
/// In the hosted build an interface is a TAP device, which the environment variable NEEDLETAIL_NET names:
/// "net=tap:IFACE", or "net=tap:IFACE,mac=02:00:00:00:00:01"; several are separated by semicolons.
public final class Network: Sendable {
  // Invariant: used with its lock held; in an image there is one thread.
  nonisolated(unsafe) let interface: NetworkInterface
  let link: NetworkLink
  /// The interface that was opened before this one.
  let next: Network?

  /// How long `open` waits for an address, unless it is told.
  public static var addressTimeout: Duration { .seconds(15) }

  init(_ interface: NetworkInterface, _ link: NetworkLink, next: Network?) {
    self.interface = interface
    self.link = link
    self.next = next
  }

  /// Opens an interface, and waits until it has an address. Opening it again gives the same one.
  ///
  /// - Parameters:
  ///   - name: that under which the image declares it; nil: the only one.
  ///   - timeout: for the address. An interface that has none by then goes on trying.
  public static nonisolated(nonsending) func open(
    _ name: String? = nil, timeout: Duration = addressTimeout
  ) async throws(NetworkError) -> Network {
    let network = try OpenNetworks.network(name)
    let interface = network.interface
    let deadline = interface.deadline(in: timeout)
    while let count = interface.changesUntilConfigured() {
      switch await interface.addressChange.wait(for: .input, since: count, until: deadline) {
      case .changed: continue
      case .timedOut: throw NetworkError(.open, interface.name, .timedOut)
      case .cancelled: throw NetworkError(.open, interface.name, .cancelled)
      }
    }
    return network
  }

  static nonisolated(nonsending) func given(_ network: Network?) async throws(NetworkError) -> Network {
    if let network { return network }
    return try await open()
  }

  /// The name under which the image declares it.
  public var name: String { interface.name }

  /// The interface's own Ethernet address.
  public var macAddress: MACAddress { interface.stack.link.address }

  /// Whether the link is up, as far as the device tells.
  public var isLinkUp: Bool { link.isUp }

  /// The addresses in use, IPv4 first, link-local ones last.
  public var addresses: [IPAddress] { interface.use { $0.addresses } }

  /// The name servers in use.
  public var nameServers: [IPAddress] { interface.use { $0.nameServers } }

  /// What the interface has seen and done, below TCP.
  public var statistics: NetworkStatistics { interface.use { $0.statistics } }

  /// What TCP has seen and done.
  public var tcpStatistics: TCPStatistics { interface.use { $0.tcp.statistics } }

  /// What of `Kernel.arguments` is the program's own: all but the words that configure networks.
  public static var arguments: [String] { OpenNetworks.arguments.others }

  // MARK: Names

  /// The addresses of a host, the preferred one first.
  ///
  /// - Parameters:
  ///   - host: a name, or an address as text. `localhost` is 127.0.0.1 and ::1, to which there is no way here.
  ///   - network: whose name servers are asked; nil: the only one.
  public static nonisolated(nonsending) func resolve(
    _ host: String, on network: Network? = nil
  ) async throws(NetworkError) -> [IPAddress] {
    // An address needs no network, nor does what no server is asked about.
    if let answer = Resolver.answerWithoutServers(host) {
      do throws(DNSError) {
        return try answer.get()
      } catch {
        throw NetworkError(.resolve, host, NetworkError.Reason(error))
      }
    }
    return try await given(network).resolve(host, until: nil)
  }

  nonisolated(nonsending) func resolve(
    _ host: String, until deadline: UInt64?
  ) async throws(NetworkError) -> [IPAddress] {
    nonisolated(unsafe) let client = LookupClient(host, interface)
    while true {
      do throws(DNSError) {
        if let addresses = try client.addresses() { return addresses }
      } catch {
        throw NetworkError(.resolve, host, NetworkError.Reason(error))
      }
      switch await client.wait(for: .input, since: client.seenCount, until: deadline) {
      case .changed: continue
      case .timedOut:
        client.cancel()
        throw NetworkError(.resolve, host, .timedOut)
      case .cancelled:
        client.cancel()
        throw NetworkError(.resolve, host, .cancelled)
      }
    }
  }
}

/// A lookup as `Network.resolve` uses it.
private final class LookupClient: StackClient {
  private let lookup: Lookup
  /// `changeCount` when there was no answer yet.
  private(set) var seenCount: UInt = 0

  init(_ host: String, _ interface: NetworkInterface) {
    interface.lock()
    defer { interface.unlock() }
    lookup = interface.stack.resolver.lookup(host, at: interface.now)
    super.init(interface)
    lookup.observer = self
  }

  /// - Returns: nil: not yet.
  func addresses() throws(DNSError) -> [IPAddress]? {
    interface.lock()
    defer { interface.unlock() }
    seenCount = changeCount
    guard let result = lookup.result else { return nil }
    return try result.get()
  }

  func cancel() {
    interface.lock()
    defer { interface.unlock() }
    lookup.cancel()
  }
}

extension NetworkInterface {
  /// Looks at the stack.
  func use<Result>(_ body: (NetworkStack) -> Result) -> Result {
    lock()
    defer { unlock() }
    return body(stack)
  }

  /// How often addresses have changed so far; nil: it has what it was configured to have.
  fileprivate func changesUntilConfigured() -> UInt? {
    lock()
    defer { unlock() }
    return stack.isConfigured ? nil : addressChange.changeCount
  }
}
