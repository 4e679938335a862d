import Testing

@testable import HTTP

@Suite struct DateTests {
  private func text(_ second: Int64) -> String {
    var date = HTTPDate()
    date.update(to: second)
    return String(repairing: date.text.span)
  }

  @Test func datesOfTheCalendar() {
    #expect(text(0) == "Thu, 01 Jan 1970 00:00:00 GMT")
    // RFC 9110, 5.6.7.
    #expect(text(784_111_777) == "Sun, 06 Nov 1994 08:49:37 GMT")
    #expect(text(951_782_399) == "Mon, 28 Feb 2000 23:59:59 GMT")
    #expect(text(951_782_400) == "Tue, 29 Feb 2000 00:00:00 GMT")
    #expect(text(4_107_542_400) == "Mon, 01 Mar 2100 00:00:00 GMT")
    #expect(text(1_798_761_599) == "Thu, 31 Dec 2026 23:59:59 GMT")
    #expect(text(253_402_300_799) == "Fri, 31 Dec 9999 23:59:59 GMT")
  }

  /// A clock that is set wrong.
  @Test func timesWithoutADateAreTheNearestThatHaveOne() {
    for second in [-1, -86_401, .min] as [Int64] { #expect(text(second) == "Thu, 01 Jan 1970 00:00:00 GMT") }
    for second in [253_402_300_800, 1 << 40, .max] as [Int64] {
      #expect(text(second) == "Fri, 31 Dec 9999 23:59:59 GMT")
    }
  }
}

@Suite struct RouterTests {
  private func parameters(_ pattern: StaticString, _ path: String) -> [String]? {
    var ranges: [Range<Int>] = []
    let bytes = Array(path.utf8)
    guard RoutePattern(pattern).matches(bytes.span, &ranges) else { return nil }
    return ranges.map { String(decoding: bytes[$0], as: UTF8.self) }
  }

  @Test func patterns() {
    #expect(parameters("/", "/") == [])
    #expect(parameters("/", "/a") == nil)
    #expect(parameters("/a", "/") == nil)
    #expect(parameters("/a/b", "/a/b") == [])
    #expect(parameters("/a/b", "/a/b/") == nil)
    #expect(parameters("/a/", "/a") == nil)
    #expect(parameters("/users/:id", "/users/7") == ["7"])
    #expect(parameters("/users/:id", "/users/") == nil)
    #expect(parameters("/users/:id", "/users/7/x") == nil)
    #expect(parameters("/:a/x/:b", "/1/x/2") == ["1", "2"])
    #expect(parameters("/files/*", "/files/a/b") == [])
    #expect(parameters("/files/*", "/files/") == [])
    #expect(parameters("/files/*", "/files") == nil)
  }

  @Test func answers() async {
    var router = HTTPRouter()
    router.get("/a/:x/:y") { request, response throws(HTTPError) in
      try await response.send(
        "\(request.parameter("x") ?? "nil"),\(request.parameter("y") ?? "nil"),\(request.query("q") ?? "nil")")
    }
    router.put("/a/:x/:y") { _, response throws(HTTPError) in try await response.send("put") }
    let fixed = router
    func answer(_ line: String) async -> String {
      await HTTPTests.answers(to: "\(line) HTTP/1.1\r\nHost: h\r\n\r\n") { request, response throws(HTTPError) in
        try await fixed.answer(&request, &response)
      }
    }
    #expect(await answer("GET /a/1/2").hasSuffix("\r\n\r\n1,2,nil"))
    #expect(await answer("GET /a/%41%2f/%c3%a9?p=1&q=a+b%21").hasSuffix("\r\n\r\nA/,é,a b!"))
    #expect(await answer("GET /a/1/%ff").hasSuffix("\r\n\r\n1,nil,nil"))
    #expect(await answer("PUT /a/1/2").hasSuffix("\r\n\r\nput"))
    #expect(statuses(await answer("GET /b")) == [404])
    #expect(await answer("POST /a/1/2").contains("Allow: OPTIONS, GET, HEAD, PUT\r\n"))
    #expect(statuses(await answer("POST /a/1/2")) == [405])
    #expect(statuses(await answer("OPTIONS /a/1/2")) == [204])
    #expect(await answer("OPTIONS *").contains("Allow: OPTIONS, GET, HEAD, PUT\r\n"))
    #expect(statuses(await answer("TRACE /a/1/2")) == [405])
  }

