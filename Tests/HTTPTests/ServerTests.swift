import TaskGate
import Testing

@testable import HTTP

@Suite struct ServerTests {
  @Test func answersWithOneWrite() async {
    let channel = MemoryChannel(["GET /a HTTP/1.1\r\nHost: h\r\n\r\n"])
    await HTTPServer(handler: answerWithPath).serveAlone(channel)
    #expect(
      withoutDates(channel.written)
        == "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 7\r\n\r\nGET /a\n")
    #expect(channel.writeCount == 1)
    #expect(channel.ending == .closed)
  }

  /// Requests that came together are answered together, in their order.
  @Test func pipelinedRequestsAreAnsweredInOrder() async {
    let requests = (0..<10).map { "GET /\($0) HTTP/1.1\r\nHost: h\r\n\r\n" }.joined()
    let channel = MemoryChannel([requests])
    await HTTPServer(handler: answerWithPath).serveAlone(channel)
    let bodies = channel.written.split(separator: "\r\n\r\n").dropFirst().map { $0.prefix { $0 != "\n" } }
    #expect(bodies == (0..<10).map { "GET /\($0)" })
    #expect(channel.writeCount == 1)
  }

  @Test func everySplitOfRequestsGivesTheSameAnswers() async {
    let text = goodRequests[5] + goodRequests[6] + goodRequests[9] + badRequests[0].0
    let handler: HTTPHandler = { request, response throws(HTTPError) in
      let body = try await request.body(upTo: 1000)
      try await response.send(
        "\(request.path) \(String(decoding: body, as: UTF8.self)) \(request.trailer("x-sum") ?? "-")")
    }
    let whole = await answers(to: text, handler: handler)
    #expect(statuses(whole) == [200, 200, 200, 200, 200, 400])
    for index in text.indices {
      let split = await answers(to: String(text[..<index]), String(text[index...]), handler: handler)
      #expect(split == whole)
    }
  }

  @Test func faultsAreAnsweredAndEndTheConnection() async {
    for (request, fault) in badRequests where request.hasSuffix("\r\n") {
      let text = await answers(to: request + "GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n") {
        request, response throws(HTTPError) in
        _ = try await request.body(upTo: 1 << 20)
        try await answerWithPath(&request, &response)
      }
      #expect(statuses(text) == [Int(fault.status.code)], "\(request)")
      #expect(!text.contains("smuggled"))
      #expect(text.contains("\r\nConnection: close\r\n"))
    }
  }

  @Test func unknownMethodsAreNotImplemented() async {
    for method in ["BREW", "CONNECT"] {
      let target = method == "BREW" ? "/" : "h:80"
      #expect(statuses(await answers(to: "\(method) \(target) HTTP/1.1\r\nHost: h\r\n\r\n")) == [501])
    }
  }

  @Test func limitsHaveTheirOwnStatus() async {
    let long = String(repeating: "a", count: 20_000)
    #expect(statuses(await answers(to: "GET /\(long) HTTP/1.1\r\nHost: h\r\n\r\n")) == [414])
    #expect(statuses(await answers(to: "GET / HTTP/1.1\r\nHost: h\r\nX: \(long)\r\n\r\n")) == [431])
    let many = String(repeating: "X: y\r\n", count: 200)
    #expect(statuses(await answers(to: "GET / HTTP/1.1\r\nHost: h\r\n\(many)\r\n")) == [431])
    #expect(
      statuses(await answers(to: "PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999999\r\n\r\n")) == [413])
    for fields in [
      "Content-Length: 12345678901234567890123\r\n\r\n",
      "Transfer-Encoding: chunked\r\n\r\n12345678901234567890123\r\n",
    ] {
      let text = await answers(to: "PUT / HTTP/1.1\r\nHost: h\r\n\(fields)") { request, response throws(HTTPError) in
        _ = try await request.body(upTo: 1 << 20)
        try await response.send()
      }
      #expect(statuses(text) == [413])
    }
    #expect(statuses(await answers(to: "GET / HTTP/3.0\r\nHost: h\r\n\r\n")) == [505])
  }

  /// A handler that wants less than was sent.
  @Test func bodiesThatAreTooLargeForTheHandler() async {
    let handler: HTTPHandler = { request, response throws(HTTPError) in
      _ = try await request.body(upTo: 4)
      try await response.send()
    }
    #expect(
      statuses(await answers(to: "PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello", handler: handler))
        == [413])
    #expect(
      statuses(
        await answers(
          to: "PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
          handler: handler)) == [413])
  }

  @Test func headIsGetWithoutContent() async {
    let text = await answers(to: "HEAD /a HTTP/1.1\r\nHost: h\r\n\r\nHEAD /b HTTP/1.1\r\nHost: h\r\n\r\n") {
      request, response throws(HTTPError) in
      guard request.path == "/a" else { return try await response.send("content") }
      try await response.begin()
      try await response.write("content")
    }
    #expect(
      text == """
        HTTP/1.1 200 OK\r
        Content-Type: application/octet-stream\r
        Transfer-Encoding: chunked\r
        \r
        HTTP/1.1 200 OK\r
        Content-Type: text/plain; charset=utf-8\r
        Content-Length: 7\r
        \r\n
        """)
  }

  /// A client that has sent HEAD takes whatever comes behind the head for the next response.
  @Test func headIsRefusedWithoutContent() async {
    for request in ["HEAD / HTTP/1.1\r\n\r\n", "HEAD / HTTP/1.1\r\nHost: h\r\nX : y\r\n\r\n"] {
      let text = await answers(to: request)
      #expect(statuses(text) == [400])
      #expect(text.hasSuffix("Connection: close\r\n\r\n") && !text.contains("Content-Length: 0\r\n"))
    }
  }

  /// Whatever else is spoken of, the connection stays what it is (RFC 9110, 7.8).
  @Test func upgradesAreIgnored() async {
    let text = await answers(
      to: """
        GET /a HTTP/1.1\r
        Host: h\r
        Connection: Upgrade, HTTP2-Settings\r
        Upgrade: h2c\r
        HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r
        \r
        GET /b HTTP/1.1\r
        Host: h\r
        Connection: Upgrade\r
        Upgrade: websocket\r
        \r
        PRI * HTTP/2.0\r
        \r
        SM\r
        \r\n
        """)
    #expect(statuses(text) == [200, 200, 505])
  }

  /// The target says more than the field does (RFC 9112, 3.2.2), and only what can be meant for this server is answered.
  @Test func absoluteTargets() async {
    let handler: HTTPHandler = { request, response throws(HTTPError) in
      try await response.send("\(String(repairing: request.host)) \(request.path)\n")
    }
    let text = await answers(
      to: "GET http://first:80/a HTTP/1.1\r\nHost: second\r\n\r\nGET /b HTTP/1.1\r\nHost: second\r\n\r\n",
      "GET https://first/c HTTP/1.1\r\nHost: first\r\n\r\n", handler: handler)
    #expect(statuses(text) == [200, 200, 421])
    #expect(text.contains("first:80 /a\n") && text.contains("second /b\n"))
  }

  @Test func everyAnswerHasADate() async {
    let channel = MemoryChannel(["GET /a HTTP/1.1\r\nHost: h\r\n\r\nHEAD /b HTTP/1.1\r\nHost: h\r\n\r\nBAD\r\n"])
    await HTTPServer(handler: answerWithPath).serveAlone(channel)
    #expect(statuses(channel.written) == [200, 200, 400])
    #expect(channel.written.components("\r\nDate: ").count == 4)
  }

  @Test func continueIsSentWhenTheBodyIsAskedFor() async {
    let channel = MemoryChannel(
      ["PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nExpect: 100-Continue\r\n\r\n"], staysOpen: true)
    let server = HTTPServer { request, response throws(HTTPError) in
      let body = try await request.body(upTo: 10)
      try await response.send("got \(body.count)\n")
    }
    async let served: Void = server.serveAlone(channel)
    await channel.waitUntilIdle()
    #expect(channel.written == "HTTP/1.1 100 Continue\r\n\r\n")
    channel.send("hello")
    channel.finish()
    await served
    #expect(statuses(channel.written) == [100, 200])
    #expect(!channel.written.contains("Connection: close"))
  }

  /// Whether the body still comes cannot be known.
  @Test func aBodyThatWasNotAskedForEndsTheConnection() async {
    let text = await answers(to: "PUT /a HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
    #expect(statuses(text) == [200])
    #expect(text.contains("Connection: close\r\n"))
  }

  @Test func whatAHandlerDoesNotReadIsSkipped() async {
    let text = await answers(
      to: "PUT /a HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhelloGET /b HTTP/1.1\r\nHost: h\r\n\r\n")
    #expect(statuses(text) == [200, 200])
    #expect(text.hasSuffix("GET /b\n"))
    var limits = HTTPLimits()
    limits.discardedByteCount = 4
    let cut = await answers(
      to: "PUT /a HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhelloGET /b HTTP/1.1\r\nHost: h\r\n\r\n",
      limits: limits)
    #expect(statuses(cut) == [200])
  }

  /// What is wrong with a body that nobody wanted is no reason to lose the answer that was sent before.
  @Test func aBadBodyBehindAnAnswerEndsTheConnection() async {
    let channel = MemoryChannel([
      "POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nX\r\nGET /b HTTP/1.1\r\nHost: h\r\n\r\n"
    ])
    await HTTPServer(handler: answerWithPath).serveAlone(channel)
    #expect(statuses(channel.written) == [200])
    #expect(channel.written.hasSuffix("POST /a\n"))
    #expect(channel.hasFinishedWriting && channel.ending == .closed)
  }

  @Test func http10() async {
    let old = await answers(to: "GET /a HTTP/1.0\r\n\r\nGET /b HTTP/1.0\r\n\r\n")
    #expect(statuses(old) == [200])
    #expect(old.contains("Connection: close\r\n"))
    let kept = await answers(
      to: "GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /b HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
    #expect(statuses(kept) == [200, 200])
    #expect(kept.contains("Connection: keep-alive\r\n"))
    let streamed = await answers(to: "GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n") {
      _, response throws(HTTPError) in
      try await response.begin()
      try await response.write("one")
      try await response.write("two")
    }
    #expect(streamed.hasSuffix("\r\nConnection: close\r\n\r\nonetwo"))
    #expect(!streamed.contains("chunked"))
  }

  @Test func chunksAndTrailersAreSent() async {
    let text = await answers(to: "GET / HTTP/1.1\r\nHost: h\r\n\r\n") { _, response throws(HTTPError) in
      response.add("Trailer", "X-Sum")
      try await response.begin(as: "text/plain")
      try await response.write("hello")
      try await response.write("")
      try await response.write(String(repeating: "x", count: 20))
      response.add("X-Sum", "25")
      try await response.finish()
    }
    #expect(
      text.hasSuffix(
        "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n14\r\n\(String(repeating: "x", count: 20))\r\n0\r\nX-Sum: 25\r\n\r\n"
      ))
  }

  @Test func valuesCannotEndTheirLine() async {
    let text = await answers(to: "GET / HTTP/1.1\r\nHost: h\r\n\r\n") { _, response throws(HTTPError) in
      response.add("Location", "/x\r\nSet-Cookie: a=b\u{0}")
      try await response.send()
    }
    #expect(text.contains("Location: /x  Set-Cookie: a=b \r\n"))
  }

  @Test func whatAHandlerThrowsIsAnswered() async {
    let text = await answers(to: "GET /a HTTP/1.1\r\nHost: h\r\n\r\nGET /b HTTP/1.1\r\nHost: h\r\n\r\n") {
      request, response throws(HTTPError) in
      response.add("X-Prepared", "1")
      if request.path == "/a" { throw .status(.forbidden) }
      try await response.send("b")
    }
    #expect(statuses(text) == [403, 200])
    #expect(text.components("X-Prepared").count == 2)
  }

  /// The client must not take half a response for a whole one.
  @Test func aHandlerThatFailsHalfWayAbortsTheConnection() async {
    for fails in [true, false] {
      let channel = MemoryChannel(["GET / HTTP/1.1\r\nHost: h\r\n\r\n"], staysOpen: true)
      await HTTPServer { _, response throws(HTTPError) in
        try await response.begin(byteCount: 10)
        try await response.write("hello")
        if fails { throw .status(.internalServerError) }
      }.serveAlone(channel)
      #expect(channel.ending == .aborted)
      #expect(statuses(channel.written) == [200])
    }
  }

  @Test func aClientThatIsGoneEndsTheHandler() async {
    let channel = MemoryChannel(["GET / HTTP/1.1\r\nHost: h\r\n\r\n"], staysOpen: true)
    channel.failWrites()
    await HTTPServer { _, response throws(HTTPError) in
      try await response.begin()
      while true { try await response.write("more") }
    }.serveAlone(channel)
    #expect(channel.ending == .aborted)
  }

  @Test func aLargeUploadIsReadInParts() async {
    let size = 300_000
    let pieces =
      ["PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: \(size)\r\n\r\n"]
      + (0..<300).map { String(repeating: "\($0 % 10)", count: 1000) }
    let channel = MemoryChannel(pieces)
    await HTTPServer { request, response throws(HTTPError) in
      var buffer = [UInt8](repeating: 0, count: 7000)
      var sum = 0
      while true {
        var elements = buffer.mutableSpan
        var span = elements.mutableBytes
        let count = try await request.read(into: &span)
        guard count > 0 else { break }
        for byte in buffer[..<count] { sum += Int(byte) }
      }
      try await response.send("\(sum)")
    }.serveAlone(channel)
    let expected = (0..<300).reduce(0) { $0 + (48 + $1 % 10) * 1000 }
    #expect(channel.written.hasSuffix("\r\n\r\n\(expected)"))
  }

  /// Content that is not copied behind the head.
  @Test func aLargeAnswerIsWhole() async {
    let content = String(repeating: "x", count: 100_000)
    let text = await answers(to: "GET / HTTP/1.1\r\nHost: h\r\n\r\n") { _, response throws(HTTPError) in
      try await response.send(Array(content.utf8))
    }
    #expect(text.hasSuffix("Content-Length: 100000\r\n\r\n" + content))
  }
}

