import Testing

@testable import HTTP

/// What a handler does wrong costs its request, and never the machine.
@Suite struct HandlerMisuseTests {
  /// Serves two requests, whose first one has this handler.
  ///
  /// - Returns: the status codes of the answers, how the connection ended, and what the statistics say.
  private func serve(
    _ request: String = "GET /wrong HTTP/1.1\r\nHost: h\r\n\r\n", _ handler: @escaping HTTPHandler
  ) async -> Outcome {
    let channel = MemoryChannel([request, "GET /right HTTP/1.1\r\nHost: h\r\n\r\n"])
    let server = HTTPServer { request, response throws(HTTPError) in
      if request.path == "/wrong" { return try await handler(&request, &response) }
      try await answerWithPath(&request, &response)
    }
    await server.serveAlone(channel)
    return Outcome(
      statuses: statuses(channel.written), ending: channel.ending, misuseCount: server.statistics.misuseCount,
      lastMisuse: server.statistics.lastMisuse)
  }

  private struct Outcome: Equatable {
    var statuses: [Int]
    var ending: MemoryChannel.Ending? = .closed
    var misuseCount = 1
    var lastMisuse: HTTPMisuse?

    /// Nothing was sent before the mistake: the client is told, and goes on.
    static func told(_ misuse: HTTPMisuse) -> Outcome { Outcome(statuses: [500, 200], lastMisuse: misuse) }
    /// Something was, with this status: the client must see that there is something missing.
    static func cutOff(_ misuse: HTTPMisuse, _ statuses: [Int] = [200]) -> Outcome {
      Outcome(statuses: statuses, ending: .aborted, lastMisuse: misuse)
    }
    static var fine: Outcome { Outcome(statuses: [200, 200], misuseCount: 0, lastMisuse: nil) }
  }

