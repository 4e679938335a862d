import GuestKernel

/// Answers a request.
///
/// What it throws is answered with the status that goes with it, unless something of an answer was sent before.
public typealias HTTPHandler =
  nonisolated(nonsending) @Sendable (inout HTTPRequest, inout HTTPResponse) async throws(HTTPError) -> Void

/// Serves HTTP/1.1 (RFC 9110 and RFC 9112) on every connection of a listener.
///
///     let server = HTTPServer { request, response throws(HTTPError) in
///       try await response.send("Hello, \(request.query("name") ?? "world")!\n")
///     }
///     await server.run(on: try await TCPListener(port: 8080))
///
/// Each connection has a task. Requests of one connection are answered one after the other, in the order in which
/// they came; what does not look like a request, or is more than the limits allow, never reaches the handler.
public final class HTTPServer: Sendable {
  /// What the server has done so far.
  public let statistics = HTTPServerStatistics()

  let limits: SharedLimits
  let handler: HTTPHandler
  let connections: OpenConnections
  private let stopping = Guarded(Stopping())

  private struct Stopping {
    var isStopping = false
    var closeListener: (() -> Void)?
    var deadline: Task<Void, Never>?
  }

  public init(limits: HTTPLimits = HTTPLimits(), handler: @escaping HTTPHandler) {
    self.limits = SharedLimits(limits)
    self.handler = handler
    connections = OpenConnections(limit: limits.connectionCount)
  }

  /// Answers every request with the route that it fits.
  public convenience init(limits: HTTPLimits = HTTPLimits(), router: HTTPRouter) {
    self.init(limits: limits) { request, response throws(HTTPError) in
      try await router.answer(&request, &response)
    }
  }

  /// How many connections are open now.
  public var connectionCount: Int { connections.count }

  /// Serves the listener's connections. Returns after `stop`, or when the listener has ended for another reason, as soon as
  /// every request that was under way is answered, and the clients have got the answers: the machine may end then.
  public nonisolated(nonsending) func run(on listener: some ByteStreamListener) async {
    let isStopping = stopping.withLock { stopping in
      stopping.closeListener = { listener.close() }
      return stopping.isStopping
    }
    if isStopping { listener.close() }
    while let stream = await listener.next() {
      accept(StreamChannel(stream))
    }
    connections.end()
    await connections.waitUntilEmpty()
    stopping.withLock { stopping in
      stopping.deadline?.cancel()
      stopping.closeListener = nil
    }
  }

  /// Stops: takes no more connections, ends the idle ones, and lets every request that is under way be answered, as the
  /// last one of its connection. `run` returns after that. May be called by a handler.
  ///
  /// - Parameter grace: after this time, what is still under way is cut off.
  public func stop(within grace: Duration = .seconds(10)) {
    let closeListener = stopping.withLock { stopping -> (() -> Void)? in
      guard !stopping.isStopping else { return nil }
      stopping.isStopping = true
      let connections = connections
      stopping.deadline = Task {
        try? await Task.sleep(for: grace.countable)
        if !Task.isCancelled { connections.abort() }
      }
      return stopping.closeListener
    }
    connections.end()
    closeListener?()
  }
}