extension String {
  fileprivate func components(_ separator: String) -> [String] {
    split(separator: separator, omittingEmptySubsequences: false).map(String.init)
  }
}

@Suite struct TimeoutTests {
  /// A byte now and then, each within the time that an idle connection has.
  @Test func slowHeadsAreCutOff() async {
    let channel = MemoryChannel("GET / HTTP/1.1\r\nHost: h\r\n\r\n".map { String($0) }, delay: .seconds(3))
    await HTTPServer(handler: answerWithPath).serveAlone(channel)
    #expect(statuses(channel.written) == [408])
    // Until there is a byte, to read it, and then ten seconds.
    #expect(Array(channel.readTimeouts.prefix(6)) == [75, 10, 10, 7, 4, 1].map { Duration.seconds($0) })
    #expect(channel.hasFinishedWriting)
  }

  @Test func idleConnectionsAreClosedWithoutWords() async {
    let channel = MemoryChannel(["GET / HTTP/1.1\r\nHost: h\r\n\r\n"], delay: .seconds(76))
    await HTTPServer(handler: answerWithPath).serveAlone(channel)
    #expect(channel.written == "")
    #expect(channel.ending == .closed)
  }

  @Test func slowBodiesAreCutOff() async {
    let channel = MemoryChannel(
      ["PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\n"] + [String](repeating: "x", count: 100),
      delay: .seconds(6))
    await HTTPServer { request, response throws(HTTPError) in
      _ = try await request.body(upTo: 100)
      try await response.send()
    }.serveAlone(channel)
    #expect(statuses(channel.written) == [408])
    #expect(Array(channel.readTimeouts.prefix(6)) == [75, 10, 20, 14, 8, 2].map { Duration.seconds($0) })
  }

