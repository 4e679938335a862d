/// Why something that waits for the other side of a connection gives up.
public enum HTTPError: Error, Hashable, Sendable {
  /// The other side sent what is not HTTP, or more than is allowed. A server answers with the fault's status.
  case fault(HTTPFault)
  /// It took too long.
  case timedOut
  /// There is no connection any more.
  case disconnected
  /// What a handler throws to have a request answered with this status and nothing else.
  case status(HTTPStatus)
  /// A handler, or whoever uses a client, did what HTTP does not allow. A server answers with 500.
  case misuse(HTTPMisuse)
}

extension HTTPError: CustomStringConvertible {
  public var description: String {
    switch self {
    case .fault(let fault): fault.description
    case .timedOut: "the other side took too long"
    case .disconnected: "the connection is gone"
    case .status(let status): "\(status.code) \(status.reason)"
    case .misuse(let misuse): misuse.description
    }
  }
}
