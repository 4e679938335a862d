/// A connection to a server, and the requests that are sent over it, one after the other.
///
///     var client = try await HTTPClient.connect(to: "example.org")
///     let page = try await client.get("/")
///     print(page.status.code, String(decoding: page.body, as: UTF8.self))
///
/// A call that HTTP does not allow throws `HTTPError.misuse`, and has no other effect.
///
/// The connection is kept for the next request if the server allows; `isReusable` tells. Content that is too large to be in
/// memory at once is sent with `begin`, `write` and `finish`, and received with `receive` and `read`.
public struct HTTPClient: ~Copyable, Sendable {
  private let channel: ByteChannel
  private let limits: SharedLimits
  private let host: String
  private var head: HeadParser<StatusLine>
  private var content: ContentReader
  private var output = ByteBuffer(firstCapacity: 512)
  private var progress = Progress.idle
  private var method = HTTPMethod.get
  private var keepsAlive = true

  private enum Progress: Equatable {
    case idle
    /// In a request's content: so many bytes left, or chunks.
    case plain(left: Int), chunked
    /// The request is sent.
    case awaiting
    /// The response's head is there.
    case receiving
    case failed
  }

  /// - Parameters:
  ///   - stream: a connection to the server.
  ///   - host: the name of the server, with a colon and the port unless that is 80. With anything else in it every request
  ///     throws `fault(.badHost)`.
  public init(_ stream: some ByteStream, host: String, limits: HTTPLimits = HTTPLimits()) {
    self.init(channel: StreamChannel(stream), host: host, limits: limits)
  }

  init(channel: ByteChannel, host: String, limits: HTTPLimits) {
    self.channel = channel
    self.host = host
    self.limits = SharedLimits(limits)
    head = HeadParser(self.limits.values)
    content = ContentReader(channel, self.limits)
  }

  deinit { channel.close() }

  /// Whether another request can be sent, now or when the present response was read.
  public var isReusable: Bool { keepsAlive && progress != .failed && (progress != .idle || content.input.isEmpty) }

  // MARK: Whole messages

  /// Asks for what is at a path.
  ///
  /// - Parameters:
  ///   - target: the path, and the query if there is one.
  ///   - limit: of the body, in bytes.
  public nonisolated(nonsending) mutating func get(
    _ target: String, upTo limit: Int = 1 << 20
  ) async throws(HTTPError) -> HTTPReply {
    try await send(.get, target, body: nil, as: nil, upTo: limit)
  }

  /// Hands content to what is at a path.
  ///
  /// - Parameters:
  ///   - target: the path, and the query if there is one.
  ///   - type: of the content (RFC 9110, 8.3).
  ///   - limit: of the response's body, in bytes.
  public nonisolated(nonsending) mutating func post(
    _ target: String, _ body: [UInt8], as type: StaticString, upTo limit: Int = 1 << 20
  ) async throws(HTTPError) -> HTTPReply {
    try await send(.post, target, body: body, as: type, upTo: limit)
  }

  /// Sends a request and receives the response.
  public nonisolated(nonsending) mutating func send(
    _ method: HTTPMethod, _ target: String, body: [UInt8]?, as type: StaticString?, upTo limit: Int = 1 << 20
  ) async throws(HTTPError) -> HTTPReply {
    try await begin(method, target, as: type, byteCount: body?.count)
    if let body { try await write(body.span.bytes) }
    try await finish()
    let status = try await receive()
    let bytes = try await failing { client throws(HTTPError) in try await client.content.collect(upTo: limit) }
    progress = .idle
    return HTTPReply(status: status, body: bytes)
  }

  // MARK: A request in parts

