import Testing

@testable import HTTP

/// The client and the server talk to each other.
@Suite struct ClientTests {
  private func withClient(
    _ router: HTTPRouter, _ body: (inout HTTPClient) async throws(HTTPError) -> Void
  ) async throws(HTTPError) {
    let (near, far) = MemoryStream.pair()
    let server = HTTPServer(router: router)
    server.accept(StreamChannel(far))
    var client = HTTPClient(near, host: "test")
    try await body(&client)
  }

  private var router: HTTPRouter {
    var router = HTTPRouter()
    router.get("/hello/:name") { request, response throws(HTTPError) in
      try await response.send("Hello, \(request.parameter("name")!)!")
    }
    router.post("/echo") { request, response throws(HTTPError) in
      let body = try await request.body(upTo: 1 << 20)
      try await response.send(body, as: "text/plain")
    }
    router.get("/chunks") { _, response throws(HTTPError) in
      try await response.begin(as: "text/plain")
      for number in 0..<1000 { try await response.write("\(number),") }
      response.add("X-Count", "1000")
      try await response.finish()
    }
    router.put("/sum") { request, response throws(HTTPError) in
      var buffer = [UInt8](repeating: 0, count: 100)
      var sum = 0
      while true {
        var elements = buffer.mutableSpan
        var span = elements.mutableBytes
        let count = try await request.read(into: &span)
        guard count > 0 else { break }
        sum += buffer[..<count].reduce(0) { $0 + Int($1) }
      }
      try await response.send("\(sum)")
    }
    return router
  }

  @Test func requestsShareAConnection() async throws {
    try await withClient(router) { client throws(HTTPError) in
      for name in ["Ada", "Grace"] {
        let reply = try await client.get("/hello/\(name)")
        #expect(reply == HTTPReply(status: .ok, body: Array("Hello, \(name)!".utf8)))
        #expect(client.field("content-length") == "\(8 + name.count)")
        let isReusable = client.isReusable
        #expect(isReusable)
      }
      #expect(try await client.get("/nowhere").status == .notFound)
      let reply = try await client.post("/echo", Array("abc".utf8), as: "text/plain")
      #expect(reply.body == Array("abc".utf8))
      #expect(try await client.post("/hello/x", [], as: "text/plain").status == .methodNotAllowed)
      #expect(client.field("allow") == "OPTIONS, GET, HEAD")
      #expect(try await client.send(.head, "/hello/x", body: nil, as: nil) == HTTPReply(status: .ok, body: []))
      #expect(try await client.get("/hello/y").status == .ok)
    }
  }

  @Test func chunksGoBothWays() async throws {
    try await withClient(router) { client throws(HTTPError) in
      let reply = try await client.get("/chunks")
      #expect(reply.body == Array((0..<1000).map { "\($0)," }.joined().utf8))
      #expect(client.trailer("x-count") == "1000")
      try await client.begin(.put, "/sum", as: "text/plain")
      for _ in 0..<50 { try await client.write([UInt8](repeating: 2, count: 77).span.bytes) }
      try await client.finish()
      #expect(try await client.receive() == .ok)
      var buffer = [UInt8](repeating: 0, count: 100)
      var elements = buffer.mutableSpan
      var span = elements.mutableBytes
      let count = try await client.read(into: &span)
      #expect(String(decoding: buffer[..<count], as: UTF8.self) == "\(50 * 77 * 2)")
      // What was not read of the last response does not matter.
      try await client.begin(.get, "/chunks", as: nil)
      try await client.finish()
      #expect(try await client.receive() == .ok)
      #expect(try await client.get("/hello/z").body == Array("Hello, z!".utf8))
    }
  }

