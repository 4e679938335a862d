import GuestKernel
import Network

/// An open UDP port.
///
/// ```swift
/// let socket = try await UDPSocket(port: 53)
/// let question = try await socket.receive()
/// try await socket.send(answer(to: question), to: question.source)
/// ```
public final class UDPSocket: Sendable {
  // Invariant: used with the interface's lock held; in an image there is one thread.
  private nonisolated(unsafe) let client: PortClient

  /// Opens a port.
  ///
  /// - Parameters:
  ///   - port: 0: a free one at random, which `port` tells.
  ///   - address: the only address of this machine whose datagrams are received; nil: all.
  ///   - network: nil: the only one.
  public init(
    port: UInt16 = 0, address: IPAddress? = nil, on network: Network? = nil
  ) async throws(NetworkError) {
    let network = try await Network.given(network)
    client = try PortClient.bind(port, address, network.interface)
  }

  deinit { client.close() }

  /// The port.
  public var port: UInt16 { client.port.port }

  /// Waits for a datagram. While nobody waits some are kept, and then lost.
  public nonisolated(nonsending) func receive() async throws(NetworkError) -> Datagram {
    while true {
      if let datagram = try client.receive() { return datagram }
      guard await client.wait(for: .input, since: client.seenInput) == .changed else {
        throw NetworkError(.receive, client.subject, .cancelled)
      }
    }
  }

  /// Sends a datagram; waits while many others have not been sent yet. That it arrives nobody promises.
  ///
  /// - Parameter payload: up to 65,507 bytes to an IPv4 address, 65,527 to an IPv6 address.
  public nonisolated(nonsending) func send(
    _ payload: RawSpan, to destination: SocketAddress
  ) async throws(NetworkError) {
    while try !client.send(payload, to: destination) {
      guard await client.wait(for: .output, since: client.seenOutput) == .changed else {
        throw NetworkError(.send, destination.description, .cancelled)
      }
    }
  }

  /// Sends an array; see `send(_:to:)`.
  public nonisolated(nonsending) func send(
    _ payload: [UInt8], to destination: SocketAddress
  ) async throws(NetworkError) {
    try await send(payload.span.bytes, to: destination)
  }

  /// The network's last answer to what was sent (nobody listens there, no way to there), once; nil: none.
  public func takeFailure() -> UDPFailure? { client.takeFailure() }

  /// Closes the port; datagrams that nobody received are lost. A socket that nobody refers to any more closes by itself.
  public func close() {
    client.close()
  }
}

/// A port as `UDPSocket` uses it: each function is one use of the stack.
private final class PortClient: StackClient {
  let port: UDPPort
  private var isClosed = false
  /// `changeCount` when nothing was there to receive.
  private(set) var seenInput: UInt = 0
  /// `changeCount` when there was no room to send.
  private(set) var seenOutput: UInt = 0

  private init(_ port: UDPPort, _ interface: NetworkInterface) {
    self.port = port
    super.init(interface)
    port.observer = self
  }

  var subject: String { "port \(port.port)" }

  static func bind(
    _ port: UInt16, _ address: IPAddress?, _ interface: NetworkInterface
  ) throws(NetworkError) -> PortClient {
    interface.lock()
    defer { interface.unlock() }
    do throws(UDPError) {
      return PortClient(try interface.stack.udp.bind(address: address, port: port), interface)
    } catch {
      throw NetworkError(.bind, "port \(port)", NetworkError.Reason(error))
    }
  }

  /// - Returns: nil: there is none now.
  func receive() throws(NetworkError) -> Datagram? {
    interface.lock()
    defer { interface.unlock() }
    guard !isClosed else { throw NetworkError(.receive, subject, .closed) }
    seenInput = changeCount
    return port.receive()
  }

  /// - Returns: false: there is no room now.
  func send(_ payload: RawSpan, to destination: SocketAddress) throws(NetworkError) -> Bool {
    interface.lock()
    defer { interface.unlock() }
    guard !isClosed else { throw NetworkError(.send, destination.description, .closed) }
    seenOutput = changeCount
    do throws(UDPError) {
      try port.send(payload, to: destination)
      return true
    } catch {
      guard error != .queueFull else { return false }
      throw NetworkError(.send, destination.description, NetworkError.Reason(error))
    }
  }

  func takeFailure() -> UDPFailure? {
    interface.lock()
    defer { interface.unlock() }
    return isClosed ? nil : port.takeFailure()
  }

  func close() {
    interface.lock()
    defer { interface.unlock() }
    guard !isClosed else { return }
    isClosed = true
    port.observer = nil
    port.close()
    wakeAll()
  }
}