  /// Sends a request's head. What is left of the last response is read first.
  ///
  /// - Parameters:
  ///   - type: of the content; nil if there is none.
  ///   - byteCount: of the content, 0 or more; nil, with a type, if that is not known yet.
  /// - Throws: `fault(.badTarget)` for a target that is none, and `fault(.unsupportedMethod)` for `other` and CONNECT, of which
  ///   nothing is sent. Whoever makes a target of others' words has to percent-encode them.
  public nonisolated(nonsending) mutating func begin(
    _ method: HTTPMethod, _ target: String, as type: StaticString? = nil, byteCount: Int? = nil
  ) async throws(HTTPError) {
    guard method != .other, method != .connect else { throw .fault(.unsupportedMethod) }
    guard host.utf8.span.isHost(mayBeEmpty: true) else { throw .fault(.badHost) }
    guard Self.isTarget(target, method) else { throw .fault(.badTarget) }
    if let byteCount, byteCount < 0 { throw .misuse(.negativeLength) }
    switch progress {
    case .receiving: try await skipBody()
    case .idle, .failed: break
    case .plain, .chunked, .awaiting: throw .misuse(.outOfOrder)
    }
    guard keepsAlive, progress == .idle else { throw .disconnected }
    // What came without having been asked for is no answer to what is asked now (RFC 9112, 9.2).
    guard content.input.isEmpty else {
      progress = .failed
      throw .disconnected
    }
    self.method = method
    appendHead(target, type, byteCount)
    progress = byteCount.map { .plain(left: $0) } ?? (type == nil ? .plain(left: 0) : .chunked)
  }

  /// Whether it is a path, or stands for the server as a whole (RFC 9112, 3.2.1 and 3.2.4).
  private static func isTarget(_ target: String, _ method: HTTPMethod) -> Bool {
    guard target.utf8.first == ASCII.slash else { return target == "*" && method == .options }
    guard target.utf8.allSatisfy({ $0.isTargetCharacter }) else { return false }
    let bytes = target.utf8.span
    return bytes.extracting(0..<(bytes.firstIndex(of: ASCII.questionMark) ?? bytes.count)).isPercentEncoded
  }

  private mutating func appendHead(_ target: String, _ type: StaticString?, _ byteCount: Int?) {
    output.append(method.name)
    output.append(ASCII.space)
    output.append(target)
    output.append(" HTTP/1.1\r\nHost: ")
    output.append(host)
    output.appendLineEnd()
    if let type {
      output.appendContentType(type)
    }
    if let byteCount {
      output.append("Content-Length: ")
      output.append(decimal: byteCount)
      output.appendLineEnd()
    } else if type != nil {
      output.append("Transfer-Encoding: chunked\r\n")
    } else if method == .post || method == .put || method == .patch {
      // A server may want to know that there is none (RFC 9110, 8.6).
      output.append("Content-Length: 0\r\n")
    }
    output.appendLineEnd()
  }

  /// Sends a part of the content. Returns when the connection has taken it.
  public nonisolated(nonsending) mutating func write(_ bytes: RawSpan) async throws(HTTPError) {
    guard bytes.byteCount > 0 else { return }
    switch progress {
    case .plain(let left):
      guard bytes.byteCount <= left else { throw .misuse(.tooMuchContent) }
      output.append(bytes)
      progress = .plain(left: left - bytes.byteCount)
    case .chunked:
      output.append(hexadecimal: bytes.byteCount)
      output.appendLineEnd()
      output.append(bytes)
      output.appendLineEnd()
    case .idle, .awaiting, .receiving: throw .misuse(.outOfOrder)
    case .failed: throw .disconnected
    }
    try await flush()
  }

  /// Ends the request.
  public nonisolated(nonsending) mutating func finish() async throws(HTTPError) {
    switch progress {
    case .plain(let left): guard left == 0 else { throw .misuse(.tooLittleContent) }
    case .chunked: output.append("0\r\n\r\n")
    case .idle, .awaiting, .receiving: throw .misuse(.outOfOrder)
    case .failed: throw .disconnected
    }
    try await flush()
    progress = .awaiting
  }

  private nonisolated(nonsending) mutating func flush() async throws(HTTPError) {
    guard !output.isEmpty else { return }
    let channel = channel
    channel.setTimeouts(read: limits.values.idleTimeout, write: limits.values.writeTimeout)
    do throws(HTTPError) {
      try await channel.write(output.bytes.bytes)
    } catch {
      progress = .failed
      throw error
    }
    output.removeAll()
  }

