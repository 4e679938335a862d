import Sockets

// The streams that HTTP is spoken over outside of tests.

extension NetworkError: ByteStreamFailure {
  /// Whether the time that was given is over.
  public var isTimeout: Bool { reason == .timedOut }
}

extension TCPConnection: ByteStream {}

extension TCPListener: ByteStreamListener {}

extension HTTPClient {
  /// Connects to a server.
  ///
  /// - Parameters:
  ///   - host: a name, or an address as text.
  ///   - timeout: for connecting; nil: as long as the stack tries, which is minutes.
  public static nonisolated(nonsending) func connect(
    to host: String, port: UInt16 = 80, timeout: Duration? = nil, limits: HTTPLimits = HTTPLimits(),
    on network: Network? = nil
  ) async throws(NetworkError) -> HTTPClient {
    // An IPv6 address has colons of its own (RFC 3986, 3.2.2).
    let name = host.utf8.contains(ASCII.colon) ? "[\(host)]" : host
    guard name.utf8.span.isHost(mayBeEmpty: false) else { throw NetworkError(.resolve, host, .nameNotFound) }
    let connection = try await TCPConnection.connect(to: host, port: port, timeout: timeout, on: network)
    return HTTPClient(connection, host: port == 80 ? name : "\(name):\(port)", limits: limits)
  }
}
