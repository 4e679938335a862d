/// What a handler asks of its response, or a program of its client, that HTTP cannot say. Nothing of it is sent.
///
/// A server answers for a handler that does so with 500, or resets the connection if an answer has begun, and counts it in
/// `HTTPServerStatistics.misuseCount`.
public enum HTTPMisuse: Error, Hashable, Sendable {
  /// The status of a response is not from 200 to 599: none at all, or that of an interim response (RFC 9110, 15).
  case badStatus
  /// The name of a field is no token (RFC 9110, 5.1), or of a field that is the response's own business.
  case badFieldName
  /// Something at a time when it has no meaning: content before its beginning or behind its end, a second answer, a field
  /// that comes too late, a request in the middle of another one.
  case outOfOrder
  /// Content of a negative length is announced.
  case negativeLength
  /// There is more content than was announced.
  case tooMuchContent
  /// There is less content than was announced.
  case tooLittleContent
  /// A buffer has no room for what is to be read into it.
  case emptyBuffer

  /// One line.
  public var reason: StaticString {
    switch self {
    case .badStatus: "the status is not from 200 to 599"
    case .badFieldName: "the field's name is malformed or reserved"
    case .outOfOrder: "the message is not where this can be done"
    case .negativeLength: "the content's length is negative"
    case .tooMuchContent: "there is more content than was announced"
    case .tooLittleContent: "there is less content than was announced"
    case .emptyBuffer: "the buffer has no room"
    }
  }
}

extension HTTPMisuse: CustomStringConvertible {
  public var description: String { reason.description }
}