  // MARK: A response in parts

  /// Waits for the response's head. Interim responses are passed over (RFC 9110, 15.2).
  public nonisolated(nonsending) mutating func receive() async throws(HTTPError) -> HTTPStatus {
    guard progress != .failed else { throw .disconnected }
    guard progress == .awaiting else { throw .misuse(.outOfOrder) }
    return try await failing { client throws(HTTPError) in
      for _ in 0..<Self.interimLimit {
        let status = try await client.receiveHead()
        if status.code >= 200 {
          client.progress = .receiving
          return status
        }
      }
      throw .fault(.badStartLine)
    }
  }

  /// How many interim responses are passed over, at most. Stops: a server that never answers.
  private static var interimLimit: Int { 16 }

  private nonisolated(nonsending) mutating func receiveHead() async throws(HTTPError) -> HTTPStatus {
    head.reset()
    let start = channel.now
    while !(try parseHead()) {
      let left = limits.values.idleTimeout - (channel.now - start)
      guard left > .zero else { throw .timedOut }
      guard try await content.fill(timeout: left) else {
        throw head.hasBegun ? .fault(.incomplete) : .disconnected
      }
    }
    let line = head.line!
    do throws(HTTPFault) {
      // Switching protocols was not asked for.
      guard line.status.code != 101 else { throw HTTPFault.badStartLine }
      let facts = try HeadFacts(response: line, head.fields, isForHead: method == .head)
      if line.status.code >= 200 { keepsAlive = facts.wantsKeepAlive }
      try content.begin(facts.length)
    } catch {
      throw .fault(error)
    }
    return line.status
  }

  private mutating func parseHead() throws(HTTPError) -> Bool {
    guard !content.input.isEmpty else { return false }
    var position = 0
    do throws(HTTPFault) { try head.parse(content.input, &position) } catch { throw .fault(error) }
    content.input.removeFirst(position)
    return head.isComplete
  }

  /// The header fields of the response whose head was received last.
  public subscript(_ name: StaticString) -> Span<UInt8>? {
    @_lifetime(borrow self)
    get { head.fields[name] }
  }

  /// The value of a header field of the response as text. See `subscript(_:)`.
  public func field(_ name: StaticString) -> String? { head.fields.string(name) }

  /// Waits for the next part of the response's body.
  ///
  /// - Parameter buffer: not empty.
  /// - Returns: how many bytes there are in the buffer now; 0 at the end of the body.
  public nonisolated(nonsending) mutating func read(into buffer: inout MutableRawSpan) async throws(HTTPError) -> Int {
    guard buffer.byteCount > 0 else { throw .misuse(.emptyBuffer) }
    guard progress == .receiving else { throw .disconnected }
    do throws(HTTPError) {
      let byteCount = try await content.read(into: &buffer)
      if byteCount == 0 { progress = .idle }
      return byteCount
    } catch {
      progress = .failed
      throw error
    }
  }

  /// The value of the first trailer field with this name; nil as long as the body is not read to its end.
  public func trailer(_ name: StaticString) -> String? {
    content.isComplete ? content.decoder.chunks.trailers.string(name) : nil
  }

  private nonisolated(nonsending) mutating func skipBody() async throws(HTTPError) {
    let isRead = try await failing { client throws(HTTPError) in
      try await client.content.discard(upTo: client.limits.values.discardedByteCount)
    }
    progress = isRead ? .idle : .failed
  }

  /// Nothing can be done with a connection on which something has failed.
  private nonisolated(nonsending) mutating func failing<Result>(
    _ body: nonisolated(nonsending) (inout HTTPClient) async throws(HTTPError) -> Result
  ) async throws(HTTPError) -> Result {
    do throws(HTTPError) {
      return try await body(&self)
    } catch {
      progress = .failed
      throw error
    }
  }
}

/// A response that is in memory whole. Its fields are the client's until the next request.
public struct HTTPReply: Equatable, Sendable {
  public let status: HTTPStatus
  public let body: [UInt8]
}
