import GuestKernel

/// Serves a connection that has something to read: one request after the other, until there are no more, or none follows for
/// a while, or something is wrong.
struct ServerConnection: ~Copyable {
  private let server: HTTPServer
  private let channel: ByteChannel
  private var request: HTTPRequest
  private var response: HTTPResponse
  /// How many requests were answered since the connection last had to wait for one.
  private var answeredInARow = 0
  /// Nothing was read yet, and there is something.
  private var isFresh = true

  init(_ channel: ByteChannel, _ server: HTTPServer) {
    self.server = server
    self.channel = channel
    request = HTTPRequest(channel, server)
    response = HTTPResponse(channel)
  }

  private var limits: HTTPLimits { server.limits.values }

  /// How the service comes to its end.
  private enum Ending {
    /// The connection has had nothing to do for so long, and goes on without what it needs for a request.
    case rest(Duration)
    /// The other side has closed, or has nothing to read.
    case close
    /// The other side is to have read the answer, and may still be sending.
    case linger
    /// The other side must see that something is missing.
    case abort
  }

  /// - Returns: for how long the connection has been idle; nil if it has ended.
  nonisolated(nonsending) mutating func serve() async -> Duration? {
    switch await serveRequests() {
    case .rest(let idleTime): return idleTime
    case .close:
      await deliver()
      channel.close()
    case .linger:
      await linger()
      await deliver()
      channel.close()
    case .abort: channel.abort()
    }
    return nil
  }

  /// Answers a connection that is one too many, and has no more time for it.
  nonisolated(nonsending) mutating func turnAway() async {
    server.statistics.turnedAway.increment()
    channel.setTimeouts(read: limits.lingerTimeout, write: limits.lingerTimeout)
    _ = await refuse(.serviceUnavailable, "there are too many connections")
    channel.close()
  }

  private nonisolated(nonsending) mutating func serveRequests() async -> Ending {
    do throws(HTTPError) {
      while true {
        switch try await receiveHead() {
        case .request: break
        case .nothing(let idleTime): return .rest(idleTime)
        case .end:
          try await response.flush()
          return .close
        }
        try beginRequest()
        await letOthersRun()
        if let ending = try await answer() { return ending }
      }
    } catch {
      return await end(after: error)
    }
  }

  // MARK: Receiving

  private enum Arrival {
    case request
    /// There will be no further request.
    case end
    /// There was none for so long.
    case nothing(Duration)
  }

  /// Waits for the head of a request. What was answered before is written out first, as soon as there is need to wait.
  private nonisolated(nonsending) mutating func receiveHead() async throws(HTTPError) -> Arrival {
    var headBegan: Duration?
    request.head.reset()
    response.reset()
    while true {
      if try parseHead() { return channel.life.beginRequest() ? .request : .end }
      answeredInARow = 0
      try await response.flush()
      guard request.head.hasBegun else {
        switch try await awaitHead() {
        case .request: continue
        case .end: return .end
        case .nothing(let idleTime): return .nothing(idleTime)
        }
      }
      let now = channel.now
      let began = headBegan ?? now
      headBegan = began
      let timeout = limits.headTimeout - (now - began)
      guard timeout > .zero else { throw .timedOut }
      guard try await request.content.fill(timeout: timeout) else { throw .fault(.incomplete) }
    }
  }

  /// Waits for a request to begin.
  private nonisolated(nonsending) mutating func awaitHead() async throws(HTTPError) -> Arrival {
    var timeout = limits.headTimeout
    if !isFresh {
      guard server.connections.servedCount <= limits.bufferedConnectionCount else { return .nothing(.zero) }
      timeout = min(limits.bufferedTimeout, limits.idleTimeout)
      shrink()
    }
    isFresh = false
    do throws(HTTPError) {
      return try await request.content.fill(timeout: timeout) ? .request : .end
    } catch {
      guard error == .timedOut else { throw error }
      return .nothing(timeout)
    }
  }

  private mutating func parseHead() throws(HTTPError) -> Bool {
    guard !request.content.input.isEmpty else { return false }
    var position = 0
    do throws(HTTPFault) { try request.head.parse(request.content.input, &position) } catch { throw .fault(error) }
    request.content.input.removeFirst(position)
    return request.head.isComplete
  }

  /// An idle connection keeps no more than it had at first.
  private mutating func shrink() {
    request.head.shrink()
    request.content.shrink()
    response.shrink()
  }

