/// The answer to a request, which a handler writes: status and fields first, then the content, whole or in parts.
///
///     response.status = .created
///     response.add("Location", "/notes/1")
///     try await response.send("made\n")
///
/// What HTTP does not allow throws `HTTPError.misuse`, and sends nothing; a handler that goes on from that must make up for it.
/// A handler that sends nothing has sent an empty answer. `Date`, `Content-Length`, `Transfer-Encoding` and `Connection` are
/// the response's own business.
public struct HTTPResponse: ~Copyable, Sendable {
  /// How the request went: 200 to 599.
  public var status = HTTPStatus.ok

  let channel: ByteChannel
  /// What is not written to the stream yet: of this response, and of the ones before it.
  var output = ByteBuffer(firstCapacity: 1024)
  /// The fields that were added, as they will be sent.
  private var fields = ByteBuffer(firstCapacity: 128)
  private var date = HTTPDate()
  private(set) var progress = Progress.open
  /// What is wrong with a field that was added: there is no answer without it, and none with it.
  private var misuse: HTTPMisuse?
  /// Whether the request's method was HEAD: everything is as for GET, and no content is sent (RFC 9110, 9.3.2).
  private var isForHead = false
  private var version = HTTPVersion.http11
  /// Whether the response that has begun has content, as its head says.
  private var sendsContent = true
  /// Whether this is the last response of the connection.
  private(set) var closes = false

  enum Progress: Equatable {
    /// Nothing is sent.
    case open
    /// The head is sent, and there is content to come: so many bytes, chunks, or anything until the connection ends.
    case plain(left: Int), chunked, untilEnd
    /// The connection is used up; the other side must see that there is something missing.
    case failed
    case complete
  }

  init(_ channel: ByteChannel) { self.channel = channel }

  /// Content up to this size is copied behind the head, so that both are written at once; what is not written yet is
  /// written when it is more.
  static var copiedByteCount: Int { 16 << 10 }

  /// Begins the answer to a request.
  mutating func begin(isForHead: Bool, version: HTTPVersion, closes: Bool) {
    self.isForHead = isForHead
    self.version = version
    self.closes = closes
    reset()
  }

  /// Forgets what a handler has prepared.
  mutating func reset() {
    status = .ok
    fields.removeAll()
    misuse = nil
    progress = .open
  }

  // MARK: Fields

  /// Adds a header field; once the content has begun, without a length, a trailer field. A client of HTTP/1.0 gets no trailer
  /// fields. A field that cannot be sent, or comes too late, makes whatever ends the answer throw: `misuse(.badFieldName)` or
  /// `misuse(.outOfOrder)`.
  ///
  /// - Parameters:
  ///   - name: a token (RFC 9110, 5.1), and none of those that are the response's own business.
  ///   - value: control characters in it become spaces, so that no value can end its line.
  public mutating func add(_ name: StaticString, _ value: String) {
    guard Self.isAllowed(name) else { return misuse = .badFieldName }
    switch progress {
    case .open, .chunked:
      fields.append(name)
      fields.append(": ")
      for byte in value.utf8 { fields.append(byte.isFieldCharacter ? byte : ASCII.space) }
      fields.appendLineEnd()
    case .untilEnd, .failed: return
    case .plain, .complete: misuse = .outOfOrder
    }
  }

  private static func isAllowed(_ name: StaticString) -> Bool {
    name.withUTF8Buffer { buffer in
      let name = buffer.span
      for index in 0..<name.count where !name[index].isTokenCharacter { return false }
      return !name.isEmpty && !name.equalsIgnoringCase("date") && !name.equalsIgnoringCase("connection")
        && !name.equalsIgnoringCase("content-length") && !name.equalsIgnoringCase("transfer-encoding")
    }
  }

  // MARK: Whole content

  /// Sends the answer, with this text as its content.
  ///
  /// - Parameter type: of the content (RFC 9110, 8.3).
  public nonisolated(nonsending) mutating func send(
    _ text: String, as type: StaticString = "text/plain; charset=utf-8"
  ) async throws(HTTPError) {
    let byteCount = text.utf8.count
    try appendHead(type, .plain(left: byteCount))
    if sendsContent { output.append(text) }
    progress = .complete
    try await flushIfLarge()
  }

  /// Sends the answer, with these bytes as its content. See `send(_:as:)`.
  public nonisolated(nonsending) mutating func send(
    _ bytes: RawSpan, as type: StaticString = "application/octet-stream"
  ) async throws(HTTPError) {
    try appendHead(type, .plain(left: bytes.byteCount))
    progress = .complete
    if sendsContent { try await put(bytes) }
  }

  /// Sends the answer, with these bytes as its content. See `send(_:as:)`.
  public nonisolated(nonsending) mutating func send(
    _ bytes: [UInt8], as type: StaticString = "application/octet-stream"
  ) async throws(HTTPError) {
    try await send(bytes.span.bytes, as: type)
  }

  /// Sends the answer without content.
  public nonisolated(nonsending) mutating func send() async throws(HTTPError) {
    try appendHead(nil, .plain(left: 0))
    progress = .complete
  }

  // MARK: Content in parts

