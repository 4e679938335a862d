/// What the header fields of a message say about its body and its connection.
struct HeadFacts {
  /// How the end of the body is found.
  let length: BodyLength
  /// Whether the sender would go on with this connection (RFC 9112, 9.3).
  let wantsKeepAlive: Bool
  /// Whether the client waits for a `100 (Continue)` before it sends the body (RFC 9110, 10.1.1).
  let expectsContinue: Bool
  /// Where in the fields' text the value of the `Host` field is.
  let host: Range<Int>?

  /// - Throws: What is wrong with a request's fields.
  init(request line: RequestLine, _ fields: borrowing HTTPFields) throws(HTTPFault) {
    let named = try NamedFields(fields)
    guard named.hostCount == 1 || (named.hostCount == 0 && line.version == .http10) else { throw .badHost }
    if let host = named.host, !fields.text.bytes.extracting(host).isHost(mayBeEmpty: true) { throw .badHost }
    if let coding = named.transferCoding {
      // RFC 9112, 6.1: only somebody who smuggles sends these.
      guard named.contentLengthCount == 0, line.version == .http11 else { throw .ambiguousLength }
      try coding.requireChunkedAlone()
      length = .chunked
    } else {
      length = .bytes(try named.requireContentLength() ?? 0)
    }
    wantsKeepAlive = named.wantsKeepAlive(line.version)
    // A client of HTTP/1.0 cannot understand the answer (RFC 9110, 10.1.1).
    expectsContinue = named.expectsContinue && line.version == .http11
    host = named.host
  }

  /// - Parameter isForHead: whether the request's method was HEAD.
  /// - Throws: What is wrong with a response's fields.
  init(response line: StatusLine, _ fields: borrowing HTTPFields, isForHead: Bool) throws(HTTPFault) {
    let named = try NamedFields(fields)
    if let coding = named.transferCoding {
      guard named.contentLengthCount == 0, line.version == .http11 else { throw .ambiguousLength }
      try coding.requireChunkedAlone()
      // RFC 9112, 6.1: these never have one, and where its chunks would begin is not certain.
      guard line.status.code >= 200, line.status != .noContent else { throw .badTransferEncoding }
    }
    let byteCount = try named.requireContentLength()
    // RFC 9112, 6.3, in its order.
    if isForHead || line.status.forbidsContent {
      length = .bytes(0)
    } else if named.transferCoding != nil {
      length = .chunked
    } else if let byteCount {
      length = .bytes(byteCount)
    } else {
      length = .untilEnd
    }
    wantsKeepAlive = named.wantsKeepAlive(line.version) && length != .untilEnd
    expectsContinue = false
    host = nil
  }
}

/// How the end of a body is found (RFC 9112, 6.3).
enum BodyLength: Equatable {
  /// So many; `Int.max` stands for more than can be counted as well.
  case bytes(Int)
  case chunked
  /// The body ends where the connection ends.
  case untilEnd
}

/// The fields that have a meaning for the connection, found in one pass.
private struct NamedFields {
  private(set) var host: Range<Int>?
  private(set) var hostCount = 0
  private(set) var contentLengthCount = 0
  private var contentLength: Int?
  private(set) var transferCoding: TransferCoding?
  private var hasClose = false
  private var hasKeepAlive = false
  private(set) var expectsContinue = false

  init(_ fields: borrowing HTTPFields) throws(HTTPFault) {
    for index in 0..<fields.count {
      let name = fields[nameAt: index]
      switch name.count {
      case 4 where name.equalsIgnoringCase("host"):
        hostCount += 1
        host = fields.valueRange(index)
      case 6 where name.equalsIgnoringCase("expect"):
        guard fields[valueAt: index].equalsIgnoringCase("100-continue") else { throw .unknownExpectation }
        expectsContinue = true
      case 10 where name.equalsIgnoringCase("connection"):
        let value = fields[valueAt: index]
        value.forEachListElement { range in
          let option = value.extracting(range)
          if option.equalsIgnoringCase("close") { hasClose = true }
          if option.equalsIgnoringCase("keep-alive") { hasKeepAlive = true }
        }
      case 14 where name.equalsIgnoringCase("content-length"):
        contentLengthCount += 1
        contentLength = fields[valueAt: index].decimal
      case 17 where name.equalsIgnoringCase("transfer-encoding"):
        var coding = transferCoding ?? TransferCoding()
        coding.append(fields[valueAt: index])
        transferCoding = coding
      default: break
      }
    }
  }

  /// The value of `Content-Length`; nil if there is none. A list of equal numbers, which RFC 9110, 8.6, allows to accept, is
  /// refused as well: it has been used to smuggle.
  func requireContentLength() throws(HTTPFault) -> Int? {
    guard contentLengthCount > 0 else { return nil }
    guard contentLengthCount == 1, let contentLength else { throw .badContentLength }
    return contentLength
  }

  /// RFC 9112, 9.3.
  func wantsKeepAlive(_ version: HTTPVersion) -> Bool {
    !hasClose && (version == .http11 || hasKeepAlive)
  }
}

/// The codings in `Transfer-Encoding`, as far as it matters (RFC 9112, 6.1 and 7).
private struct TransferCoding {
  private var count = 0
  private var chunkedCount = 0
  private var endsWithChunked = false
  /// An element is empty. RFC 9110, 5.6.1.2, has those ignored; a recipient on the way that does not sees no `chunked`.
  private var hasGap = false

  mutating func append(_ value: Span<UInt8>) {
    let countBefore = count
    defer { hasGap = hasGap || count - countBefore != value.commaCount + 1 }
    value.forEachListElement { range in
      count += 1
      endsWithChunked = value.extracting(range).equalsIgnoringCase("chunked")
      if endsWithChunked { chunkedCount += 1 }
    }
  }

  func requireChunkedAlone() throws(HTTPFault) {
    guard endsWithChunked, chunkedCount == 1, !hasGap else { throw .badTransferEncoding }
    guard count == 1 else { throw .unknownTransferEncoding }
  }
}

extension Span where Element == UInt8 {
  fileprivate var commaCount: Int {
    var commas = 0
    for index in 0..<count where self[index] == ASCII.comma { commas += 1 }
    return commas
  }

  /// The elements of a list, which are separated by commas, without the whitespace around them and without empty ones
  /// (RFC 9110, 5.6.1.2). Commas in quoted strings separate as well: no list that is read here has any.
  func forEachListElement(_ body: (Range<Int>) -> Void) {
    var start = 0
    while start <= count {
      let end = firstIndex(of: ASCII.comma, from: start) ?? count
      let element = trimmed(start..<end)
      if !element.isEmpty { body(element) }
      start = end + 1
    }
  }
}