  /// What comes at a decent rate may come for as long as it likes.
  @Test func longBodiesMayTakeTheirTime() async {
    let channel = MemoryChannel(
      ["PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 102400\r\n\r\n"]
        + [String](repeating: String(repeating: "x", count: 1024), count: 100), delay: .seconds(2))
    await HTTPServer { request, response throws(HTTPError) in
      let body = try await request.body(upTo: 1 << 20)
      try await response.send("\(body.count)")
    }.serveAlone(channel)
    #expect(channel.written.hasSuffix("\r\n\r\n102400"))
  }

  @Test func lingeringEnds() async {
    let channel = MemoryChannel(
      ["BAD\r\n"] + [String](repeating: "more", count: 1000), delay: .milliseconds(300), staysOpen: true)
    await HTTPServer(handler: answerWithPath).serveAlone(channel)
    #expect(statuses(channel.written) == [400])
    #expect(channel.ending == .closed)
  }
}

/// Connections that wait for their next request.
@Suite struct IdleConnectionTests {
  private static let request = "GET /a HTTP/1.1\r\nHost: h\r\n\r\n"

  /// A server that has answered a request, and how many connections had memory then and after `change`.
  private func served(_ limits: HTTPLimits, _ change: (MemoryChannel) async -> Void) async -> (Int, Int, MemoryChannel)
  {
    let server = HTTPServer(limits: limits, handler: answerWithPath)
    let channel = MemoryChannel([Self.request], staysOpen: true)
    server.accept(channel)
    await channel.waitUntilIdle()
    let before = server.connections.servedCount
    await change(channel)
    return (before, server.connections.servedCount, channel)
  }

