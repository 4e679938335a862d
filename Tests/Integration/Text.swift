extension String {
  /// Whether these bytes occur. (Embedded Swift has no search for a string in a string.)
  func contains(bytesOf other: String) -> Bool {
    offset(ofBytesOf: other) != nil
  }

  /// Where these bytes first occur, as a number of bytes.
  func offset(ofBytesOf other: String) -> Int? {
    Array(utf8).offset(of: Array(other.utf8))
  }

  /// The lines, without their line feeds; what follows the last line feed is a line unless it is empty.
  var lines: [String] {
    var lines = utf8.split(separator: 0x0a, omittingEmptySubsequences: false).map {
      String(decoding: $0, as: UTF8.self)
    }
    if lines.last == "" { lines.removeLast() }
    return lines
  }

  /// The words between spaces.
  var words: [String] {
    utf8.split(separator: 0x20).map { String(decoding: $0, as: UTF8.self) }
  }

  /// The first `count` bytes and, if that is not all, how many follow.
  func shortened(to count: Int) -> String {
    guard utf8.count > count else { return self }
    return String(decoding: utf8.prefix(count), as: UTF8.self) + "[and \(utf8.count - count) bytes more]"
  }
}

extension [UInt8] {
  func contains(_ other: [UInt8]) -> Bool { offset(of: other) != nil }

  /// Where these bytes first occur.
  func offset(of other: [UInt8]) -> Int? {
    guard let first = other.first else { return 0 }
    guard count >= other.count else { return nil }
    for start in 0...count - other.count where self[start] == first {
      if self[start..<start + other.count].elementsEqual(other) { return start }
    }
    return nil
  }
}

extension UInt64 {
  /// A decimal number or, after 0x, a hexadecimal one.
  init?(numeral text: String) {
    if text.hasPrefix("0x") {
      self.init(text.dropFirst(2), radix: 16)
    } else {
      self.init(text, radix: 10)
    }
  }

  var hexadecimal: String { "0x" + String(self, radix: 16) }
}
