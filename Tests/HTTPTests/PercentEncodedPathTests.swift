import Testing

@testable import HTTP

/// Paths are compared by what they stand for, not by how they were written (RFC 3986, 6.2.2).
@Suite struct PercentEncodedPathTests {
  private func fits(_ pattern: StaticString, _ path: String) -> Bool {
    var ranges: [Range<Int>] = []
    return RoutePattern(pattern).matches(Array(path.utf8).span, &ranges)
  }

  /// What a server with these routes answers to GET: the pattern of the route that it took, or the status.
  private func answer(_ patterns: [StaticString], _ target: String) async -> String {
    var router = HTTPRouter()
    for pattern in patterns {
      router.get(pattern) { _, response throws(HTTPError) in try await response.send(pattern.description) }
    }
    let fixed = router
    let text = await answers(to: "GET \(target) HTTP/1.1\r\nHost: h\r\n\r\n") { request, response throws(HTTPError) in
      try await fixed.answer(&request, &response)
    }
    guard statuses(text) == [200] else { return "\(statuses(text))" }
    return text.split(separator: "\r\n\r\n", maxSplits: 1).last.map { String($0) } ?? ""
  }

  @Test func routesInPlainTextAreReached() async {
    #expect(await answer(["/café"], "/caf%C3%A9") == "/café")
    #expect(await answer(["/café"], "/c%61f%c3%a9") == "/café")
    #expect(await answer(["/hello world"], "/hello%20world") == "/hello world")
    #expect(await answer(["/users"], "/%75sers") == "/users")
    #expect(await answer(["/what?"], "/what%3f?") == "/what?")
    #expect(await answer(["/users"], "http://h/%75sers?q") == "/users")
    #expect(await answer(["/a+b"], "/a+b") == "/a+b")
    #expect(await answer(["/a b"], "/a+b") == "[404]")
  }

  @Test func routesMayBePercentEncodedThemselves() async {
    for target in ["/users", "/%75sers", "/%75%73%65%72%73"] {
      #expect(await answer(["/%75sers"], target) == "/%75sers")
    }
    #expect(await answer(["/caf%c3%a9"], "/caf%C3%A9") == "/caf%c3%a9")
    #expect(await answer(["/100%25"], "/100%25") == "/100%25")
    // A percent sign without two digits behind it stands for itself.
    for pattern in ["/100%", "/100%/x", "/%zz"] as [StaticString] {
      let target = pattern.description.split(separator: "%", omittingEmptySubsequences: false).joined(separator: "%25")
      #expect(await answer([pattern], target) == pattern.description)
    }
    // What has a meaning in a pattern has none when it is encoded.
    #expect(await answer(["/%3Aid", "/x/%2A"], "/:id") == "/%3Aid")
    #expect(await answer(["/%3Aid", "/x/%2A"], "/7") == "[404]")
    #expect(await answer(["/%3Aid", "/x/%2A"], "/x/*") == "/x/%2A")
    #expect(await answer(["/%3Aid", "/x/%2A"], "/x/y") == "[404]")
  }

  @Test func anEncodedSlashDoesNotSplitASegment() async {
    #expect(await answer(["/a/b"], "/a%2Fb") == "[404]")
    #expect(await answer(["/a%2fb", "/a/b"], "/a%2Fb") == "/a%2fb")
    #expect(await answer(["/a%2fb", "/a/b"], "/a/b") == "/a/b")
    #expect(await answer(["/:one"], "/a%2Fb") == "/:one")
  }

  /// Segments of dots are segments like any other, however they are written.
  @Test func encodedDotsAreDots() async {
    for target in ["/a/../b", "/a/%2e%2e/b", "/a/.%2E/b"] {
      #expect(await answer(["/b", "/a/b"], target) == "[404]")
      #expect(await answer(["/b", "/a/*"], target) == "/a/*")
      #expect(await answer(["/b", "/a/../b"], target) == "/a/../b")
    }
    #expect(await answer(["/a", "/a/./b"], "/a/%2e/b") == "/a/./b")
  }

  @Test func malformedEncodingsAreRefused() async {
    for target in ["/%", "/a%", "/%4", "/%4/1", "/%zz", "/%4g", "/%%41", "/a/%u00e9", "http://h/%4"] {
      #expect(await answer(["/*"], target) == "[400]", "\(target)")
      #expect(fault("GET \(target) HTTP/1.1\r\nHost: h\r\n\r\n") == .badTarget)
    }
    // The query is the handler's.
    #expect(await answer(["/*"], "/?a=100%") == "/*")
    #expect(fault("GET / HTTP/1.1\r\nHost: a%4\r\n\r\n") == .badHost)
    #expect(fault("GET / HTTP/1.1\r\nHost: a%41\r\n\r\n") == nil)
    #expect(!fits("/%zz", "/%zz"))
  }

  /// Segments are compared byte by byte, and need not be UTF-8.
  @Test func octetsThatAreNoText() async {
    #expect(await answer(["/%ff"], "/%FF") == "/%ff")
    #expect(await answer(["/é"], "/%e9") == "[404]")
    #expect(await answer(["/:x"], "/%e9") == "/:x")
    // Another form of the same letter (Unicode, UAX #15).
    #expect(await answer(["/é"], "/e%CC%81") == "[404]")
    #expect(await answer(["/a"], "/a%00") == "[404]")
  }
}
