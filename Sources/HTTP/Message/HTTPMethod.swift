/// What a request asks for (RFC 9110, 9; RFC 5789).
public enum HTTPMethod: UInt8, Sendable {
  case get, head, post, put, delete, connect, options, trace, patch
  /// One that is not known here.
  case other

  /// - Parameter name: case matters (RFC 9110, 9.1).
  init(_ name: Span<UInt8>) {
    switch name.count {
    case 3 where name.equals("GET"): self = .get
    case 3 where name.equals("PUT"): self = .put
    case 4 where name.equals("HEAD"): self = .head
    case 4 where name.equals("POST"): self = .post
    case 5 where name.equals("PATCH"): self = .patch
    case 5 where name.equals("TRACE"): self = .trace
    case 6 where name.equals("DELETE"): self = .delete
    case 7 where name.equals("OPTIONS"): self = .options
    case 7 where name.equals("CONNECT"): self = .connect
    default: self = .other
    }
  }

  /// As it is written in a request; empty for `other`.
  public var name: StaticString {
    switch self {
    case .get: "GET"
    case .head: "HEAD"
    case .post: "POST"
    case .put: "PUT"
    case .delete: "DELETE"
    case .connect: "CONNECT"
    case .options: "OPTIONS"
    case .trace: "TRACE"
    case .patch: "PATCH"
    case .other: ""
    }
  }
}
