import GuestKernel
import Network

/// A TCP connection: a stream of bytes in each direction.
///
/// One task may read while another writes. What is read is there or is waited for; what is written goes into the
/// connection's buffer, and a writer waits while that is full, so that it is no faster than the peer.
///
/// ```swift
/// let connection = try await TCPConnection.connect(to: "example.org", port: 80)
/// try await connection.write("GET / HTTP/1.0\r\n\r\n")
/// while case let bytes = try await connection.read(upTo: 4096), !bytes.isEmpty { ... }
/// ```
public final class TCPConnection: Sendable {
  // Invariant: used with the interface's lock held; in an image there is one thread.
  private nonisolated(unsafe) let client: ConnectionClient

  init(_ client: ConnectionClient) {
    self.client = client
  }

  deinit { client.close() }

  // MARK: Beginning

  /// Connects to a host, whose addresses are tried one after the other.
  ///
  /// - Parameters:
  ///   - host: a name, or an address as text.
  ///   - timeout: for all of it; nil: as long as the stack tries, which is minutes.
  ///   - network: nil: the only one.
  public static nonisolated(nonsending) func connect(
    to host: String, port: UInt16, timeout: Duration? = nil, on network: Network? = nil
  ) async throws(NetworkError) -> TCPConnection {
    let network = try await Network.given(network)
    let deadline = network.interface.deadline(in: timeout)
    let addresses = try await network.resolve(host, until: deadline)
    var failure = NetworkError(.resolve, host, .nameNotFound)
    for address in addresses {
      do throws(NetworkError) {
        return try await connect(to: SocketAddress(address, port: port), until: deadline, on: network)
      } catch {
        failure = error
        if error.reason == .cancelled { break }
      }
    }
    throw failure
  }

  /// Connects to an address.
  ///
  /// - Parameters:
  ///   - timeout: nil: as long as the stack tries, which is minutes.
  ///   - network: nil: the only one.
  public static nonisolated(nonsending) func connect(
    to address: SocketAddress, timeout: Duration? = nil, on network: Network? = nil
  ) async throws(NetworkError) -> TCPConnection {
    let network = try await Network.given(network)
    return try await connect(to: address, until: network.interface.deadline(in: timeout), on: network)
  }

  private static nonisolated(nonsending) func connect(
    to address: SocketAddress, until deadline: UInt64?, on network: Network
  ) async throws(NetworkError) -> TCPConnection {
    let client = try ConnectionClient.connect(to: address, on: network.interface)
    let connection = TCPConnection(client)
    do throws(NetworkError) {
      while try client.look(.connect, { $0.isConnecting }) {
        try await client.pause(.connect, for: .output, until: deadline)
      }
    } catch {
      client.abort()
      throw error
    }
    return connection
  }

  // MARK: Both ends

  /// This end.
  public var local: SocketAddress { client.socket.local }
  /// The other end.
  public var remote: SocketAddress { client.socket.remote }

  // MARK: Reading

  /// How long a read waits; nil: as long as it takes. A read that has timed out has taken nothing.
  public var readTimeout: Duration? {
    get { client.synchronized { $0.readTimeout } }
    set { client.synchronized { $0.readTimeout = newValue } }
  }

  /// Waits until there is something to read, or the end of it, or the connection has failed: the next read does not wait.
  /// A connection that nothing may come on for long needs no buffer meanwhile.
  ///
  /// - Throws: what a read would for `readTimeout`, cancellation, and a connection that this end has closed.
  public nonisolated(nonsending) func waitForInput() async throws(NetworkError) {
    var deadline: UInt64?
    while try !client.lookForInput() {
      deadline = deadline ?? client.readDeadline
      try await client.pause(.read, for: .input, until: deadline)
    }
  }

  /// Waits for bytes.
  ///
  /// - Parameter buffer: is filled from its start, as far as there are bytes; not empty.
  /// - Returns: how many; 0: the peer has finished writing, and all of it was read.
  public nonisolated(nonsending) func read(into buffer: inout MutableRawSpan) async throws(NetworkError) -> Int {
    var deadline: UInt64?
    while true {
      if let count = try client.read(into: &buffer) { return count }
      deadline = deadline ?? client.readDeadline
      let count = try await client.waitToRead(into: &buffer, until: deadline)
      if count > 0 { return count }
    }
  }

