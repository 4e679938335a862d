extension IPv4Address: LosslessStringConvertible {
  /// Four decimal numbers with dots between (RFC 6943, 3.1.1: the strict form). nil for anything else, such as the
  /// forms with fewer numbers, octal or hexadecimal ones that `inet_aton` takes.
  public init?(_ description: String) {
    self.init(text: description.utf8)
  }

  init?(text: some Collection<UInt8>) {
    var value: UInt32 = 0
    var number: UInt32 = 0
    var digits = 0
    var dots = 0
    for character in text {
      switch character {
      case UInt8(ascii: "0")...UInt8(ascii: "9"):
        // No leading zero: 010 is 8 to some and 10 to others.
        guard digits == 0 || number != 0 else { return nil }
        number = number * 10 + UInt32(character - UInt8(ascii: "0"))
        digits += 1
        guard number <= 255 else { return nil }
      case UInt8(ascii: "."):
        guard digits > 0, dots < 3 else { return nil }
        value = value << 8 | number
        (number, digits) = (0, 0)
        dots += 1
      default: return nil
      }
    }
    guard dots == 3, digits > 0 else { return nil }
    self.init(value << 8 | number)
  }

  public var description: String {
    "\(value >> 24).\(value >> 16 & 0xff).\(value >> 8 & 0xff).\(value & 0xff)"
  }
}
