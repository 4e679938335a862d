import GuestKernel
import Network

/// A port on which peers begin connections.
///
/// ```swift
/// let listener = try await TCPListener(port: 80)
/// for await connection in listener.connections {
///   Task { await serve(connection) }
/// }
/// ```
public final class TCPListener: Sendable {
  // Invariant: used with the interface's lock held; in an image there is one thread.
  private nonisolated(unsafe) let client: ListenerClient

  /// Begins to take connections.
  ///
  /// - Parameters:
  ///   - port: 0: a free one, which `port` tells.
  ///   - address: an address of this machine; nil: all.
  ///   - backlog: how many connections may wait to be accepted; beyond it peers have to try again.
  ///   - network: nil: the only one.
  public init(
    port: UInt16, address: IPAddress? = nil, backlog: Int = 128, on network: Network? = nil
  ) async throws(NetworkError) {
    let network = try await Network.given(network)
    client = try ListenerClient.listen(port, address, backlog, network.interface)
  }

  deinit { client.close() }

  /// The port.
  public var port: UInt16 { client.socket.port }

  /// Waits for a connection.
  public nonisolated(nonsending) func accept() async throws(NetworkError) -> TCPConnection {
    while true {
      if let connection = try client.accept() { return connection }
      guard await client.wait(for: .input, since: client.seenCount) == .changed else {
        throw client.failure(.cancelled)
      }
    }
  }

  /// Waits for a connection; nil when the listener is closed, or the task cancelled.
  public nonisolated(nonsending) func next() async -> TCPConnection? {
    do throws(NetworkError) {
      return try await accept()
    } catch {
      return nil
    }
  }

  /// The connections as they come, until the listener is closed or the task cancelled.
  public var connections: Connections { Connections(listener: self) }

  /// See `TCPListener.connections`.
  public struct Connections: AsyncSequence, AsyncIteratorProtocol, Sendable {
    /// Listening does not fail; it ends.
    public typealias Failure = Never

    fileprivate let listener: TCPListener

    /// The next connection; nil when there will be none.
    public nonisolated(nonsending) mutating func next() async -> TCPConnection? { await listener.next() }

    /// Itself: all who accept share one listener.
    public func makeAsyncIterator() -> Connections { self }
  }

  /// Takes no more connections, and resets those that nobody accepted. Those that were accepted stay. A listener that
  /// nobody refers to any more closes by itself.
  public func close() {
    client.close()
  }
}

/// A listener as `TCPListener` uses it: each function is one use of the stack.
final class ListenerClient: StackClient {
  let socket: TCPListenSocket
  private var isClosed = false
  /// `changeCount` when there was nobody to accept.
  private(set) var seenCount: UInt = 0

  private init(_ socket: TCPListenSocket, _ interface: NetworkInterface) {
    self.socket = socket
    super.init(interface)
    socket.observer = self
  }

  static func listen(
    _ port: UInt16, _ address: IPAddress?, _ backlog: Int, _ interface: NetworkInterface
  ) throws(NetworkError) -> ListenerClient {
    interface.lock()
    defer { interface.unlock() }
    do throws(TCPError) {
      return ListenerClient(try interface.stack.tcp.listen(on: address, port: port, backlog: backlog), interface)
    } catch {
      throw NetworkError(.listen, "port \(port)", NetworkError.Reason(error))
    }
  }

  /// - Returns: nil: there is none now.
  func accept() throws(NetworkError) -> TCPConnection? {
    interface.lock()
    defer { interface.unlock() }
    guard !isClosed else { throw failure(.closed) }
    seenCount = changeCount
    return socket.accept().map { TCPConnection(ConnectionClient($0, interface)) }
  }

  func failure(_ reason: NetworkError.Reason) -> NetworkError {
    NetworkError(.accept, "port \(socket.port)", reason)
  }

  func close() {
    interface.lock()
    defer { interface.unlock() }
    guard !isClosed else { return }
    isClosed = true
    socket.observer = nil
    socket.close(at: interface.now)
    wakeAll()
  }
}
