import HTTPSupport
import Testing

@testable import HTTP

@Suite struct ParserTests {
  @Test func readsWhatIsThere() {
    #expect(
      events(goodRequests[1]) == [
        .head(
          method: .get, path: "/a/b",
          fields: ["Host=example.org:8080", "Accept=*/*", "X-Empty=", "X-Space=a b"]), .end(trailers: []),
      ])
    #expect(
      events(goodRequests[6]) == [
        .head(method: .post, path: "/c", fields: ["Host=a", "Transfer-Encoding=chunked"]),
        .content(Array("hello0123456789".utf8)), .end(trailers: []),
        .head(method: .get, path: "/next", fields: ["Host=a"]), .end(trailers: []),
      ])
    for request in goodRequests[7...8] {
      #expect(events(request)[1...] == [.content(Array("hello".utf8)), .end(trailers: [])])
    }
    #expect(events(goodRequests[9]).last == .end(trailers: ["X-Sum=1", "X-Other=2"]))
  }

  @Test func acceptsGoodRequests() {
    for request in goodRequests { #expect(fault(request) == nil, "\(request)") }
  }

  @Test func refusesBadRequests() {
    for (request, expected) in badRequests { #expect(fault(request) == expected, "\(request)") }
  }

  /// Wherever the bytes are split, the events are the same.
  @Test func everySplitGivesTheSameEvents() {
    for request in goodRequests + badRequests.map(\.0) {
      let bytes = [UInt8](request.utf8)
      let whole = events(bytes[...])
      for first in 0...bytes.count {
        #expect(events(bytes[..<first], bytes[first...]) == whole, "split at \(first) of \(request)")
        guard bytes.count < 60 else { continue }
        for second in first...bytes.count {
          #expect(events(bytes[..<first], bytes[first..<second], bytes[second...]) == whole)
        }
      }
      var reader = RequestReader()
      for index in bytes.indices { reader.read(bytes[index...index]) }
      #expect(reader.events == whole, "byte for byte: \(request)")
    }
  }

  @Test func targetsHaveFourForms() {
    func target(_ text: String, _ method: HTTPMethod = .get) -> [String?]? {
      let bytes = [UInt8](text.utf8)
      guard let target = try? RequestTarget(bytes.span, 0..<bytes.count, method) else { return nil }
      return [target.path, target.query, target.authority].map { range in
        range.map { String(decoding: bytes[$0], as: UTF8.self) }
      }
    }
    #expect(target("/a?b?c") == ["/a", "b?c", nil])
    #expect(target("/a?") == ["/a", "", nil])
    #expect(target("http://h:1/a?b") == ["/a", "b", "h:1"])
    #expect(target("HTTP://h") == ["/", nil, "h"])
    #expect(target("HTTPS://h") == nil)
    #expect(target("http://:80") == nil)
    #expect(target("http://h?b/c") == ["/", "b/c", "h"])
    #expect(target("*", .options) == ["*", nil, nil])
    #expect(target("h:443", .connect) == ["", nil, "h:443"])
    #expect(target("h", .connect) == nil)
    #expect(target("h:", .connect) == nil)
    #expect(target(":80", .connect) == nil)
  }

  @Test func versionsAndConnectionTokensDecideOnKeepAlive() throws {
    func keepsAlive(_ version: String, _ connection: String) throws -> Bool {
      var parser = HeadParser<RequestLine>(HTTPLimits())
      var position = 0
      let bytes = [UInt8]("GET / HTTP/\(version)\r\nHost: a\r\n\(connection)\r\n".utf8)
      try parser.parse(bytes.span, &position)
      return try HeadFacts(request: parser.line!, parser.fields).wantsKeepAlive
    }
    #expect(try keepsAlive("1.1", ""))
    #expect(try keepsAlive("1.7", ""))
    #expect(try !keepsAlive("1.1", "Connection: close\r\n"))
    #expect(try !keepsAlive("1.1", "Connection: x, ,Close\t, y\r\n"))
    #expect(try !keepsAlive("1.1", "Connection: x\r\nConnection: close\r\n"))
    #expect(try !keepsAlive("1.0", ""))
    #expect(try keepsAlive("1.0", "Connection: Keep-Alive\r\n"))
    #expect(try !keepsAlive("1.0", "Connection: keep-alive, close\r\n"))
  }

  @Test func statusLines() throws {
    func status(_ line: String) -> UInt16? { (try? StatusLine([UInt8](line.utf8).span))?.status.code }
    #expect(status("HTTP/1.1 200 OK") == 200)
    #expect(status("HTTP/1.0 404 ") == 404)
    #expect(status("HTTP/1.1 599") == 599)
    #expect(status("HTTP/1.1 99 X") == nil)
    #expect(status("HTTP/1.1 2000 OK") == nil)
    #expect(status("HTTP/1.1 099 OK") == nil)
    #expect(status("HTTP/2.0 200 OK") == nil)
    #expect(status("HTTP/1.1  200 OK") == nil)
  }

  @Test func lengthsOfResponses() throws {
    let huge = "12345678901234567890123"
    func length(_ head: String, isForHead: Bool = false) throws -> BodyLength {
      var parser = HeadParser<StatusLine>(HTTPLimits())
      var position = 0
      try parser.parse([UInt8](head.utf8).span, &position)
      return try HeadFacts(response: parser.line!, parser.fields, isForHead: isForHead).length
    }
    #expect(try length("HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n") == .bytes(7))
    #expect(try length("HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n", isForHead: true) == .bytes(0))
    #expect(try length("HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n") == .bytes(0))
    #expect(try length("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n") == .chunked)
    #expect(try length("HTTP/1.1 200 OK\r\n\r\n") == .untilEnd)
    #expect(throws: HTTPFault.ambiguousLength) {
      try length("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 7\r\n\r\n")
    }
    #expect(throws: HTTPFault.ambiguousLength) { try length("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n") }
    for status in ["103 Early", "204 No Content"] {
      #expect(throws: HTTPFault.badTransferEncoding) {
        try length("HTTP/1.1 \(status)\r\nTransfer-Encoding: chunked\r\n\r\n")
      }
    }
    #expect(throws: HTTPFault.badContentLength) {
      try length("HTTP/1.1 200 OK\r\nContent-Length: 7\r\nContent-Length: 7\r\n\r\n")
    }
    // A number above all that can be counted is a number all the same (RFC 9110, 8.6), and does not matter without content.
    #expect(try length("HTTP/1.1 200 OK\r\nContent-Length: \(huge)\r\n\r\n", isForHead: true) == .bytes(0))
    #expect(try length("HTTP/1.1 304 Not Modified\r\nContent-Length: \(huge)\r\n\r\n") == .bytes(0))
    #expect(throws: HTTPFault.badContentLength) { try length("HTTP/1.1 200 OK\r\nContent-Length: \(huge)x\r\n\r\n") }
    // Only requests may come behind empty lines.
    #expect(throws: HTTPFault.badStartLine) { try length("\r\nHTTP/1.1 200 OK\r\n\r\n") }
  }
}

