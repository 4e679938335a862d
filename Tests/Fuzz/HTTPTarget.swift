import HTTPSupport

@testable import HTTP

/// Requests of any bytes, and of words that have a meaning: however the bytes are split, the parsers find the same in them,
/// and a server answers the same.
let httpTarget = FuzzTarget(name: "http") { bytes in
  var input = FuzzInput(bytes)
  let limits = chooseLimits(&input)
  var seed = input.next(UInt32.self)
  var text: [UInt8] = []
  while !input.isAtEnd { appendWords(&text, &input) }
  let pieces = split(text, &seed)
  var whole = RequestReader(limits)
  whole.read(text[...])
  var parts = RequestReader(limits)
  for piece in pieces { parts.read(piece[...]) }
  let (first, second) = (whole.events, parts.events)
  require(first == second, "the same events: \(first) and \(second)")
  checkLimits(first, limits)
  let answer = serve([text], limits)
  require(answer == serve(pieces, limits), "the same answers")
  checkResponses(answer)
  _ = try? JSONValue(parsing: text)
}

private func chooseLimits(_ input: inout FuzzInput) -> HTTPLimits {
  var limits = HTTPLimits()
  guard input.flag() else { return limits }
  limits.startLineByteCount = 16 + input.next(below: 64)
  limits.fieldsByteCount = 16 + input.next(below: 128)
  limits.fieldCount = 1 + input.next(below: 8)
  limits.bodyByteCount = input.next(below: 64)
  limits.chunkExtensionByteCount = input.next(below: 16)
  limits.discardedByteCount = input.next(below: 32)
  limits.pipelinedRequestCount = 1 + input.next(below: 3)
  return limits
}

private let words = [
  "GET ", "POST ", "HEAD ", "OPTIONS ", "/", "*", "http://h/", " HTTP/1.1\r\n", " HTTP/1.0\r\n", "Host: h\r\n",
  "Content-Length: ", "Transfer-Encoding: ", "chunked", "Connection: close\r\n", "Connection: keep-alive\r\n",
  "Expect: 100-continue\r\n", "\r\n", "\r\n\r\n", "\n", "\r", ": ", " ", "\t", ";", ",", "0\r\n\r\n", "5\r\nhello\r\n",
  "1", "X: y\r\n", "GET / HTTP/1.1\r\nHost: h\r\n\r\n",
  "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n",
  "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n",
].map { Array($0.utf8) }

private func appendWords(_ text: inout [UInt8], _ input: inout FuzzInput) {
  let choice = input.next(UInt8.self)
  if choice < 0xc0 {
    text += words[Int(choice) % words.count]
  } else {
    text += Array(input.take(Int(choice & 0x1f)))
  }
}

/// Cuts bytes into pieces of 1 to 16.
private func split(_ text: [UInt8], _ seed: inout UInt32) -> [[UInt8]] {
  var pieces: [[UInt8]] = []
  var start = 0
  while start < text.count {
    // Numerical Recipes' generator; its upper bits are the better ones.
    seed = seed &* 1_664_525 &+ 1_013_904_223
    let end = min(text.count, start + 1 + Int(seed >> 28))
    pieces.append(Array(text[start..<end]))
    start = end
  }
  return pieces
}

private func checkLimits(_ events: [Event], _ limits: HTTPLimits) {
  for event in events {
    switch event {
    case .head(_, let path, let fields):
      require(path.utf8.count <= limits.startLineByteCount, "a path's length")
      require(fields.count <= limits.fieldCount, "how many fields")
    case .content(let bytes): require(bytes.count <= limits.bodyByteCount, "a body's length")
    case .end(let trailers): require(trailers.count <= limits.fieldCount, "how many trailers")
    case .fault: break
    }
  }
}

/// What a server that echoes bodies writes, without dates.
private func serve(_ pieces: [[UInt8]], _ limits: HTTPLimits) -> [UInt8] {
  let channel = PieceChannel(pieces)
  InlineExecutor.shared.run {
    let server = HTTPServer(limits: limits) { request, response throws(HTTPError) in
      if request.method == .options { return try await response.send() }
      let body = try await request.body(upTo: 40)
      try await response.send(body)
    }
    var connection = ServerConnection(channel, server)
    _ = await connection.serve()
  }
  require(channel.hasEnded, "a connection comes to an end")
  return channel.written
}

/// The client's side reads what the server wrote, if there were no interim responses.
private func checkResponses(_ bytes: [UInt8]) {
  var parser = HeadParser<StatusLine>(HTTPLimits())
  var position = 0
  guard !bytes.isEmpty else { return }
  do throws(HTTPFault) {
    try parser.parse(bytes.span, &position)
    require(parser.isComplete, "a whole response")
    _ = try HeadFacts(response: parser.line!, parser.fields, isForHead: false)
  } catch {
    require(false, "a response that is one: \(error)")
  }
}

/// A connection whose input is there from the beginning. One task uses it.
private final class PieceChannel: ByteChannel, @unchecked Sendable {
  private var pieces: [[UInt8]]
  private(set) var written: [UInt8] = []
  private(set) var hasEnded = false

  init(_ pieces: [[UInt8]]) { self.pieces = pieces.reversed() }

  override var now: Duration { .zero }

  override nonisolated(nonsending) func read(into buffer: inout MutableRawSpan) async throws(HTTPError) -> Int {
    guard var piece = pieces.popLast() else { return 0 }
    let count = min(piece.count, buffer.byteCount)
    buffer.withUnsafeMutableBytes { $0.copyBytes(from: piece[..<count]) }
    piece.removeFirst(count)
    if !piece.isEmpty { pieces.append(piece) }
    return count
  }

  override nonisolated(nonsending) func write(_ bytes: RawSpan) async throws(HTTPError) {
    let text = bytes.withUnsafeBytes { Array($0) }
    let date = Array("\r\nDate: ".utf8)
    var index = 0
    while index < text.count {
      if text[index...].starts(with: date) {
        // With its line's end, 37 bytes.
        index += 2 + 35
      }
      written.append(text[index])
      index += 1
    }
  }

  override func close() { hasEnded = true }
  override func abort() { hasEnded = true }
}
