/// A request that a server has received.
///
/// It is in the connection's memory, which the next request uses again: a handler has it only while it runs.
public struct HTTPRequest: ~Copyable, Sendable {
  /// The server that has received it.
  public let server: HTTPServer

  let channel: ByteChannel
  var head: HeadParser<RequestLine>
  var facts: HeadFacts?
  var content: ContentReader
  /// Where in the path the values of the route's parameters are, and their names.
  private var parameters: [Range<Int>] = []
  private var parameterNames: [[UInt8]] = []

  init(_ channel: ByteChannel, _ server: HTTPServer) {
    self.channel = channel
    self.server = server
    head = HeadParser(server.limits.values)
    content = ContentReader(channel, server.limits)
  }

  /// Handlers see no request before its head is complete.
  private var line: RequestLine { head.line! }

  public var method: HTTPMethod { line.method }

  /// The path, as it was sent: percent-encoded, with two digits behind every percent sign. Begins with a slash, or is `*`.
  public var pathBytes: Span<UInt8> {
    @_lifetime(borrow self)
    get { head.fields.text.bytes.extracting(line.target.path) }
  }

  /// The path as text; see `pathBytes`.
  public var path: String { String(repairing: pathBytes) }

  /// The value of a parameter of the route, with percent signs replaced by what they stand for. That may be any text: slashes
  /// are in it where they were sent as `%2F`, and it may be `..`. It is no name of a file before it was looked at.
  ///
  /// - Returns: nil if the route has none with this name, or if what the segment stands for is not UTF-8.
  public func parameter(_ name: StaticString) -> String? {
    for (index, parameterName) in parameterNames.enumerated() where parameterName.span.equals(name) {
      return pathBytes.extracting(parameters[index]).percentDecoded(plusIsSpace: false)
    }
    return nil
  }

  /// Whether the path fits a route's pattern; if so, the parameters are what the path says, and otherwise there are none.
  mutating func takeParameters(of pattern: RoutePattern) -> Bool {
    var parameters = parameters
    self.parameters = []
    let fits = pattern.matches(pathBytes, &parameters)
    self.parameters = parameters
    parameterNames = pattern.parameterNames
    if !fits { forgetParameters() }
    return fits
  }

  mutating func forgetParameters() {
    parameters.removeAll(keepingCapacity: true)
    parameterNames = []
  }

  /// The value that the query has for a name, as forms send it: `name=value&name=value`, with plus signs for spaces.
  ///
  /// - Returns: nil if the name is not there, or if what was sent is not UTF-8; the first value if it is there twice.
  public func query(_ name: StaticString) -> String? {
    guard let range = line.target.query else { return nil }
    let query = head.fields.text.bytes.extracting(range)
    var start = 0
    while start < query.count {
      let end = query.firstIndex(of: ASCII.ampersand, from: start) ?? query.count
      let item = query.extracting(start..<end)
      let equals = item.firstIndex(of: ASCII.equals) ?? item.count
      if item.extracting(0..<equals).equals(name) {
        return item.extracting(min(equals + 1, item.count)..<item.count).percentDecoded(plusIsSpace: true)
      }
      start = end + 1
    }
    return nil
  }

  /// The host and the port that the request is for, as they were sent (RFC 9110, 7.2); empty if the client said nothing.
  public var host: Span<UInt8> {
    @_lifetime(borrow self)
    get { head.fields.text.bytes.extracting(line.target.authority ?? facts?.host ?? 0..<0) }
  }

  /// How many header fields there are.
  public var fieldCount: Int { head.fields.count }

  /// A header field's name, as it was sent.
  ///
  /// - Parameter index: 0 or more, below `fieldCount`.
  public func fieldName(at index: Int) -> String { String(repairing: head.fields[nameAt: index]) }

  /// A header field's value. See `fieldName(at:)`.
  public func fieldValue(at index: Int) -> String { String(repairing: head.fields[valueAt: index]) }

  /// The value of the first header field with this name, in any combination of cases.
  public subscript(_ name: StaticString) -> Span<UInt8>? {
    @_lifetime(borrow self)
    get { head.fields[name] }
  }

  /// The value of the first header field with this name as text; bytes that are no UTF-8 are repaired.
  public func field(_ name: StaticString) -> String? { head.fields.string(name) }

  /// The length of the body in bytes, if it was sent in front of it.
  public var contentLength: Int? {
    if case .bytes(let count) = facts?.length { count } else { nil }
  }

  // MARK: The body

  /// Waits for the next part of the body.
  ///
  /// - Parameter buffer: not empty, which throws `misuse(.emptyBuffer)`.
  /// - Returns: how many bytes there are in the buffer now; 0 at the end of the body.
  public nonisolated(nonsending) mutating func read(into buffer: inout MutableRawSpan) async throws(HTTPError) -> Int {
    guard buffer.byteCount > 0 else { throw .misuse(.emptyBuffer) }
    return try await content.read(into: &buffer)
  }

  /// Waits for all that is left of the body.
  ///
  /// - Throws: `fault(.bodyTooLarge)` for more than `limit` bytes, which is answered with 413.
  public nonisolated(nonsending) mutating func body(upTo limit: Int) async throws(HTTPError) -> [UInt8] {
    if let contentLength, contentLength > limit { throw .fault(.bodyTooLarge) }
    return try await content.collect(upTo: limit)
  }

  /// The value of the first trailer field with this name; nil as long as the body is not read to its end.
  public func trailer(_ name: StaticString) -> String? {
    content.isComplete ? content.decoder.chunks.trailers.string(name) : nil
  }
}