  @Test(arguments: [0, 1, 99, 100, 101, 199, 600, 999, 1000, .max] as [UInt16])
  func aStatusOutOfRangeIsAnError(code: UInt16) async {
    #expect(
      await serve { _, response throws(HTTPError) in
        response.status = HTTPStatus(code)
        try await response.send("text")
      } == .told(.badStatus))
    #expect(
      await serve { _, response throws(HTTPError) in
        response.status = HTTPStatus(code)
        try await response.begin()
        try await response.write("text")
      } == .told(.badStatus))
    #expect(await serve { _, response throws(HTTPError) in response.status = HTTPStatus(code) } == .told(.badStatus))
    #expect(
      await serve { _, response throws(HTTPError) in throw .status(HTTPStatus(code)) } == .told(.badStatus))
  }

  @Test func everyStatusInRangeIsSent() async {
    for code in [200, 299, 418, 599] as [UInt16] {
      let outcome = await serve { _, response throws(HTTPError) in
        response.status = HTTPStatus(code)
        try await response.send()
      }
      #expect(outcome.statuses == [Int(code), 200] && outcome.misuseCount == 0)
    }
  }

  /// What was caught is no misuse: the handler has made up for it.
  @Test func aHandlerMayCatchItsMistake() async {
    let outcome = await serve { _, response throws(HTTPError) in
      response.status = HTTPStatus(42)
      do throws(HTTPError) {
        try await response.send("text")
      } catch {
        #expect(error == .misuse(.badStatus))
        response.status = .ok
        try await response.send("text")
      }
    }
    #expect(outcome == .fine)
  }

  @Test func fieldNamesThatAreNone() async {
    for name in ["", "a b", "a:", "é", "X\r\nY", "Date", "content-length", "Transfer-Encoding", "Connection"]
      as [StaticString]
    {
      #expect(
        await serve { _, response throws(HTTPError) in
          response.add(name, "value")
          try await response.send("text")
        } == .told(.badFieldName))
      #expect(
        await serve { _, response throws(HTTPError) in
          try await response.begin()
          response.add(name, "value")
        } == .cutOff(.badFieldName))
    }
  }

  /// A type of content is a value like any other.
  @Test func typesCannotEndTheirLine() async {
    let text = await answers(to: "GET / HTTP/1.1\r\nHost: h\r\n\r\n") { _, response throws(HTTPError) in
      try await response.send("", as: "text/plain\r\nX: y")
    }
    #expect(text.contains("Content-Type: text/plain  X: y\r\n"))
  }

  @Test func fieldsThatComeTooLate() async {
    #expect(
      await serve { _, response throws(HTTPError) in
        try await response.begin(byteCount: 4)
        response.add("X", "y")
        try await response.write("text")
      } == .cutOff(.outOfOrder))
    #expect(
      await serve { _, response throws(HTTPError) in
        try await response.begin()
        try await response.finish()
        response.add("X", "y")
      } == .cutOff(.outOfOrder))
  }

  /// A client of HTTP/1.0 has no use for trailer fields, and whether a client is one is not the handler's fault.
  @Test func trailersForOldClientsAreLeftOut() async {
    let outcome = await serve("GET /wrong HTTP/1.0\r\n\r\n") { _, response throws(HTTPError) in
      try await response.begin()
      try await response.write("text")
      response.add("X-Sum", "1")
      try await response.finish()
    }
    #expect(outcome == Outcome(statuses: [200], misuseCount: 0, lastMisuse: nil))
  }

  @Test func contentOfAnotherLengthThanAnnounced() async {
    for length in [-1, .min] {
      #expect(
        await serve { _, response throws(HTTPError) in try await response.begin(byteCount: length) }
          == .told(.negativeLength))
    }
    #expect(
      await serve { _, response throws(HTTPError) in
        try await response.begin(byteCount: 3)
        try await response.write("text")
      } == .cutOff(.tooMuchContent))
    #expect(
      await serve { _, response throws(HTTPError) in
        try await response.begin(byteCount: 5)
        try await response.write("text")
      } == .cutOff(.tooLittleContent))
  }

  @Test func contentOutOfOrder() async {
    #expect(
      await serve { _, response throws(HTTPError) in try await response.write("text") } == .told(.outOfOrder))
    for again in [true, false] {
      #expect(
        await serve { _, response throws(HTTPError) in
          try await response.begin()
          try await response.finish()
          if again { try await response.begin() } else { try await response.write("text") }
        } == .cutOff(.outOfOrder))
    }
    #expect(
      await serve { _, response throws(HTTPError) in
        try await response.begin()
        try await response.send("text")
      } == .cutOff(.outOfOrder))
  }

  @Test func aBufferWithoutRoom() async {
    #expect(
      await serve("POST /wrong HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello") {
        request, _ throws(HTTPError) in
        var buffer: [UInt8] = []
        var elements = buffer.mutableSpan
        var span = elements.mutableBytes
        _ = try await request.read(into: &span)
      } == .told(.emptyBuffer))
  }

  /// How the content ends was said with the head.
  @Test func aStatusThatChangesBehindTheHead() async {
    for byteCount in [nil, 4] {
      let text = await answers(to: "GET /a HTTP/1.1\r\nHost: h\r\n\r\n") { _, response throws(HTTPError) in
        try await response.begin(byteCount: byteCount)
        response.status = .noContent
        try await response.write("text")
      }
      #expect(text.hasSuffix(byteCount == nil ? "\r\n\r\n4\r\ntext\r\n0\r\n\r\n" : "\r\n\r\ntext"))
    }
  }

  /// A handler that does not look at errors meets a client that is gone.
  @Test func aClientThatIsGoneIsNoMisuse() async {
    let channel = MemoryChannel(["GET / HTTP/1.1\r\nHost: h\r\n\r\n"], staysOpen: true)
    channel.failWrites()
    let server = HTTPServer { _, response throws(HTTPError) in
      try? await response.begin()
      response.add("X", "y")
      try? await response.write("text")
      try? await response.send("text")
      try? await response.finish()
    }
    await server.serveAlone(channel)
    #expect(channel.ending == .aborted)
    #expect(server.statistics.misuseCount == 0)
  }
}