  /// Parameters are those of the route that fits, and of this request.
  @Test func parametersOfNoRoute() async {
    var router = HTTPRouter()
    router.get("/long/:first/:second") { request, response throws(HTTPError) in
      try await response.send(request.parameter("second") ?? "nil")
    }
    let fixed = router
    let text = await HTTPTests.answers(
      to: "GET /long/1/behind-this HTTP/1.1\r\nHost: h\r\n\r\n", "GET /x HTTP/1.1\r\nHost: h\r\n\r\n",
      "GET /long/1 HTTP/1.1\r\nHost: h\r\n\r\n"
    ) { request, response throws(HTTPError) in
      if request.path != "/x" {
        do throws(HTTPError) { return try await fixed.answer(&request, &response) } catch {}
      }
      response.status = .notFound
      try await response.send("\(request.parameter("first") ?? "nil"),\(request.parameter("second") ?? "nil")")
    }
    #expect(statuses(text) == [200, 404, 404])
    #expect(text.split(separator: "nil,nil", omittingEmptySubsequences: false).count == 3)
  }
}

@Suite struct JSONTests {
  private func parse(_ text: String, _ change: (inout JSONLimits) -> Void = { _ in }) throws(JSONError) -> JSONValue {
    var limits = JSONLimits()
    change(&limits)
    return try JSONValue(parsing: Array(text.utf8), limits: limits)
  }

  @Test func values() throws {
    #expect(
      try parse(" {\"a\" : [1, -2.5e+3, true ,false,null, \"x\\n\\u00e9\\ud83d\\ude00\\/\"] , \"\":{}}\n")
        == .object([
          .init(
            name: "a",
            value: .array([
              .number("1"), .number("-2.5e+3"), .boolean(true), .boolean(false), .null, .string("x\né😀/"),
            ])), .init(name: "", value: .object([])),
        ]))
    #expect(try parse("7").integer == 7)
    #expect(try parse("{\"a\":\"b\"}")["a"]?.text == "b")
  }

  @Test func whatIsNearlyJSON() {
    for text in [
      "", " ", "[1,]", "[,1]", "{\"a\":1,}", "{a:1}", "{'a':1}", "01", "-", "+1", "1.", ".5", "1e", "0x1", "nul",
      "True",
      "\"\u{1}\"", "\"\\x\"", "\"\\ud83d\"", "\"\\ude00\\ud83d\"", "\"\\u00g0\"", "\"a", "[1", "[1}", "1 2", "NaN",
      "{\"a\":1,\"a\":2}", "// x\n1", "\u{feff}1", "[1 2]", "{\"a\" 1}", "\u{b}1",
    ] {
      #expect(throws: JSONError.self, "\(text)") { try parse(text) }
    }
    #expect(throws: JSONError.self) { try JSONValue(parsing: [0x22, 0xff, 0x22]) }
  }

  @Test func limits() throws {
    let deep = String(repeating: "[", count: 32) + String(repeating: "]", count: 32)
    _ = try parse(deep)
    #expect(throws: JSONError(offset: 32, reason: .tooDeep)) { try parse("[" + deep + "]") }
    #expect(throws: JSONError(offset: 4, reason: .tooLong)) { try parse("12345") { $0.byteCount = 4 } }
    #expect(throws: JSONError(offset: 7, reason: .tooManyMembers)) {
      try parse("{\"a\":1,\"b\":2}") { $0.memberCount = 1 }
    }
  }

  @Test func whatIsWrittenIsRead() throws {
    var json = JSONWriter()
    json.object { json in
      json.member("text") { $0.string("a\"\\\u{1}\né") }
      json.member("list") { json in
        json.array { json in
          json.number(-1)
          json.boolean(true)
          json.null()
          json.array { _ in }
          json.object { _ in }
        }
      }
      json.member("last") { $0.number(2) }
    }
    #expect(
      try JSONValue(parsing: json.bytes)
        == .object([
          .init(name: "text", value: .string("a\"\\\u{1}\né")),
          .init(
            name: "list", value: .array([.number("-1"), .boolean(true), .null, .array([]), .object([])])),
          .init(name: "last", value: .number("2")),
        ]))
  }
}