  @Test func memoryIsGivenBackAfterAWhile() async {
    let (before, after, channel) = await served(HTTPLimits()) { channel in
      channel.expire()
      await channel.waitUntilIdle()
    }
    #expect(before == 1 && after == 0)
    // Until there is a request, to read it, for another, and for what is left of the time.
    #expect(channel.readTimeouts == [75, 10, 1, 74].map { Duration.seconds($0) })
    #expect(channel.ending == nil)
  }

  @Test func aRequestAfterThatIsAnswered() async {
    let (_, after, channel) = await served(HTTPLimits()) { channel in
      for _ in 0..<3 {
        channel.expire()
        await channel.waitUntilIdle()
        channel.send(Self.request)
        await channel.waitUntilIdle()
      }
    }
    #expect(after == 1)
    #expect(statuses(channel.written) == [200, 200, 200, 200])
  }

  @Test func thatItStaysIdleEndsIt() async {
    let (_, after, channel) = await served(HTTPLimits()) { channel in
      channel.expire()
      await channel.waitUntilIdle()
      channel.expire()
      await channel.waitUntilIdle()
    }
    #expect(after == 0)
    #expect(channel.ending == .closed)
    #expect(statuses(channel.written) == [200])
  }

  /// However many there are at once, no more than that have memory.
  @Test func oneTooManyGivesItBackAtOnce() async {
    var limits = HTTPLimits()
    limits.bufferedConnectionCount = 0
    let (before, after, channel) = await served(limits) { channel in
      channel.send(Self.request + Self.request)
      await channel.waitUntilIdle()
    }
    #expect(before == 0 && after == 0)
    #expect(statuses(channel.written) == [200, 200, 200])
    #expect(channel.ending == nil)
  }
}

