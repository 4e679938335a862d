/// What is wrong with a message that came in, as far as HTTP itself is concerned.
public enum HTTPFault: Error, Hashable, Sendable {
  // MARK: The start line

  /// A request line is not method, target and version with one space between them, or a status line not what it should be.
  case badStartLine
  /// The target is none of the four forms, or not the one that goes with the method (RFC 9112, 3.2).
  case badTarget
  /// The target's scheme is `https`, and the connection is not secured (RFC 9110, 7.4).
  case misdirected
  case targetTooLong
  /// No version of HTTP/1.
  case unsupportedVersion
  /// The server does not know the method, or does nothing for anybody with it.
  case unsupportedMethod

  // MARK: Fields

  /// A line ends with a line feed alone. RFC 9112, 2.2, allows to take it for a line's end; where another recipient on the
  /// way does not, requests can be smuggled.
  case bareLineFeed
  /// A field's name is no token. Whitespace before the colon is one such case (RFC 9112, 5.1).
  case badFieldName
  /// A control character is in a field's value.
  case badFieldValue
  /// A field goes on in the next line (RFC 9112, 5.2), or the first one begins with whitespace (2.2).
  case foldedField
  case fieldsTooLarge
  case tooManyFields
  /// There is no `Host` field, or more than one, or what it says is no host (RFC 9112, 3.2).
  case badHost
  /// An expectation other than `100-continue` (RFC 9110, 10.1.1).
  case unknownExpectation

  // MARK: The length of the body (RFC 9112, 6.3)

  /// `Content-Length` is not one decimal number.
  case badContentLength
  /// There is both a `Content-Length` and a `Transfer-Encoding`, or a `Transfer-Encoding` in HTTP/1.0.
  case ambiguousLength
  /// `Transfer-Encoding` does not end with one `chunked`.
  case badTransferEncoding
  /// A coding besides `chunked`.
  case unknownTransferEncoding
  case badChunk
  /// Also: zeros in front of chunks' sizes.
  case chunkExtensionsTooLong
  /// Also: `Content-Length` or a chunk's size is more than can be counted.
  case bodyTooLarge
  /// The connection ended in the middle of the message.
  case incomplete

  /// What a server answers.
  public var status: HTTPStatus {
    switch self {
    case .badStartLine, .badTarget, .bareLineFeed, .badFieldName, .badFieldValue, .foldedField, .badHost,
      .badContentLength, .ambiguousLength, .badTransferEncoding, .badChunk, .chunkExtensionsTooLong, .incomplete:
      .badRequest
    case .misdirected: .misdirectedRequest
    case .targetTooLong: .uriTooLong
    case .unsupportedVersion: .httpVersionNotSupported
    case .unsupportedMethod, .unknownTransferEncoding: .notImplemented
    case .fieldsTooLarge, .tooManyFields: .requestHeaderFieldsTooLarge
    case .unknownExpectation: .expectationFailed
    case .bodyTooLarge: .contentTooLarge
    }
  }

  /// One line.
  public var reason: StaticString {
    switch self {
    case .badStartLine: "the first line is malformed"
    case .badTarget: "the target is malformed"
    case .misdirected: "the target is for secured connections"
    case .targetTooLong: "the target is too long"
    case .unsupportedVersion: "the version is not HTTP/1"
    case .unsupportedMethod: "the method is not implemented"
    case .bareLineFeed: "a line does not end with CR LF"
    case .badFieldName: "a header field's name is malformed"
    case .badFieldValue: "a header field's value has control characters"
    case .foldedField: "a header field begins with whitespace"
    case .fieldsTooLarge: "the header fields are too long"
    case .tooManyFields: "there are too many header fields"
    case .badHost: "there is not one Host with a host in it"
    case .unknownExpectation: "the expectation is not 100-continue"
    case .badContentLength: "Content-Length is not one number"
    case .ambiguousLength: "the body has two lengths"
    case .badTransferEncoding: "Transfer-Encoding does not end with chunked"
    case .unknownTransferEncoding: "the transfer coding is not implemented"
    case .badChunk: "a chunk is malformed"
    case .chunkExtensionsTooLong: "the chunks' extensions or leading zeros are too long"
    case .bodyTooLarge: "the body is too large"
    case .incomplete: "the message is incomplete"
    }
  }
}

extension HTTPFault: CustomStringConvertible {
  public var description: String { reason.description }
}
