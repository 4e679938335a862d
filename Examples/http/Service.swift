import HTTP
import Sockets

/// What the service answers.
enum Service {
  static func makeServer() -> HTTPServer {
    let counter = Counter()
    var router = HTTPRouter()
    router.get("/", greet)
    router.get("/users/:id", describeUser)
    router.post("/sum", sum)
    router.get("/count/:number", count)
    router.post("/echo", echo)
    router.get("/hits") { _, response throws(HTTPError) in
      try await response.send("\(await counter.value)\n")
    }
    router.post("/hits") { _, response throws(HTTPError) in
      try await response.send("\(await counter.increment())\n")
    }
    router.get("/metrics") { request, response throws(HTTPError) in
      try await response.send(await metrics(of: request.server), as: "text/plain; version=0.0.4")
    }
    router.post("/quit") { request, response throws(HTTPError) in
      request.server.stop()
      try await response.send("bye\n")
    }
    return HTTPServer(router: router)
  }

  private static func greet(_ request: inout HTTPRequest, _ response: inout HTTPResponse) async throws(HTTPError) {
    guard let name = request.query("name") else { return try await response.send("Hello, world!\n") }
    try await response.send("Hello, \(name)!\n")
  }

  private static func describeUser(
    _ request: inout HTTPRequest, _ response: inout HTTPResponse
  ) async throws(HTTPError) {
    guard let id = request.parameter("id") else { throw .status(.badRequest) }
    var json = JSONWriter()
    json.object { json in
      json.member("id") { $0.string(id) }
      json.member("agent") { $0.string(request.field("user-agent") ?? "") }
    }
    try await response.send(json.bytes, as: JSONWriter.type)
  }

  private static func sum(_ request: inout HTTPRequest, _ response: inout HTTPResponse) async throws(HTTPError) {
    let body = try await request.body(upTo: 64 << 10)
    var sum = 0
    do throws(JSONError) {
      for element in try JSONValue(parsing: body).elements ?? [] { sum &+= element.integer ?? 0 }
    } catch {
      response.status = .badRequest
      return try await response.send(error.description + "\n")
    }
    var json = JSONWriter()
    json.object { json in json.member("sum") { $0.number(sum) } }
    try await response.send(json.bytes, as: JSONWriter.type)
  }

  private static func count(_ request: inout HTTPRequest, _ response: inout HTTPResponse) async throws(HTTPError) {
    guard let number = request.parameter("number").flatMap({ Int($0) }), 0...1_000_000 ~= number else {
      throw .status(.badRequest)
    }
    try await response.begin(as: "text/plain")
    for line in 0..<number { try await response.write("\(line)\n") }
    try await response.finish()
  }

  /// Sends what comes back before more of it is read: a client that does not read the answer is not read from.
  private static func echo(_ request: inout HTTPRequest, _ response: inout HTTPResponse) async throws(HTTPError) {
    var buffer = [UInt8](repeating: 0, count: 32 << 10)
    var isBegun = false
    while true {
      var elements = buffer.mutableSpan
      var span = elements.mutableBytes
      let byteCount = try await request.read(into: &span)
      // Only now: the answer's head would keep a client that waits for "100 Continue" from sending.
      if !isBegun { try await response.begin(byteCount: request.contentLength) }
      isBegun = true
      guard byteCount > 0 else { break }
      try await response.write(buffer.span.bytes.extracting(0..<byteCount))
    }
    try await response.finish()
  }
}

/// Counts requests, from whatever connection they come.
actor Counter {
  private(set) var value = 0

  func increment() -> Int {
    value += 1
    return value
  }
}
