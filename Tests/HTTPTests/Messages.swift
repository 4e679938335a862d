import HTTP
import HTTPSupport

/// What a parser finds in a text, whole.
func events(_ text: String, limits: HTTPLimits = HTTPLimits()) -> [Event] {
  events([UInt8](text.utf8)[...], limits: limits)
}

func events(_ pieces: ArraySlice<UInt8>..., limits: HTTPLimits = HTTPLimits()) -> [Event] {
  var reader = RequestReader(limits)
  for piece in pieces { reader.read(piece) }
  return reader.events
}

/// The fault that a text ends with.
func fault(_ text: String, limits: HTTPLimits = HTTPLimits()) -> HTTPFault? {
  if case .fault(let fault)? = events(text, limits: limits).last { fault } else { nil }
}

/// Requests that are as they should be.
let goodRequests = [
  "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
  "\r\nGET /a/b?c=d&e=%20 HTTP/1.1\r\nHost: example.org:8080\r\nAccept: */*\r\nX-Empty:\r\nX-Space: \t a b \t\r\n\r\n",
  "GET http://example.org/x?y HTTP/1.1\r\nHost: other\r\n\r\n",
  "OPTIONS * HTTP/1.1\r\nhost: [::1]:80\r\n\r\n",
  "GET /old HTTP/1.0\r\n\r\n",
  "POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhelloPUT /q HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
  "POST /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n00a \t; x=\"y;\"\r\n0123456789\r\n0\r\n\r\n"
    + "GET /next HTTP/1.1\r\nHost: a\r\n\r\n",
  "POST /zeros HTTP/1.1\r\nHost: a\r\nContent-Length: 000000000000000000000005\r\n\r\nhello",
  "POST /zeros HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n000000000000000000000005\r\nhello\r\n"
    + "00000000000000000000000\r\n\r\n",
  "POST /t HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n1\r\nx\r\n0;last\r\nX-Sum: 1\r\nX-Other: 2\r\n\r\n",
]

