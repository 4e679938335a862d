/// A request, and what is to come of it.
struct HTTPExchange: Sendable {
  let request: [UInt8]
  let status: Int
  let content: [UInt8]

  /// - Parameters:
  ///   - line: the request's method and target.
  ///   - body: what is sent with it; nil: nothing.
  ///   - content: the answer's.
  init(_ line: String, body: [UInt8]? = nil, status: Int = 200, content: [UInt8]) {
    let length = body.map { "Content-Length: \($0.count)\r\n" } ?? ""
    request = Array("\(line) HTTP/1.1\r\nHost: machine\r\n\(length)\r\n".utf8) + (body ?? [])
    self.status = status
    self.content = content
  }

  init(_ line: String, body: String? = nil, status: Int = 200, content: String) {
    self.init(line, body: body.map { Array($0.utf8) }, status: status, content: Array(content.utf8))
  }

  /// What the example `http` is asked for, one after the other on one connection.
  static let httpExample: [HTTPExchange] = {
    // More than a segment, or the windows at the start, hold.
    let upload = (0..<200_000).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) }
    return [
      HTTPExchange("GET /", content: "Hello, world!\n"),
      HTTPExchange("GET /?name=Ada", content: "Hello, Ada!\n"),
      HTTPExchange("GET /users/7", content: #"{"id":"7","agent":""}"#),
      HTTPExchange("POST /sum", body: "[1, 2, 39]", content: #"{"sum":42}"#),
      HTTPExchange("POST /echo", body: upload, content: upload),
      HTTPExchange("GET /nowhere", status: 404, content: ""),
      quit,
    ]
  }()

  /// Ends either of the examples that serve HTTP.
  static let quit = HTTPExchange("POST /quit", content: "bye\n")
}

extension StreamConnection where Self: ~Copyable {
  /// Makes a request, and expects its answer.
  func expect(_ exchange: HTTPExchange) throws(Verdict) {
    try send(exchange.request)
    let answer = try receiveAnswer()
    guard answer.status == exchange.status, answer.content == exchange.content else {
      let request = String(decoding: exchange.request, as: UTF8.self).lines[0]
      func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self).shortened(to: 200) }
      throw .failed(
        "\(request): expected \(exchange.status) and '\(text(exchange.content))'; "
          + "got \(answer.status) and '\(text(answer.content))'")
    }
  }

  private static var lengthField: String { "Content-Length: " }

  /// An answer whose head says how long it is, and no more than that.
  private func receiveAnswer() throws(Verdict) -> (status: Int, content: [UInt8]) {
    var bytes: [UInt8] = []
    var head = "", end: Int?
    while end == nil || bytes.count < end! {
      let more = try receiveSome()
      guard !more.isEmpty else {
        throw .failed("expected an answer; got the end after '\(String(decoding: bytes, as: UTF8.self))'")
      }
      bytes += more
      guard end == nil, let place = String(decoding: bytes, as: UTF8.self).offset(ofBytesOf: "\r\n\r\n") else {
        continue
      }
      head = String(decoding: bytes[..<place], as: UTF8.self)
      // All lines but the last end with CR yet.
      let length = head.lines.first { $0.hasPrefix(Self.lengthField) }.flatMap {
        Int(String(decoding: $0.utf8.dropFirst(Self.lengthField.utf8.count).filter { $0 != 0x0d }, as: UTF8.self))
      }
      guard let length = length ?? (head.hasPrefix("HTTP/1.1 204 ") ? 0 : nil) else {
        throw .failed("expected an answer with its length; got '\(head)'")
      }
      end = place + 4 + length
    }
    let words = head.words
    guard bytes.count == end, words.count > 1, words[0] == "HTTP/1.1", let status = Int(words[1]) else {
      throw .failed("expected one answer; got '\(String(decoding: bytes, as: UTF8.self).shortened(to: 400))'")
    }
    return (status, Array(bytes.suffix(from: head.utf8.count + 4)))
  }
}
