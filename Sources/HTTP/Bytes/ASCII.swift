/// The bytes that HTTP gives a meaning.
enum ASCII {
  static var tab: UInt8 { 0x09 }
  static var lineFeed: UInt8 { 0x0a }
  static var carriageReturn: UInt8 { 0x0d }
  static var space: UInt8 { 0x20 }
  static var numberSign: UInt8 { 0x23 }
  static var percent: UInt8 { 0x25 }
  static var ampersand: UInt8 { 0x26 }
  static var asterisk: UInt8 { 0x2a }
  static var plus: UInt8 { 0x2b }
  static var comma: UInt8 { 0x2c }
  static var slash: UInt8 { 0x2f }
  static var zero: UInt8 { 0x30 }
  static var colon: UInt8 { 0x3a }
  static var semicolon: UInt8 { 0x3b }
  static var equals: UInt8 { 0x3d }
  static var questionMark: UInt8 { 0x3f }
  static var openingBracket: UInt8 { 0x5b }
  static var closingBracket: UInt8 { 0x5d }
}

extension UInt8 {
  /// tchar (RFC 9110, 5.6.2).
  var isTokenCharacter: Bool {
    switch self {
    case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, 0x21, 0x23...0x27, 0x2a, 0x2b, 0x2d, 0x2e, 0x5e...0x60, 0x7c, 0x7e: true
    default: false
    }
  }

  /// What a field's value may have in it: VCHAR, obs-text, space and tab (RFC 9110, 5.5).
  var isFieldCharacter: Bool { self >= 0x20 && self != 0x7f || self == ASCII.tab }

  /// What a request's target may have in it. Not all that is left is allowed in a URI, but browsers send it. A fragment
  /// never belongs in a target (RFC 9112, 3.2).
  var isTargetCharacter: Bool { 0x21...0x7e ~= self && self != ASCII.numberSign }

  /// unreserved, sub-delims and the percent sign: what the name of a host consists of (RFC 3986, 3.2.2).
  var isHostCharacter: Bool {
    switch self {
    case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, 0x21, 0x24...0x2e, 0x3b, 0x3d, 0x5f, 0x7e: true
    default: false
    }
  }

  /// OWS (RFC 9110, 5.6.3).
  var isSpaceOrTab: Bool { self == ASCII.space || self == ASCII.tab }

  var isDigit: Bool { 0x30...0x39 ~= self }

  /// What it is worth as a hexadecimal digit.
  var hexadecimalValue: UInt8? {
    switch self {
    case 0x30...0x39: self - 0x30
    case 0x41...0x46: self - 0x41 + 10
    case 0x61...0x66: self - 0x61 + 10
    default: nil
    }
  }

  /// A letter of ASCII in lower case; anything else as it is.
  var lowercased: UInt8 { 0x41...0x5a ~= self ? self | 0x20 : self }
}

extension Span where Element == UInt8 {
  /// Where the byte first is, from `start` on.
  func firstIndex(of byte: UInt8, from start: Int = 0) -> Int? {
    var index = start
    while index < count {
      if self[index] == byte { return index }
      index += 1
    }
    return nil
  }

  /// A range without the spaces and tabs at its ends.
  func trimmed(_ range: Range<Int>) -> Range<Int> {
    var (start, end) = (range.lowerBound, range.upperBound)
    while start < end, self[start].isSpaceOrTab { start += 1 }
    while start < end, self[end - 1].isSpaceOrTab { end -= 1 }
    return start..<end
  }

  /// The bytes as a decimal number, which may have any number of digits (RFC 9110, 8.6): `Int.max` if it is that or more, nil
  /// if they are not digits alone, at least one.
  var decimal: Int? {
    guard !isEmpty else { return nil }
    var number = 0
    for index in 0..<count {
      guard self[index].isDigit else { return nil }
      let (product, overflow) = number.multipliedReportingOverflow(by: 10)
      let (sum, carry) = product.addingReportingOverflow(Int(self[index] - ASCII.zero))
      number = overflow || carry ? .max : sum
    }
    return number
  }
}

extension ByteBuffer {
  /// - Parameter number: not negative.
  mutating func append(decimal number: Int) {
    append(UInt(number), radix: 10)
  }

  /// - Parameter number: not negative.
  mutating func append(hexadecimal number: Int) {
    append(UInt(number), radix: 16)
  }

  private mutating func append(_ number: UInt, radix: UInt) {
    var divisor: UInt = 1
    while number / divisor >= radix { divisor *= radix }
    while divisor > 0 {
      let digit = UInt8(number / divisor % radix)
      append(digit < 10 ? ASCII.zero + digit : 0x61 + digit - 10)
      divisor /= radix
    }
  }

  /// Adds a `Content-Type` field. Control characters become spaces, as in every value, so that none can end its line.
  mutating func appendContentType(_ type: StaticString) {
    append("Content-Type: ")
    type.withUTF8Buffer { for byte in $0 { append(byte.isFieldCharacter ? byte : ASCII.space) } }
    appendLineEnd()
  }

  mutating func appendLineEnd() {
    append(ASCII.carriageReturn)
    append(ASCII.lineFeed)
  }
}