  /// Waits for bytes.
  ///
  /// - Parameter limit: the most that are wanted, at least 1.
  /// - Returns: what there is; empty: the peer has finished writing, and all of it was read.
  public nonisolated(nonsending) func read(upTo limit: Int) async throws(NetworkError) -> [UInt8] {
    var deadline: UInt64?
    while true {
      if let bytes = try client.read(upTo: limit) { return bytes }
      deadline = deadline ?? client.readDeadline
      try await client.pause(.read, for: .input, until: deadline)
    }
  }

  // MARK: Writing

  /// How long a write waits for room; nil: as long as it takes. Of what was to be written when it times out any part may
  /// have been.
  public var writeTimeout: Duration? {
    get { client.synchronized { $0.writeTimeout } }
    set { client.synchronized { $0.writeTimeout = newValue } }
  }

  /// Writes bytes; returns when all of them are in the connection's buffer, which is not to say that the peer has them.
  public nonisolated(nonsending) func write(_ bytes: RawSpan) async throws(NetworkError) {
    var written = try client.write(bytes)
    guard written < bytes.byteCount else { return }
    let deadline = client.writeDeadline
    while written < bytes.byteCount {
      try await client.pause(.write, for: .output, until: deadline)
      written += try client.write(bytes.extracting(written..<bytes.byteCount))
    }
  }

  /// Writes an array; see `write(_:)`.
  public nonisolated(nonsending) func write(_ bytes: [UInt8]) async throws(NetworkError) {
    try await write(bytes.span.bytes)
  }

  /// Writes a text in UTF-8; see `write(_:)`.
  public nonisolated(nonsending) func write(_ text: String) async throws(NetworkError) {
    var text = text
    text.makeContiguousUTF8()
    try await write(text.utf8.span.bytes)
  }

  /// Waits until the peer has acknowledged everything that was written, and the end if `finishWriting` said it; returns at
  /// once if it has already. `write` and `close` do not wait for that, and what a connection has not delivered when the
  /// machine ends is lost. An acknowledgement says that the peer's machine has the bytes, not that its program has read them.
  ///
  /// - Throws: `.timedOut` after `writeTimeout`, `.cancelled` with the task, after either of which the bytes are still on their
  ///   way; `.reset` or another reason for which the connection has failed; `.closed` if this end has closed it.
  public nonisolated(nonsending) func waitUntilAcknowledged() async throws(NetworkError) {
    var deadline: UInt64?
    while try !client.lookForAcknowledgement() {
      deadline = deadline ?? client.writeDeadline
      try await client.pause(.write, for: .output, until: deadline)
    }
  }

  /// Tells the peer that no more comes, behind all that was written; what it writes can still be read.
  public func finishWriting() throws(NetworkError) {
    try client.finishWriting()
  }

  // MARK: How the connection is kept

  /// How the peer is probed while nothing comes from it; nil, as at first: not at all. A peer that answers no probe is gone, and
  /// who reads or writes gets `.timedOut`. Probes go out only while nothing that was written waits for an acknowledgement: then
  /// it is retransmissions, and `userTimeout`, that find out.
  ///
  /// As with all of these, a connection that a listener accepts begins with none of another's.
  public var keepAlive: TCPKeepAlive? {
    get { client.synchronized { $0.socket.keepAlive } }
    set { client.synchronized { $0.socket.keepAlive = newValue } }
  }

  /// Whether small writes go out at once, as at first. False: they wait until the peer has acknowledged what was sent before
  /// (Nagle's algorithm; RFC 9293, 3.7.4). What is written within one turn of the event loop goes out together in any case.
  public var noDelay: Bool {
    get { client.synchronized { !$0.socket.isNagleEnabled } }
    set { client.synchronized { $0.socket.isNagleEnabled = !newValue } }
  }

  /// How long the peer may leave what was written unacknowledged, or its window closed, before the connection ends with
  /// `.timedOut` (RFC 9293, 3.9.1.8): 1 ms to some 24 days, in whole milliseconds; what is out of range counts as the nearest
  /// that is not. nil, as at first: as long as it is sent again, more than 100 s. `writeTimeout` ends a wait, this the connection.
  public var userTimeout: Duration? {
    get { client.synchronized { $0.socket.userTimeout } }
    set { client.synchronized { $0.socket.userTimeout = newValue } }
  }

  // MARK: Ending

  /// Ends the connection in both directions. What was written still goes to the peer; what it sends is not read any more.
  /// A connection that nobody refers to any more closes by itself.
  public func close() {
    client.close()
  }

  /// Ends the connection at once: what the peer has not got is lost, and it is told so.
  public func abort() {
    client.abort()
  }
}
