/// What a request is about (RFC 9112, 3.2). The ranges are offsets in the request line.
struct RequestTarget {
  /// The path, from its slash on; `*` if the target is that.
  let path: Range<Int>
  /// What is behind the question mark; nil if there is none.
  let query: Range<Int>?
  /// The host and the port in the target itself, if they are there.
  let authority: Range<Int>?

  init(_ line: Span<UInt8>, _ range: Range<Int>, _ method: HTTPMethod) throws(HTTPFault) {
    for index in range where !line[index].isTargetCharacter { throw .badTarget }
    let target = line.extracting(range)
    let rest: Range<Int>
    if method == .connect {
      // authority-form; what a target of another form would be is not asked for with this method.
      guard target.isHost(portIsRequired: true, mayBeEmpty: false) else { throw .badTarget }
      (path, query, authority) = (range.lowerBound..<range.lowerBound, nil, range)
      return
    } else if target[0] == ASCII.slash {
      authority = nil
      rest = range
    } else if target.count == 1, target[0] == ASCII.asterisk {
      guard method == .options else { throw .badTarget }
      (path, query, authority) = (range, nil, nil)
      return
    } else {
      // absolute-form, which every server has to understand.
      try Self.requireScheme(of: target)
      let start = range.lowerBound + Self.schemeByteCount
      var end = start
      while end < range.upperBound, line[end] != ASCII.slash, line[end] != ASCII.questionMark { end += 1 }
      guard line.extracting(start..<end).isHost(mayBeEmpty: false) else { throw .badTarget }
      authority = start..<end
      rest = end..<range.upperBound
    }
    let mark = line.firstIndex(of: ASCII.questionMark, from: rest.lowerBound).flatMap {
      $0 < rest.upperBound ? $0 : nil
    }
    query = mark.map { $0 + 1..<rest.upperBound }
    let pathEnd = mark ?? rest.upperBound
    if rest.lowerBound < pathEnd {
      path = rest.lowerBound..<pathEnd
    } else {
      // An empty path is "/" (RFC 9110, 4.2.3). There is a slash in front of the authority.
      path = authority!.lowerBound - 1..<authority!.lowerBound
    }
    // What the path stands for has to be certain, since that is what it is compared with.
    guard line.extracting(path).isPercentEncoded else { throw .badTarget }
  }

  /// Of "http://".
  private static var schemeByteCount: Int { 7 }

  /// A request for what only a secured connection may ask for is not for this server (RFC 9110, 7.4).
  private static func requireScheme(of target: Span<UInt8>) throws(HTTPFault) {
    if target.count > 7, target.extracting(0..<7).equalsIgnoringCase("http://") { return }
    if target.count > 8, target.extracting(0..<8).equalsIgnoringCase("https://") { throw .misdirected }
    throw .badTarget
  }
}

extension Span where Element == UInt8 {
  /// Whether the bytes are `uri-host [ ":" port ]` (RFC 9110, 7.2). User information is not allowed there (4.2.4).
  ///
  /// - Parameter mayBeEmpty: the host; in a target it may not (4.2.1).
  func isHost(portIsRequired: Bool = false, mayBeEmpty: Bool) -> Bool {
    var index = 0
    if count > 0, self[0] == ASCII.openingBracket {
      guard let end = firstIndex(of: ASCII.closingBracket), end > 1 else { return false }
      // IPv6 and what may come after it: digits, colons, and a dotted address at the end.
      for inside in 1..<end
      where self[inside].hexadecimalValue == nil && self[inside] != ASCII.colon && self[inside] != 0x2e {
        return false
      }
      index = end + 1
    } else {
      while index < count, self[index].isHostCharacter || self[index] == ASCII.percent { index += 1 }
      guard extracting(0..<index).isPercentEncoded else { return false }
    }
    guard index > 0 || mayBeEmpty else { return false }
    if index == count { return !portIsRequired }
    guard self[index] == ASCII.colon else { return false }
    for digit in index + 1..<count where !self[digit].isDigit { return false }
    return !portIsRequired || index + 1 < count
  }
}