@Suite struct LimitTests {
  /// Each limit lets through what is as large as it allows, and not a byte more, wherever the bytes are split.
  private func expectLimit(
    _ request: (Int) -> String, _ limit: Int, _ expected: HTTPFault, _ change: (inout HTTPLimits) -> Void
  ) {
    var limits = HTTPLimits()
    change(&limits)
    for (size, fault) in [(limit, nil), (limit + 1, expected)] as [(Int, HTTPFault?)] {
      let bytes = [UInt8](request(size).utf8)
      let whole = events(bytes[...], limits: limits)
      var found: HTTPFault?
      if case .fault(let fault)? = whole.last { found = fault }
      #expect(found == fault, "size \(size)")
      for split in 0...bytes.count {
        #expect(events(bytes[..<split], bytes[split...], limits: limits) == whole, "size \(size), split at \(split)")
      }
    }
  }

  @Test func startLine() {
    let rest = "GET / HTTP/1.1".utf8.count
    expectLimit(
      { "GET /\(String(repeating: "a", count: $0 - rest)) HTTP/1.1\r\nHost: a\r\n\r\n" }, 80, .targetTooLong
    ) { $0.startLineByteCount = 80 }
    var limits = HTTPLimits()
    limits.startLineByteCount = 80
    #expect(fault(String(repeating: "A", count: 100), limits: limits) == .unsupportedMethod)
    #expect(fault("G\u{0}" + String(repeating: "A", count: 100), limits: limits) == .badStartLine)
  }

  @Test func fields() {
    let rest = "Host: aX: ".utf8.count
    expectLimit(
      { "GET / HTTP/1.1\r\nHost: a\r\nX: \(String(repeating: "b", count: $0 - rest))\r\n\r\n" }, 60, .fieldsTooLarge
    ) { $0.fieldsByteCount = 60 }
    expectLimit(
      { "GET / HTTP/1.1\r\nHost: a\r\n\(String(repeating: "X: y\r\n", count: $0 - 1))\r\n" }, 9, .tooManyFields
    ) { $0.fieldCount = 9 }
  }

  @Test func trailers() {
    let start = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"
    expectLimit({ "\(start)X: \(String(repeating: "b", count: $0 - 3))\r\n\r\n" }, 60, .fieldsTooLarge) {
      $0.fieldsByteCount = 60
    }
    expectLimit({ start + String(repeating: "X: y\r\n", count: $0) + "\r\n" }, 5, .tooManyFields) { $0.fieldCount = 5 }
  }

  @Test func bodies() {
    expectLimit(
      { "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: \($0)\r\n\r\n\(String(repeating: "b", count: $0))" }, 20,
      .bodyTooLarge
    ) { $0.bodyByteCount = 20 }
    expectLimit(
      {
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
          + String(repeating: "1\r\nx\r\n", count: $0) + "0\r\n\r\n"
      }, 20, .bodyTooLarge
    ) { $0.bodyByteCount = 20 }
  }

  @Test func chunkExtensions() {
    expectLimit(
      {
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1;abc\r\nx\r\n0;"
          + String(repeating: "b", count: $0 - 5) + "\r\n\r\n"
      }, 20, .chunkExtensionsTooLong
    ) { $0.chunkExtensionByteCount = 20 }
  }

  /// Zeros in front of a size are as much work for nothing as extensions are, except for those that a writer of fixed width has.
  @Test func leadingZerosOfChunks() {
    expectLimit(
      {
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0000000000000001\r\nx\r\n"
          + String(repeating: "0", count: $0) + "0000000000000001\r\nx\r\n0000000000000000\r\n\r\n"
      }, 20, .chunkExtensionsTooLong
    ) { $0.chunkExtensionByteCount = 20 }
  }

  /// Whatever the limits, a length that cannot be counted is none.
  @Test func lengthsAboveAllCounting() {
    var limits = HTTPLimits()
    limits.bodyByteCount = .max
    for digits in ["9223372036854775807", "9223372036854775808", "12345678901234567890123"] {
      #expect(
        fault("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: \(digits)\r\n\r\n", limits: limits) == .bodyTooLarge)
    }
    let chunked = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    #expect(fault(chunked + "7fffffffffffffff\r\nx", limits: limits) == nil)
    #expect(fault(chunked + "8000000000000000\r\nx", limits: limits) == .bodyTooLarge)
  }
}