/// Requests that somebody could smuggle another one in, or that are wrong otherwise, and what is wrong with them.
let badRequests: [(String, HTTPFault)] = [
  // The length of the body is not certain (RFC 9112, 6.3 and 11.2).
  (post("Content-Length: 5\r\nTransfer-Encoding: chunked", "0\r\n\r\n"), .ambiguousLength),
  (post("Transfer-Encoding: chunked\r\nContent-Length: 5", "0\r\n\r\n"), .ambiguousLength),
  (post("Content-Length: 5\r\nContent-Length: 5", "hello"), .badContentLength),
  (post("Content-Length: 5\r\nContent-Length: 6", "hello"), .badContentLength),
  (post("Content-Length: 5, 5", "hello"), .badContentLength),
  (post("Content-Length: +5", "hello"), .badContentLength),
  (post("Content-Length: -5", "hello"), .badContentLength),
  (post("Content-Length: 0x5", "hello"), .badContentLength),
  (post("Content-Length: 5 5", "hello"), .badContentLength),
  (post("Content-Length:", "hello"), .badContentLength),
  (post("Content-Length: 18446744073709551621", "hello"), .bodyTooLarge),
  (post("Content-Length: 9223372036854775808", "hello"), .bodyTooLarge),
  (post("Content-Length: 12345678901234567890123", "hello"), .bodyTooLarge),
  (post("Content-Length: 12345678901234567890123x", "hello"), .badContentLength),
  (post("Content-Length: 12345678901234567890123\r\nContent-Length: 5", "hello"), .badContentLength),
  (post("Content-Length: 12345678901234567890123\r\nTransfer-Encoding: chunked", "0\r\n\r\n"), .ambiguousLength),
  (post("Content-Length: \u{0665}", "hello"), .badContentLength),
  (post("Transfer-Encoding: xchunked", "0\r\n\r\n"), .badTransferEncoding),
  (post("Transfer-Encoding: chunked, gzip", "0\r\n\r\n"), .badTransferEncoding),
  (post("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", "0\r\n\r\n"), .badTransferEncoding),
  (post("Transfer-Encoding: chunked, chunked", "0\r\n\r\n"), .badTransferEncoding),
  (post("Transfer-Encoding: \"chunked\"", "0\r\n\r\n"), .badTransferEncoding),
  (post("Transfer-Encoding: chunked;q=1", "0\r\n\r\n"), .badTransferEncoding),
  (post("Transfer-Encoding:", "0\r\n\r\n"), .badTransferEncoding),
  (post("Transfer-Encoding: gzip", ""), .badTransferEncoding),
  (post("Transfer-Encoding: , chunked", "0\r\n\r\n"), .badTransferEncoding),
  (post("Transfer-Encoding: chunked,", "0\r\n\r\n"), .badTransferEncoding),
  (post("Transfer-Encoding:\r\nTransfer-Encoding: chunked", "0\r\n\r\n"), .badTransferEncoding),
  (post("Transfer-Encoding: gzip, chunked", "0\r\n\r\n"), .unknownTransferEncoding),
  (post("Transfer-Encoding: \u{b}chunked", "0\r\n\r\n"), .badFieldValue),
  ("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", .ambiguousLength),
  // Lines that end elsewhere for somebody else.
  ("GET / HTTP/1.1\nHost: a\n\n", .bareLineFeed),
  ("GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n", .bareLineFeed),
  ("GET / HTTP/1.1\r\nHost: a\r\n\n", .bareLineFeed),
  ("GET / HTTP/1.1\r\nHost: a\rX: y\r\n\r\n", .badFieldValue),
  ("GET / HTTP/1.1\r\nHost: a\r\nX: y\r\r\n\r\n", .badFieldValue),
  ("GET / HTTP/1.1\r\rHost: a\r\n\r\n", .badStartLine),
  ("GET / HTTP/1.1\r\n Host: a\r\n\r\n", .foldedField),
  ("GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n z\r\n\r\n", .foldedField),
  ("GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n\tContent-Length: 5\r\n\r\n", .foldedField),
  // Fields that another recipient reads under another name.
  ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length : 5\r\n\r\nhello", .badFieldName),
  ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding\t: chunked\r\n\r\n", .badFieldName),
  ("GET / HTTP/1.1\r\nHost: a\r\nX\u{0}: y\r\n\r\n", .badFieldName),
  ("GET / HTTP/1.1\r\nHost: a\r\n: y\r\n\r\n", .badFieldName),
  ("GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n", .badFieldName),
  ("GET / HTTP/1.1\r\nHost: a\r\nX: \u{0}\r\n\r\n", .badFieldValue),
  ("GET / HTTP/1.1\r\nHost: a\r\nX: \u{7f}\r\n\r\n", .badFieldValue),
  // The request line.
  ("GET  / HTTP/1.1\r\nHost: a\r\n\r\n", .badStartLine),
  ("GET /  HTTP/1.1\r\nHost: a\r\n\r\n", .badStartLine),
  ("GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", .badStartLine),
  (" GET / HTTP/1.1\r\nHost: a\r\n\r\n", .badStartLine),
  ("GET /\r\n\r\n", .badStartLine),
  ("GET\r\n\r\n", .badStartLine),
  ("G@T / HTTP/1.1\r\nHost: a\r\n\r\n", .badStartLine),
  ("GET / http/1.1\r\nHost: a\r\n\r\n", .badStartLine),
  ("GET / HTTP/1.1 \r\nHost: a\r\n\r\n", .badStartLine),
  ("GET / HTTP/1.10\r\nHost: a\r\n\r\n", .badStartLine),
  ("GET\t/\tHTTP/1.1\r\nHost: a\r\n\r\n", .badStartLine),
  ("\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", .badStartLine),
  ("GET / HTTP/2.0\r\nHost: a\r\n\r\n", .unsupportedVersion),
  ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", .unsupportedVersion),
  ("GET / HTTP/0.9\r\n\r\n", .unsupportedVersion),
  ("GET * HTTP/1.1\r\nHost: a\r\n\r\n", .badTarget),
  ("GET example.org HTTP/1.1\r\nHost: a\r\n\r\n", .badTarget),
  ("GET http:///x HTTP/1.1\r\nHost: a\r\n\r\n", .badTarget),
  ("GET http://:80/x HTTP/1.1\r\nHost: a\r\n\r\n", .badTarget),
  ("GET https://a/ HTTP/1.1\r\nHost: a\r\n\r\n", .misdirected),
  ("CONNECT :80 HTTP/1.1\r\nHost: a\r\n\r\n", .badTarget),
  ("GET http://user@host/ HTTP/1.1\r\nHost: a\r\n\r\n", .badTarget),
  ("GET ftp://host/ HTTP/1.1\r\nHost: a\r\n\r\n", .badTarget),
  ("GET /#fragment HTTP/1.1\r\nHost: a\r\n\r\n", .badTarget),
  ("GET /\u{e9} HTTP/1.1\r\nHost: a\r\n\r\n", .badTarget),
  ("GET /\u{1} HTTP/1.1\r\nHost: a\r\n\r\n", .badTarget),
  ("CONNECT / HTTP/1.1\r\nHost: a\r\n\r\n", .badTarget),
  ("GET /% HTTP/1.1\r\nHost: a\r\n\r\n", .badTarget),
  ("GET /a/%4/b HTTP/1.1\r\nHost: a\r\n\r\n", .badTarget),
  ("GET /%zz?q HTTP/1.1\r\nHost: a\r\n\r\n", .badTarget),
  // Host (RFC 9112, 3.2).
  ("GET / HTTP/1.1\r\n\r\n", .badHost),
  ("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", .badHost),
  ("GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", .badHost),
  ("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", .badHost),
  ("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", .badHost),
  ("GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", .badHost),
  ("GET / HTTP/1.1\r\nHost: a:b\r\n\r\n", .badHost),
  ("GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", .badHost),
  ("GET / HTTP/1.1\r\nHost: a%4\r\n\r\n", .badHost),
  ("GET / HTTP/1.1\r\nHost: a\r\nExpect: something\r\n\r\n", .unknownExpectation),
  // Chunks (RFC 9112, 7.1).
  (chunked("5\nhello\r\n0\r\n\r\n"), .badChunk),
  (chunked("5\r\nhello0\r\n\r\n"), .badChunk),
  (chunked("5\r\nhello\n0\r\n\r\n"), .badChunk),
  (chunked("5\r\nhelloX\r\n0\r\n\r\n"), .badChunk),
  (chunked("\r\nhello\r\n0\r\n\r\n"), .badChunk),
  (chunked(" 5\r\nhello\r\n0\r\n\r\n"), .badChunk),
  (chunked("0x5\r\nhello\r\n0\r\n\r\n"), .badChunk),
  (chunked("-5\r\nhello\r\n0\r\n\r\n"), .badChunk),
  (chunked("5 5\r\nhello\r\n0\r\n\r\n"), .badChunk),
  (chunked("5 \r\nhello\r\n0\r\n\r\n"), .badChunk),
  (chunked("5\r\nhello\r\n0\t\r\n\r\n"), .badChunk),
  (chunked("5;x\ny\r\nhello\r\n0\r\n\r\n"), .badChunk),
  (chunked("5;x\ry\r\nhello\r\n0\r\n\r\n"), .badChunk),
  (chunked("10000000000000005\r\nhello\r\n0\r\n\r\n"), .bodyTooLarge),
  (chunked("8000000000000000\r\nhello\r\n0\r\n\r\n"), .bodyTooLarge),
  (chunked("12345678901234567890123\r\nhello\r\n0\r\n\r\n"), .bodyTooLarge),
  (chunked("fffffffffffffff\r\nhello\r\n0\r\n\r\n"), .bodyTooLarge),
  (chunked("0\r\nX: y\n\r\n"), .bareLineFeed),
  (chunked("0\r\nX : y\r\n\r\n"), .badFieldName),
]

private func post(_ fields: String, _ body: String) -> String {
  "POST / HTTP/1.1\r\nHost: a\r\n\(fields)\r\n\r\n\(body)"
}

private func chunked(_ body: String) -> String { post("Transfer-Encoding: chunked", body) }
