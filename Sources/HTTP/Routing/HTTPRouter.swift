/// Chooses a handler by the method and the path of a request.
///
///     var router = HTTPRouter()
///     router.get("/users/:id") { request, response throws(HTTPError) in
///       try await response.send("user \(request.parameter("id")!)\n")
///     }
///
/// A pattern is compared with the path segment by segment. One that begins with a colon is a parameter, and fits any segment
/// that is not empty; `*` as the last one fits all that is left. Any other fits the segment that stands for the same octets
/// (RFC 3986, 6.2.2.2): a pattern is plain text, `/hello world`, or percent-encoded, `/hello%20world`, which makes no difference. In a pattern, too,
/// a percent sign with two hexadecimal digits behind it stands for an octet, so that `%25` is a percent sign for certain; an
/// encoded slash, `%2F`, is part of its segment; and an encoded colon or star is nothing but that. `.` and `..`, percent-encoded or not, are
/// segments like any other. The first route that fits is taken. A path that no route
/// fits is answered with 404, a method that no fitting route has with 405 and what there is; HEAD is answered as GET is, and
/// OPTIONS with what there is.
public struct HTTPRouter: Sendable {
  private var routes: [Route] = []

  public init() {}

  /// Adds a route.
  ///
  /// - Parameter pattern: begins with a slash.
  public mutating func add(_ method: HTTPMethod, _ pattern: StaticString, _ handler: @escaping HTTPHandler) {
    routes.append(Route(method: method, pattern: RoutePattern(pattern), handler: handler))
  }

  /// Adds a route for GET, and for HEAD.
  public mutating func get(_ pattern: StaticString, _ handler: @escaping HTTPHandler) {
    add(.get, pattern, handler)
  }

  /// Adds a route for POST.
  public mutating func post(_ pattern: StaticString, _ handler: @escaping HTTPHandler) {
    add(.post, pattern, handler)
  }

  /// Adds a route for PUT.
  public mutating func put(_ pattern: StaticString, _ handler: @escaping HTTPHandler) {
    add(.put, pattern, handler)
  }

  /// Adds a route for DELETE.
  public mutating func delete(_ pattern: StaticString, _ handler: @escaping HTTPHandler) {
    add(.delete, pattern, handler)
  }

  private struct Route: Sendable {
    let method: HTTPMethod
    let pattern: RoutePattern
    let handler: HTTPHandler

    func answers(_ asked: HTTPMethod) -> Bool { method == asked || method == .get && asked == .head }
  }

  /// Answers a request with the route that it fits.
  public nonisolated(nonsending) func answer(
    _ request: inout HTTPRequest, _ response: inout HTTPResponse
  ) async throws(HTTPError) {
    var fits: [HTTPMethod] = []
    for route in routes where request.takeParameters(of: route.pattern) {
      if route.answers(request.method) {
        try await route.handler(&request, &response)
        return
      }
      if !fits.contains(route.method) { fits.append(route.method) }
    }
    guard !fits.isEmpty || request.isForServer else { throw .status(.notFound) }
    if request.isForServer { for route in routes where !fits.contains(route.method) { fits.append(route.method) } }
    // RFC 9110, 15.5.6: with what there is.
    response.status = request.method == .options ? .noContent : .methodNotAllowed
    response.add("Allow", Self.list(fits))
    try await response.send()
  }

  private static func list(_ methods: [HTTPMethod]) -> String {
    var list = "OPTIONS"
    for method in methods {
      list += ", " + method.name.description
      if method == .get { list += ", HEAD" }
    }
    return list
  }
}

/// The paths that a route is for.
struct RoutePattern: Sendable {
  /// What the route calls its parameters, in the order in which they are in the path.
  let parameterNames: [[UInt8]]
  private let segments: [Segment]

  fileprivate enum Segment: Sendable {
    /// The octets that the segment stands for.
    case literal([UInt8])
    case parameter
    case rest
  }

  init(_ text: StaticString) {
    let bytes = text.withUTF8Buffer { Array($0) }
    precondition(bytes.first == ASCII.slash, "a pattern begins with a slash")
    var names: [[UInt8]] = []
    var segments: [Segment] = []
    for segment in bytes.dropFirst().split(separator: ASCII.slash, omittingEmptySubsequences: false) {
      precondition(segments.last?.isRest != true, "a star is the last segment")
      if segment.first == ASCII.colon {
        names.append(Array(segment.dropFirst()))
        segments.append(.parameter)
      } else if segment.count == 1, segment.first == ASCII.asterisk {
        segments.append(.rest)
      } else {
        segments.append(.literal(Array(segment).span.lenientlyPercentDecoded))
      }
    }
    parameterNames = names
    self.segments = segments
  }

  /// Whether the path fits.
  ///
  /// - Parameter parameters: set to where in the path the parameters' values are.
  func matches(_ path: Span<UInt8>, _ parameters: inout [Range<Int>]) -> Bool {
    parameters.removeAll(keepingCapacity: true)
    // In front of a segment's slash.
    var position = 0
    for segment in segments {
      guard position < path.count, path[position] == ASCII.slash else { return false }
      let start = position + 1
      let end = path.firstIndex(of: ASCII.slash, from: start) ?? path.count
      switch segment {
      case .literal(let octets): guard path.extracting(start..<end).equalsPercentDecoded(octets) else { return false }
      case .parameter:
        guard start < end else { return false }
        parameters.append(start..<end)
      case .rest: return true
      }
      position = end
    }
    return position == path.count
  }
}

extension RoutePattern.Segment {
  fileprivate var isRest: Bool { if case .rest = self { true } else { false } }
}

extension HTTPRequest {
  /// Whether the request is about the server as a whole, and no path (RFC 9112, 3.2.4).
  fileprivate var isForServer: Bool { method == .options && pathBytes.equals("*") }
}
