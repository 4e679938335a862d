/// The option of classless static routes (RFC 3442).
enum ClasslessRoutes {
  /// - Parameter option: all of its parts.
  /// - Returns: the default route, if there is one, and as many others as are kept; nil if the option is not as it should
  ///   be, or is empty: then none of it is believed.
  static func routes(_ option: [UInt8]) -> [IPv4Route]? {
    guard !option.isEmpty else { return nil }
    var routes: [IPv4Route] = []
    var others = 0
    var rest = option[...]
    while let length = rest.popFirst() {
      // Of the destination's bytes only those are there that the prefix reaches into.
      let significant = (Int(length) + 7) / 8
      guard length <= 32, rest.count >= significant + 4 else { return nil }
      let destination = address(rest.prefix(significant))
      rest = rest.dropFirst(significant)
      let router = address(rest.prefix(4))
      rest = rest.dropFirst(4)
      if length != 0 { others += 1 }
      guard length == 0 || others <= DHCPLimits.routeCount else { continue }
      routes.append(
        IPv4Route(
          destination: IPv4Prefix(destination, length: Int(length)), router: router == .any ? nil : router))
    }
    return routes
  }

  /// What is missing at the end is 0.
  private static func address(_ bytes: ArraySlice<UInt8>) -> IPv4Address {
    var value: UInt32 = 0
    for byte in bytes { value = value << 8 | UInt32(byte) }
    return IPv4Address(bytes.isEmpty ? 0 : value << UInt32(32 - 8 * bytes.count))
  }
}
