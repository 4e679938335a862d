extension IPv6Address: LosslessStringConvertible {
  /// One of the forms of RFC 4291, 2.2: eight hexadecimal groups, `::` for one run of zeros, or an IPv4 address as the last
  /// 32 bits. nil for anything else, zones included.
  public init?(_ description: String) {
    self.init(text: description.utf8)
  }

  init?(text: some Collection<UInt8>) {
    var groups: [UInt16] = []
    /// How many groups are before the `::`.
    var gap: Int?
    var rest = text[...]
    if rest.first == UInt8(ascii: ":") {
      // Only `::` begins with a colon.
      rest = rest.dropFirst()
      guard rest.first == UInt8(ascii: ":") else { return nil }
      rest = rest.dropFirst()
      gap = 0
    }
    while !rest.isEmpty {
      let group = rest.prefix { $0 != UInt8(ascii: ":") }
      if group.contains(UInt8(ascii: ".")) {
        guard group.endIndex == rest.endIndex, groups.count <= 6, let last = IPv4Address(text: group) else {
          return nil
        }
        groups.append(UInt16(last.value >> 16))
        groups.append(UInt16(truncatingIfNeeded: last.value))
        break
      }
      guard groups.count < 8, let value = Self.number(group) else { return nil }
      groups.append(value)
      rest = rest[group.endIndex...]
      guard !rest.isEmpty else { break }
      rest = rest.dropFirst()
      // A colon at the end is the second one of `::` or an error.
      guard let next = rest.first else { return nil }
      if next == UInt8(ascii: ":") {
        guard gap == nil else { return nil }
        gap = groups.count
        rest = rest.dropFirst()
      }
    }
    if let gap {
      guard groups.count < 8 else { return nil }
      groups.insert(contentsOf: repeatElement(0, count: 8 - groups.count), at: gap)
    }
    guard groups.count == 8 else { return nil }
    self.init(
      high: groups[..<4].reduce(0) { $0 << 16 | UInt64($1) }, low: groups[4...].reduce(0) { $0 << 16 | UInt64($1) })
  }

  /// One to four hexadecimal digits.
  private static func number(_ digits: some Collection<UInt8>) -> UInt16? {
    guard (1...4).contains(digits.count) else { return nil }
    var value: UInt16 = 0
    for digit in digits {
      guard let digit = hexadecimalValue(digit) else { return nil }
      value = value << 4 | UInt16(digit)
    }
    return value
  }

  /// The form of RFC 5952, 4: lower case, no leading zeros, `::` for the longest run of two or more zero groups (the first
  /// of equals); section 5: IPv4-mapped addresses end in an IPv4 address.
  public var description: String {
    if high == 0, low >> 32 == 0xffff { return "::ffff:\(IPv4Address(UInt32(truncatingIfNeeded: low)))" }
    let run = longestRunOfZeros
    var text = ""
    var index = 0
    while index < 8 {
      if index == run.lowerBound, run.count >= 2 {
        text += "::"
        index = run.upperBound
        continue
      }
      if index > 0, index != run.upperBound || run.count < 2 { text += ":" }
      text += String(group(index), radix: 16)
      index += 1
    }
    return text
  }

  private func group(_ index: Int) -> UInt16 {
    let half = index < 4 ? high : low
    return UInt16(truncatingIfNeeded: half >> UInt64((3 - index % 4) * 16))
  }

  private var longestRunOfZeros: Range<Int> {
    var longest = 0..<0
    var start = 0
    for index in 0..<8 {
      if group(index) != 0 {
        start = index + 1
      } else if index + 1 - start > longest.count {
        longest = start..<index + 1
      }
    }
    return longest
  }
}

/// The value of a hexadecimal digit in ASCII.
func hexadecimalValue(_ digit: UInt8) -> UInt8? {
  switch digit {
  case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
  case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
  case UInt8(ascii: "A")...UInt8(ascii: "F"): digit - UInt8(ascii: "A") + 10
  default: nil
  }
}
