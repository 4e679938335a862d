extension Span where Element == UInt8 {
  /// The text with every percent sign and the two digits behind it replaced by the byte that they stand for (RFC 3986, 2.1).
  ///
  /// - Returns: nil if there are no two digits, or if the outcome is not UTF-8.
  func percentDecoded(plusIsSpace: Bool) -> String? {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(count)
    var index = 0
    while index < count {
      let byte = self[index]
      index += 1
      if byte == ASCII.percent {
        guard index + 2 <= count, let high = self[index].hexadecimalValue, let low = self[index + 1].hexadecimalValue
        else { return nil }
        bytes.append(high << 4 | low)
        index += 2
      } else {
        bytes.append(plusIsSpace && byte == ASCII.plus ? ASCII.space : byte)
      }
    }
    return String(validating: bytes.span)
  }
}
