import Testing

@testable import HTTP

/// What a program does wrong with its client is an error of the call.
@Suite struct ClientMisuseTests {
  /// What a call throws.
  private func failure(
    _ channel: MemoryChannel = MemoryChannel([]), host: String = "test",
    _ body: (inout HTTPClient) async throws(HTTPError) -> Void
  ) async -> HTTPError? {
    var client = HTTPClient(channel: channel, host: host, limits: HTTPLimits())
    do throws(HTTPError) {
      try await body(&client)
      return nil
    } catch {
      return error
    }
  }

  @Test func whatIsNoRequestIsNotSent() async {
    let channel = MemoryChannel([])
    for method in [HTTPMethod.other, .connect] {
      let found = await failure(channel) { client throws(HTTPError) in try await client.begin(method, "/") }
      #expect(found == .fault(.unsupportedMethod))
    }
    for host in ["a b", "a\r\nX: y", "a/b", "u@a", "a%", "é"] {
      let found = await failure(channel, host: host) { client throws(HTTPError) in _ = try await client.get("/") }
      #expect(found == .fault(.badHost), "\(host)")
    }
    for length in [-1, .min] {
      let found = await failure(channel) { client throws(HTTPError) in
        try await client.begin(.put, "/", as: "text/plain", byteCount: length)
      }
      #expect(found == .misuse(.negativeLength))
    }
    #expect(channel.written == "")
  }

  @Test func typesCannotEndTheirLine() async {
    let channel = MemoryChannel(["HTTP/1.1 204 No Content\r\n\r\n"])
    let found = await failure(channel) { client throws(HTTPError) in
      _ = try await client.post("/", [], as: "text/plain\r\nX: y")
    }
    #expect(found == nil)
    #expect(channel.written.contains("Content-Type: text/plain  X: y\r\n"))
  }

  @Test func contentOfAnotherLengthThanAnnounced() async {
    var found = await failure { client throws(HTTPError) in
      try await client.begin(.put, "/", as: "text/plain", byteCount: 3)
      try await client.write(Array("text".utf8).span.bytes)
    }
    #expect(found == .misuse(.tooMuchContent))
    // Nothing is lost: the rest may still come.
    found = await failure(MemoryChannel(["HTTP/1.1 204 No Content\r\n\r\n"])) { client throws(HTTPError) in
      try await client.begin(.put, "/", as: "text/plain", byteCount: 4)
      try await client.write(Array("te".utf8).span.bytes)
      do throws(HTTPError) { try await client.finish() } catch { #expect(error == .misuse(.tooLittleContent)) }
      try await client.write(Array("xt".utf8).span.bytes)
      try await client.finish()
      #expect(try await client.receive() == .noContent)
    }
    #expect(found == nil)
  }

  @Test func callsOutOfOrder() async {
    var found = await failure { client throws(HTTPError) in try await client.write(Array("text".utf8).span.bytes) }
    #expect(found == .misuse(.outOfOrder))
    found = await failure { client throws(HTTPError) in try await client.finish() }
    #expect(found == .misuse(.outOfOrder))
    found = await failure { client throws(HTTPError) in _ = try await client.receive() }
    #expect(found == .misuse(.outOfOrder))
    found = await failure { client throws(HTTPError) in
      try await client.begin(.put, "/", as: "text/plain")
      try await client.begin(.get, "/")
    }
    #expect(found == .misuse(.outOfOrder))
  }

  /// A program that does not look at errors meets a server that is gone.
  @Test func aServerThatIsGoneIsNoMisuse() async {
    let channel = MemoryChannel([])
    channel.failWrites()
    let found = await failure(channel) { client throws(HTTPError) in
      try? await client.begin(.put, "/", as: "text/plain")
      try? await client.write(Array("text".utf8).span.bytes)
      try? await client.finish()
      _ = try await client.receive()
    }
    #expect(found == .disconnected)
  }
}
