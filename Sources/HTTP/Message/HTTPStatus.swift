/// How a request went: a number of three digits (RFC 9110, 15).
public struct HTTPStatus: Hashable, Sendable {
  /// 100 to 599 where it was received.
  public let code: UInt16

  /// - Parameter code: 200 to 599. Nothing else can be sent: a response with another throws `misuse(.badStatus)`.
  public init(_ code: UInt16) { self.code = code }

  public static let `continue` = HTTPStatus(100)
  public static let ok = HTTPStatus(200)
  public static let created = HTTPStatus(201)
  public static let accepted = HTTPStatus(202)
  public static let noContent = HTTPStatus(204)
  public static let movedPermanently = HTTPStatus(301)
  public static let found = HTTPStatus(302)
  public static let seeOther = HTTPStatus(303)
  public static let notModified = HTTPStatus(304)
  public static let badRequest = HTTPStatus(400)
  public static let unauthorized = HTTPStatus(401)
  public static let forbidden = HTTPStatus(403)
  public static let notFound = HTTPStatus(404)
  public static let methodNotAllowed = HTTPStatus(405)
  public static let requestTimeout = HTTPStatus(408)
  public static let conflict = HTTPStatus(409)
  public static let contentTooLarge = HTTPStatus(413)
  public static let uriTooLong = HTTPStatus(414)
  public static let unsupportedMediaType = HTTPStatus(415)
  public static let expectationFailed = HTTPStatus(417)
  public static let misdirectedRequest = HTTPStatus(421)
  public static let requestHeaderFieldsTooLarge = HTTPStatus(431)
  public static let internalServerError = HTTPStatus(500)
  public static let notImplemented = HTTPStatus(501)
  public static let serviceUnavailable = HTTPStatus(503)
  public static let httpVersionNotSupported = HTTPStatus(505)
  public static let insufficientStorage = HTTPStatus(507)

  /// What stands behind the number, for people to read.
  public var reason: StaticString {
    switch code {
    case 100: "Continue"
    case 200: "OK"
    case 201: "Created"
    case 202: "Accepted"
    case 204: "No Content"
    case 301: "Moved Permanently"
    case 302: "Found"
    case 303: "See Other"
    case 304: "Not Modified"
    case 400: "Bad Request"
    case 401: "Unauthorized"
    case 403: "Forbidden"
    case 404: "Not Found"
    case 405: "Method Not Allowed"
    case 408: "Request Timeout"
    case 409: "Conflict"
    case 413: "Content Too Large"
    case 414: "URI Too Long"
    case 415: "Unsupported Media Type"
    case 417: "Expectation Failed"
    case 421: "Misdirected Request"
    case 431: "Request Header Fields Too Large"
    case 500: "Internal Server Error"
    case 501: "Not Implemented"
    case 503: "Service Unavailable"
    case 505: "HTTP Version Not Supported"
    case 507: "Insufficient Storage"
    default: ""
    }
  }

  /// Whether it ends a request: it is no interim status, and one at all (RFC 9110, 15).
  var isFinal: Bool { 200...599 ~= code }

  /// Whether a response with it never has content (RFC 9110, 6.4.1).
  var forbidsContent: Bool { code < 200 || code == 204 || code == 304 }
}
