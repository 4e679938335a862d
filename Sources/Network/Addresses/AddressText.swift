extension IPAddress: LosslessStringConvertible {
  /// An address of either version in its text form.
  public init?(_ description: String) {
    if let address = IPv4Address(description) {
      self = .v4(address)
    } else if let address = IPv6Address(description) {
      self = .v6(address)
    } else {
      return nil
    }
  }

  public var description: String {
    switch self {
    case .v4(let address): address.description
    case .v6(let address): address.description
    }
  }
}

extension SocketAddress: CustomStringConvertible {
  /// `10.0.0.1:80`, `[2001:db8::1]:80` (RFC 3986, 3.2.2).
  public var description: String {
    switch address {
    case .v4(let address): "\(address):\(port)"
    case .v6(let address): "[\(address)]:\(port)"
    }
  }
}

extension MACAddress: LosslessStringConvertible {
  /// Six groups of two hexadecimal digits with colons between.
  public init?(_ description: String) {
    var value: UInt64 = 0
    var position = 0
    for character in description.utf8 {
      if position % 3 == 2 {
        guard character == UInt8(ascii: ":") else { return nil }
      } else {
        guard let digit = hexadecimalValue(character) else { return nil }
        value = value << 4 | UInt64(digit)
      }
      position += 1
      guard position <= 17 else { return nil }
    }
    guard position == 17 else { return nil }
    self.init(value)
  }

  public var description: String {
    var text = ""
    for shift in stride(from: UInt64(40), through: 0, by: -8) {
      let byte = UInt8(truncatingIfNeeded: value >> shift)
      if !text.isEmpty { text += ":" }
      text += String(byte >> 4, radix: 16)
      text += String(byte & 0xf, radix: 16)
    }
    return text
  }
}