  @Test func aServerThatIsNone() async {
    for (text, expected) in [
      ("SSH-2.0\r\n", HTTPError.fault(.badStartLine)), ("", .disconnected),
      ("HTTP/1.1 200 OK\r\nX", .fault(.incomplete)),
      ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc", .fault(.incomplete)),
      ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nabc", .fault(.badTransferEncoding)),
      ("HTTP/1.1 200 OK\r\nContent-Length: 12345678901234567890123\r\n\r\nabc", .fault(.bodyTooLarge)),
      ("HTTP/1.1 200 OK\r\nContent-Length: 1234567890123456789012x\r\n\r\nabc", .fault(.badContentLength)),
      (
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n12345678901234567890123\r\nabc",
        .fault(.bodyTooLarge)
      ),
      (String(repeating: "HTTP/1.1 100 Continue\r\n\r\n", count: 50), .fault(.badStartLine)),
      ("HTTP/1.1 101 Switching Protocols\r\n\r\n", .fault(.badStartLine)),
    ] {
      var client = HTTPClient(channel: MemoryChannel([text]), host: "test", limits: HTTPLimits())
      var failure: HTTPError?
      do throws(HTTPError) { _ = try await client.get("/") } catch { failure = error }
      let isReusable = client.isReusable
      #expect(failure == expected, "\(text)")
      #expect(!isReusable)
    }
  }

  /// Another answer than was asked for is none to what is asked next (RFC 9112, 9.2).
  @Test func whatWasNotAskedForEndsTheConnection() async throws {
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    for surplus in [answer, "\r\n", "x"] {
      let channel = MemoryChannel([answer + surplus, answer])
      var client = HTTPClient(channel: channel, host: "test", limits: HTTPLimits())
      #expect(try await client.get("/").body == Array("ok".utf8))
      let isReusable = client.isReusable
      #expect(!isReusable)
      var failure: HTTPError?
      do throws(HTTPError) { _ = try await client.get("/") } catch { failure = error }
      #expect(failure == .disconnected)
      #expect(channel.written == "GET / HTTP/1.1\r\nHost: test\r\n\r\n")
    }
  }

  /// Nothing that somebody else has chosen ends a line.
  @Test func targetsThatAreNoneAreNotSent() async throws {
    let channel = MemoryChannel(["HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"])
    var client = HTTPClient(channel: channel, host: "test", limits: HTTPLimits())
    for target in ["", "a", "/a b", "/\r\nX: y", "/\u{e9}", "/a#b", "*", "http://other/", "/100%", "/%zz?q"] {
      var failure: HTTPError?
      do throws(HTTPError) { _ = try await client.get(target) } catch { failure = error }
      #expect(failure == .fault(.badTarget), "\(target)")
    }
    #expect(channel.written == "")
    #expect(try await client.send(.options, "*", body: nil, as: nil).status == .ok)
  }

  @Test func thatThereIsNoContentIsSaidWhereThereCouldBe() async throws {
    for (method, line) in [(HTTPMethod.post, "Content-Length: 0\r\n"), (.put, "Content-Length: 0\r\n"), (.delete, "")] {
      let channel = MemoryChannel(["HTTP/1.1 204 No Content\r\n\r\n"])
      var client = HTTPClient(channel: channel, host: "test", limits: HTTPLimits())
      #expect(try await client.send(method, "/a", body: nil, as: nil).status == .noContent)
      #expect(channel.written == "\(method.name) /a HTTP/1.1\r\nHost: test\r\n\(line)\r\n")
    }
  }

  @Test func aBodyThatEndsWithTheConnection() async throws {
    let channel = MemoryChannel(["HTTP/1.1 103 Early\r\n\r\nHTTP/1.1 200 OK\r\n\r\nabc", "def"])
    var client = HTTPClient(channel: channel, host: "test", limits: HTTPLimits())
    #expect(try await client.get("/a?b").body == Array("abcdef".utf8))
    let isReusable = client.isReusable
    #expect(!isReusable)
    #expect(channel.written == "GET /a?b HTTP/1.1\r\nHost: test\r\n\r\n")
  }
}
