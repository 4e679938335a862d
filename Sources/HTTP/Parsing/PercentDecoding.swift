// Percent-encoding (RFC 3986, 2.1): a percent sign and two hexadecimal digits stand for an octet.
extension Span where Element == UInt8 {
  /// The octet at `index`, or what is encoded there.
  ///
  /// - Parameter index: below `count`; moved behind what was taken.
  /// - Returns: nil if there is a percent sign without two digits behind it; then `index` is not moved.
  func takePercentDecoded(_ index: inout Int) -> UInt8? {
    let byte = self[index]
    guard byte == ASCII.percent else {
      index += 1
      return byte
    }
    guard count - index > 2, let high = self[index + 1].hexadecimalValue, let low = self[index + 2].hexadecimalValue
    else { return nil }
    index += 3
    return high << 4 | low
  }

  /// Whether every percent sign has its two digits.
  var isPercentEncoded: Bool {
    var index = 0
    while index < count {
      guard takePercentDecoded(&index) != nil else { return false }
    }
    return true
  }

  /// Whether the octets that these bytes stand for are those of an array.
  func equalsPercentDecoded(_ octets: [UInt8]) -> Bool {
    var index = 0
    for octet in octets {
      guard index < count, takePercentDecoded(&index) == octet else { return false }
    }
    return index == count
  }

  /// The octets that these bytes stand for, where a percent sign without two digits behind it stands for itself.
  var lenientlyPercentDecoded: [UInt8] {
    var octets: [UInt8] = []
    var index = 0
    while index < count {
      if let octet = takePercentDecoded(&index) {
        octets.append(octet)
      } else {
        octets.append(self[index])
        index += 1
      }
    }
    return octets
  }

  /// The text that these bytes stand for.
  ///
  /// - Parameter plusIsSpace: as in a form (URL Standard, 5.1).
  /// - Returns: nil if a percent sign has no two digits behind it, or if the outcome is not UTF-8.
  func percentDecoded(plusIsSpace: Bool) -> String? {
    var octets: [UInt8] = []
    octets.reserveCapacity(count)
    var index = 0
    while index < count {
      let isSpace = plusIsSpace && self[index] == ASCII.plus
      guard let octet = takePercentDecoded(&index) else { return nil }
      octets.append(isSpace ? ASCII.space : octet)
    }
    return String(validating: octets.span)
  }
}
