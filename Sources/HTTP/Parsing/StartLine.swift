/// The first line of a message (RFC 9112, 2.1).
protocol StartLine: Sendable {
  /// - Parameter line: without its end.
  init(_ line: Span<UInt8>) throws(HTTPFault)

  /// What is wrong with a line that is too long.
  static func fault(ofLongLine beginning: Span<UInt8>) -> HTTPFault

  /// Whether empty lines in front of it are passed over.
  static var followsEmptyLines: Bool { get }
}

/// Which version of HTTP/1 a message is in. A minor version above 1 is taken for 1 (RFC 9110, 6.2).
enum HTTPVersion: UInt8 {
  case http10, http11

  /// - Parameter text: HTTP-version (RFC 9112, 2.3).
  init(_ text: Span<UInt8>) throws(HTTPFault) {
    guard text.count == Self.byteCount, text.extracting(0..<5).equals("HTTP/"), text[5].isDigit, text[6] == 0x2e,
      text[7].isDigit
    else { throw .badStartLine }
    guard text[5] == ASCII.zero + 1 else { throw .unsupportedVersion }
    self = text[7] == ASCII.zero ? .http10 : .http11
  }

  static var byteCount: Int { 8 }
}

/// A request line (RFC 9112, 3). The ranges are offsets in the line.
struct RequestLine: StartLine {
  let method: HTTPMethod
  let target: RequestTarget
  let version: HTTPVersion

  init(_ line: Span<UInt8>) throws(HTTPFault) {
    guard let methodEnd = line.firstIndex(of: ASCII.space), methodEnd > 0 else { throw .badStartLine }
    for index in 0..<methodEnd where !line[index].isTokenCharacter { throw .badStartLine }
    let targetStart = methodEnd + 1
    guard let targetEnd = line.firstIndex(of: ASCII.space, from: targetStart), targetEnd > targetStart else {
      throw .badStartLine
    }
    method = HTTPMethod(line.extracting(0..<methodEnd))
    // First of all, so that another version is told so: its other parts may mean anything.
    version = try HTTPVersion(line.extracting(targetEnd + 1..<line.count))
    target = try RequestTarget(line, targetStart..<targetEnd, method)
  }

  /// RFC 9112, 2.2: a robust server ignores empty lines before a request.
  static var followsEmptyLines: Bool { true }

  /// A long target, unless the line is no request line at all.
  static func fault(ofLongLine beginning: Span<UInt8>) -> HTTPFault {
    for index in 0..<min(beginning.count, longestMethod) where !beginning[index].isTokenCharacter {
      return index > 0 && beginning[index] == ASCII.space ? .targetTooLong : .badStartLine
    }
    return .unsupportedMethod
  }

  /// No method that is registered with IANA is longer than 17 characters.
  private static var longestMethod: Int { 32 }
}

/// A status line (RFC 9112, 4).
struct StatusLine: StartLine {
  let version: HTTPVersion
  let status: HTTPStatus

  init(_ line: Span<UInt8>) throws(HTTPFault) {
    let statusStart = HTTPVersion.byteCount + 1
    let statusEnd = statusStart + 3
    guard line.count >= statusEnd, line[statusStart - 1] == ASCII.space else { throw .badStartLine }
    version = try HTTPVersion(line.extracting(0..<HTTPVersion.byteCount))
    guard let code = line.extracting(statusStart..<statusEnd).decimal, 100...599 ~= code else { throw .badStartLine }
    status = HTTPStatus(UInt16(code))
    // The space before the reason is missing at times where the reason is empty.
    guard line.count == statusEnd || line[statusEnd] == ASCII.space else { throw .badStartLine }
    for index in statusEnd..<line.count where !line[index].isFieldCharacter { throw .badStartLine }
  }

  static var followsEmptyLines: Bool { false }

  static func fault(ofLongLine beginning: Span<UInt8>) -> HTTPFault { .badStartLine }
}