  /// Sends the answer's head. `write` sends the content, part by part, and `finish` ends it.
  ///
  /// - Parameter byteCount: how long the content will be, exactly, 0 or more; nil if that is not known yet.
  public nonisolated(nonsending) mutating func begin(
    as type: StaticString = "application/octet-stream", byteCount: Int? = nil
  ) async throws(HTTPError) {
    if let byteCount, byteCount < 0 { throw .misuse(.negativeLength) }
    let length = byteCount.map { Progress.plain(left: $0) } ?? (version == .http11 ? .chunked : .untilEnd)
    try appendHead(type, length)
    progress = length
    try await flush()
  }

  /// Sends a part of the content. Returns when the connection has taken it: who writes more than the other side reads waits.
  public nonisolated(nonsending) mutating func write(_ bytes: RawSpan) async throws(HTTPError) {
    guard bytes.byteCount > 0 else { return }
    switch progress {
    case .plain(let left):
      guard bytes.byteCount <= left else { throw .misuse(.tooMuchContent) }
      progress = .plain(left: left - bytes.byteCount)
      if sendsContent { try await put(bytes) }
    case .chunked where sendsContent:
      output.append(hexadecimal: bytes.byteCount)
      output.appendLineEnd()
      try await put(bytes)
      output.appendLineEnd()
    case .untilEnd where sendsContent: try await put(bytes)
    case .chunked, .untilEnd: return
    case .open, .complete: throw .misuse(.outOfOrder)
    case .failed: throw .disconnected
    }
    try await flush()
  }

  /// Sends a part of the content. See `write(_:)`.
  public nonisolated(nonsending) mutating func write(_ bytes: [UInt8]) async throws(HTTPError) {
    try await write(bytes.span.bytes)
  }

  /// Sends a part of the content. See `write(_:)`.
  public nonisolated(nonsending) mutating func write(_ text: String) async throws(HTTPError) {
    try await write(Array(text.utf8))
  }

  /// Ends content that was sent in parts. A handler that returns without it has done so, too.
  public nonisolated(nonsending) mutating func finish() async throws(HTTPError) {
    if progress != .failed, let misuse { throw .misuse(misuse) }
    switch progress {
    case .open: try await send()
    case .plain(let left):
      guard left == 0 else { throw .misuse(.tooLittleContent) }
      progress = .complete
    case .chunked:
      if sendsContent {
        output.append("0\r\n")
        output.append(contentsOf: fields)
        output.appendLineEnd()
      }
      progress = .complete
    case .untilEnd: progress = .complete
    case .complete, .failed: break
    }
  }

  // MARK: Output

  private mutating func appendHead(_ type: StaticString?, _ length: Progress) throws(HTTPError) {
    guard progress != .failed else { throw .disconnected }
    guard progress == .open else { throw .misuse(.outOfOrder) }
    if let misuse { throw .misuse(misuse) }
    guard status.isFinal else { throw .misuse(.badStatus) }
    sendsContent = !isForHead && !status.forbidsContent
    if channel.owesContinue || channel.life.isEnding { closes = true }
    // Whether a client that waits for it sends the body now is not known: the connection ends here.
    channel.owesContinue = false
    if length == .untilEnd { closes = true }
    // A server says what it can, whatever the request's version is (RFC 9110, 6.2).
    output.append("HTTP/1.1 ")
    output.append(decimal: Int(status.code))
    output.append(ASCII.space)
    output.append(status.reason)
    output.append("\r\nDate: ")
    date.update()
    date.append(to: &output)
    output.appendLineEnd()
    output.append(contentsOf: fields)
    fields.removeAll()
    if let type, !status.forbidsContent {
      output.appendContentType(type)
    }
    if !status.forbidsContent { appendLength(length) }
    if closes {
      output.append("Connection: close\r\n")
    } else if version == .http10 {
      output.append("Connection: keep-alive\r\n")
    }
    output.appendLineEnd()
  }

  private mutating func appendLength(_ length: Progress) {
    switch length {
    case .plain(let byteCount):
      output.append("Content-Length: ")
      output.append(decimal: byteCount)
      output.appendLineEnd()
    case .chunked: output.append("Transfer-Encoding: chunked\r\n")
    case .untilEnd, .open, .failed, .complete: break
    }
  }

  /// Writes bytes behind what is not written yet, now or later.
  private nonisolated(nonsending) mutating func put(_ bytes: RawSpan) async throws(HTTPError) {
    if bytes.byteCount <= Self.copiedByteCount {
      output.append(bytes)
      try await flushIfLarge()
    } else {
      try await flush()
      do throws(HTTPError) {
        try await channel.write(bytes)
      } catch {
        progress = .failed
        throw error
      }
    }
  }

  private nonisolated(nonsending) mutating func flushIfLarge() async throws(HTTPError) {
    if output.count > Self.copiedByteCount { try await flush() }
  }

  /// Hands over what is not written yet.
  nonisolated(nonsending) mutating func flush() async throws(HTTPError) {
    guard !output.isEmpty else { return }
    let channel = channel
    do throws(HTTPError) {
      try await channel.write(output.bytes.bytes)
    } catch {
      progress = .failed
      throw error
    }
    output.removeAll()
  }

  /// Gives memory back that an unusually large response took.
  mutating func shrink() {
    output.shrink()
    fields.shrink()
  }
}
