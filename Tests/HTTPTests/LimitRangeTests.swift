import Testing

@testable import HTTP

/// Limits that nobody can mean are taken for the nearest that somebody can.
@Suite struct LimitRangeTests {
  private func answer(_ change: (inout HTTPLimits) -> Void) async -> [Int] {
    var limits = HTTPLimits()
    change(&limits)
    return statuses(
      await answers(to: "PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n", "he", "llo", limits: limits) {
        request, response throws(HTTPError) in
        let body = try await request.body(upTo: 100)
        try await response.send(body)
      })
  }

  private static let sizes: [@Sendable (inout HTTPLimits, Int) -> Void] = [
    { $0.startLineByteCount = $1 }, { $0.fieldsByteCount = $1 }, { $0.fieldCount = $1 }, { $0.emptyLineCount = $1 },
    { $0.bodyByteCount = $1 }, { $0.chunkExtensionByteCount = $1 }, { $0.discardedByteCount = $1 },
    { $0.pipelinedRequestCount = $1 }, { $0.connectionCount = $1 }, { $0.bufferedConnectionCount = $1 },
    { $0.bodyBytesPerSecond = $1 }, { $0.lingerByteCount = $1 },
  ]

  private static let times: [@Sendable (inout HTTPLimits, Duration) -> Void] = [
    { $0.idleTimeout = $1 }, { $0.bufferedTimeout = $1 }, { $0.headTimeout = $1 }, { $0.bodyTimeout = $1 },
    { $0.writeTimeout = $1 }, { $0.lingerTimeout = $1 },
  ]

  @Test func limitsWithoutALimit() async {
    for size in Self.sizes { #expect(await answer { size(&$0, .max) } == [200]) }
    for time in Self.times { #expect(await answer { time(&$0, .seconds(Int64.max)) } == [200]) }
    let all = await answer { limits in
      for size in Self.sizes { size(&limits, .max) }
      for time in Self.times { time(&limits, .seconds(Int64.max)) }
    }
    #expect(all == [200])
  }

  /// Nothing is let through that a limit of 0 would not, and nothing traps.
  @Test func limitsBelowZero() async {
    for (index, size) in Self.sizes.enumerated() {
      let atZero = await answer { size(&$0, 0) }
      for value in [-1, -1000, .min] {
        let below = await answer { size(&$0, value) }
        #expect(below == atZero, "limit \(index), \(value)")
      }
    }
    #expect(await answer { $0.startLineByteCount = .min } == [501])
    #expect(await answer { $0.fieldsByteCount = .min } == [431])
    #expect(await answer { $0.bodyByteCount = .min } == [413])
    #expect(await answer { $0.bodyBytesPerSecond = .min } == [200])
    for time in Self.times {
      let atZero = await answer { time(&$0, .zero) }
      for value in [Duration.seconds(-1), .seconds(Int64.min)] { #expect(await answer { time(&$0, value) } == atZero) }
    }
  }

  /// A body's time grows with what has come of it.
  @Test func theLongestTimeouts() async {
    var limits = HTTPLimits()
    limits.bodyTimeout = .seconds(Int64.max)
    limits.bodyBytesPerSecond = 1
    let channel = MemoryChannel(["PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n", "he", "llo"])
    await HTTPServer(limits: limits) { request, response throws(HTTPError) in
      let body = try await request.body(upTo: 100)
      try await response.send(body)
    }.serveAlone(channel)
    #expect(statuses(channel.written) == [200])
    // In seconds, as whoever waits counts them.
    let seconds = channel.readTimeouts.map(\.components.seconds)
    #expect(seconds[3] == seconds[2] + 2)
  }

  @Test func aGraceWithoutEnd() async {
    for grace in [Duration.seconds(Int64.max), .seconds(Int64.min)] {
      let server = HTTPServer(handler: answerWithPath)
      async let run: Void = server.run(on: MemoryListener())
      server.stop(within: grace)
      await run
      // A clock counts with it.
      #expect(0...(1 << 40) ~= grace.countable.components.seconds)
    }
  }

  @Test func aClientsLimits() async throws {
    for value in [Int.max, .min] {
      var limits = HTTPLimits()
      for size in Self.sizes { size(&limits, value) }
      for time in Self.times { time(&limits, .seconds(Int64(value))) }
      let channel = MemoryChannel(["HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", "ok"])
      var client = HTTPClient(channel: channel, host: "test", limits: limits)
      let reply = try? await client.get("/")
      #expect(reply?.status == (value > 0 ? .ok : nil))
    }
  }
}