@Suite struct ShutdownTests {
  @Test func idleConnectionsAreClosedAtOnce() async {
    let server = HTTPServer(handler: answerWithPath)
    let listener = MemoryListener()
    async let run: Void = server.run(on: listener)
    let channel = MemoryChannel(["GET /a HTTP/1.1\r\nHost: h\r\n\r\n"], staysOpen: true)
    server.accept(channel)
    await channel.waitUntilIdle()
    #expect(server.connectionCount == 1)
    server.stop()
    #expect(channel.hasFinishedWriting)
    // As a client does upon that.
    channel.finish()
    await run
    #expect(channel.ending == .closed)
    #expect(statuses(channel.written) == [200])
    #expect(server.connectionCount == 0)
    #expect(listener.isClosed)
  }

  /// The machine may end when `run` returns.
  @Test func answersHaveArrivedWhenTheServerHasStopped() async {
    let server = HTTPServer(handler: answerWithPath)
    let channel = MemoryChannel(["GET /a HTTP/1.1\r\nHost: h\r\n\r\n"])
    channel.holdBack()
    server.accept(channel)
    await channel.waitUntilIdle()
    #expect(statuses(channel.written) == [200])
    #expect(channel.hasFinishedWriting && channel.ending == nil)
    #expect(server.connectionCount == 1)
    async let run: Void = server.run(on: MemoryListener())
    server.stop()
    channel.acknowledge()
    await run
    #expect(channel.ending == .closed)
  }

  @Test func requestsThatAreUnderWayAreAnswered() async {
    let gate = Gate()
    let server = HTTPServer { request, response throws(HTTPError) in
      await gate.pass()
      try await answerWithPath(&request, &response)
    }
    async let run: Void = server.run(on: MemoryListener())
    let channel = MemoryChannel(
      ["GET /a HTTP/1.1\r\nHost: h\r\n\r\nGET /b HTTP/1.1\r\nHost: h\r\n\r\n"], staysOpen: true)
    server.accept(channel)
    await gate.waitForVisitor()
    server.stop()
    gate.open()
    await channel.waitUntilIdle()
    channel.finish()
    await run
    #expect(statuses(channel.written) == [200])
    #expect(channel.written.contains("Connection: close\r\n"))
    #expect(channel.written.hasSuffix("GET /a\n"))
  }

  /// A client that takes for ever does not keep the server.
  @Test func theDeadlineCutsOff() async {
    let server = HTTPServer { request, response throws(HTTPError) in
      _ = try await request.body(upTo: 100)
      try await response.send()
    }
    async let run: Void = server.run(on: MemoryListener())
    let channel = MemoryChannel(["PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n"], staysOpen: true)
    server.accept(channel)
    await channel.waitUntilIdle()
    server.stop(within: .zero)
    await run
    #expect(channel.ending == .aborted)
  }

  @Test func oneConnectionTooMany() async {
    var limits = HTTPLimits()
    limits.connectionCount = 1
    let server = HTTPServer(limits: limits, handler: answerWithPath)
    let first = MemoryChannel([], staysOpen: true)
    server.accept(first)
    await first.waitUntilIdle()
    let second = MemoryChannel(["GET / HTTP/1.1\r\nHost: h\r\n\r\n"])
    server.accept(second)
    await second.waitUntilIdle()
    #expect(statuses(second.written) == [503])
    first.send("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
    await first.waitUntilIdle()
    #expect(statuses(first.written) == [200])
  }
}