  /// Takes the request for what it is, or refuses it.
  private mutating func beginRequest() throws(HTTPError) {
    let line = request.head.line!
    request.forgetParameters()
    do throws(HTTPFault) {
      let facts = try HeadFacts(request: line, request.head.fields)
      request.facts = facts
      response.begin(isForHead: line.method == .head, version: line.version, closes: !facts.wantsKeepAlive)
      guard line.method != .other, line.method != .connect else { throw HTTPFault.unsupportedMethod }
      try request.content.begin(facts.length)
      channel.owesContinue =
        facts.expectsContinue && !request.content.isComplete && request.content.input.isEmpty
    } catch {
      throw .fault(error)
    }
    server.statistics.requests.increment()
  }

  /// Gives way to other tasks once in a while: input that is already there is no reason to wait.
  private nonisolated(nonsending) mutating func letOthersRun() async {
    answeredInARow += 1
    guard answeredInARow > limits.pipelinedRequestCount else { return }
    answeredInARow = 0
    await Task.yield()
  }

  // MARK: Answering

  /// Lets the handler answer, and makes the connection ready for the next request.
  ///
  /// - Returns: how the connection ends, if this was its last request.
  private nonisolated(nonsending) mutating func answer() async throws(HTTPError) -> Ending? {
    // The client waits for what was answered before it sends its body.
    if channel.owesContinue { try await response.flush() }
    do throws(HTTPError) {
      try await server.handler(&request, &response)
      try await response.finish()
    } catch {
      if case .misuse(let misuse) = error { server.statistics.note(misuse) }
      guard response.progress == .open else { return .abort }
      return try await answer(to: error)
    }
    guard response.progress == .complete else { return .abort }
    return try await endRequest()
  }

  /// Answers for a handler that has thrown.
  private nonisolated(nonsending) mutating func answer(to error: HTTPError) async throws(HTTPError) -> Ending? {
    let status: HTTPStatus
    switch error {
    case .status(let wanted) where wanted.isFinal: status = wanted
    case .status:
      server.statistics.note(.badStatus)
      status = .internalServerError
    case .misuse: status = .internalServerError
    case .fault, .timedOut, .disconnected: throw error
    }
    response.reset()
    response.status = status
    try await response.send()
    return try await endRequest()
  }

  private nonisolated(nonsending) mutating func endRequest() async throws(HTTPError) -> Ending? {
    var isRead = request.content.isComplete
    if !isRead, !request.content.hasFailed, !response.closes {
      try await response.flush()
      isRead = try await request.content.discard(upTo: limits.discardedByteCount)
    }
    let goesOn = channel.life.endRequest()
    if isRead, goesOn, !response.closes { return nil }
    try await response.flush()
    return .linger
  }

  // MARK: Ending

  private nonisolated(nonsending) mutating func end(after error: HTTPError) async -> Ending {
    switch error {
    case .disconnected: return .abort
    case .timedOut:
      server.statistics.timeouts.increment()
      // Nobody waits for an answer if nothing was asked.
      guard request.head.hasBegun else { return .close }
      return await refuse(.requestTimeout, "the request took too long")
    case .fault(let fault):
      server.statistics.faults.increment()
      return await refuse(fault.status, fault.reason)
    // What a handler throws was answered before.
    case .status, .misuse: return .abort
    }
  }

  /// Answers what is no proper request, unless an answer has begun.
  private nonisolated(nonsending) mutating func refuse(_ status: HTTPStatus, _ reason: StaticString) async -> Ending {
    // What is wrong is behind an answer that is complete, in a body that nobody wanted.
    guard response.progress != .complete else { return .linger }
    guard response.progress == .open else { return .abort }
    response.begin(isForHead: request.head.line?.method == .head, version: .http11, closes: true)
    response.status = status
    do throws(HTTPError) {
      try await response.send("\(status.code) \(status.reason): \(reason)\n")
      try await response.flush()
      return .linger
    } catch {
      return .abort
    }
  }

  /// Reads on for a while, until the other side closes: a connection that is closed with input unread is reset, and the
  /// answer may be lost with it (RFC 9112, 9.6).
  private nonisolated(nonsending) mutating func linger() async {
    let start = channel.now
    var room = limits.lingerByteCount
    do throws(HTTPError) {
      try channel.finishWriting()
      request.content.input.removeAll()
      while room > 0 {
        let left = limits.lingerTimeout - (channel.now - start)
        guard left > .zero, try await request.content.fill(timeout: left) else { return }
        room -= request.content.input.count
        request.content.input.removeAll()
      }
    } catch {
      return
    }
  }

  /// Waits until the client has got everything: when there is no connection left the machine may end, and what it has not
  /// sent by then, or not sent again, nobody gets.
  private nonisolated(nonsending) func deliver() async {
    channel.setTimeouts(read: limits.lingerTimeout, write: limits.lingerTimeout)
    do throws(HTTPError) {
      try channel.finishWriting()
      try await channel.waitUntilAcknowledged()
    } catch {
      return
    }
  }
}
