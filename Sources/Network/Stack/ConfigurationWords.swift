/// A configuration word that cannot be used.
public enum NetworkConfigurationError: Error, Equatable {
  /// The word's value is none that the key takes.
  case badValue(word: String, expected: String)
  /// The same key twice.
  case repeated(word: String)
  /// The word makes sense only together with another.
  case missing(String, for: String)
}

extension NetworkConfigurationError: CustomStringConvertible {
  /// One line.
  public var description: String {
    switch self {
    case .badValue(let word, let expected): "\(word): expected \(expected)"
    case .repeated(let word): "\(word): given before"
    case .missing(let missing, let word): "\(word): needs \(missing) as well"
    }
  }
}

extension NetworkConfiguration {
  /// The keys of configuration words.
  static let keys = ["ip", "gw", "ip6", "gw6", "dns", "hostname"]

  /// Whether a program's argument is a configuration word: one of the keys followed by `=`.
  public static func isWord(_ argument: String) -> Bool {
    keys.contains { hasKey(argument, $0) }
  }

  /// What a program's arguments say about its interface:
  ///
  ///     ip=dhcp | ip=none | ip=10.0.0.2/24      gw=10.0.0.1
  ///     ip6=auto | ip6=none | ip6=2001:db8::2/64   gw6=fe80::1
  ///     dns=10.0.0.1,2001:db8::53               hostname=web
  ///
  /// What is not said is as `init()` has it: DHCP and automatic IPv6. A fixed IPv4 address without `ip6` leaves IPv6
  /// automatic. A gateway is on the link, whether or not it is in the network of the address: container networks give
  /// 10.0.0.2/32 and 169.254.1.1.
  ///
  /// - Parameter words: each one for which `isWord` says yes; others are not looked at.
  public init(words: [String]) throws(NetworkConfigurationError) {
    self.init()
    var seen: [String] = []
    var gateway: (word: String, address: IPv4Address)?
    var gateway6: (word: String, address: IPv6Address)?
    for word in words {
      guard let key = Self.keys.first(where: { Self.hasKey(word, $0) }) else { continue }
      guard !seen.contains(key) else { throw .repeated(word: word) }
      seen.append(key)
      let value = String(decoding: word.utf8.dropFirst(key.utf8.count + 1), as: UTF8.self)
      switch key {
      case "ip": ipv4 = try Self.ipv4(word, value)
      case "ip6": ipv6 = try Self.ipv6(word, value)
      case "gw":
        guard let address = IPv4Address(value), address.isUnicast else {
          throw .badValue(word: word, expected: "an IPv4 address")
        }
        gateway = (word, address)
      case "gw6":
        guard let address = IPv6Address(value), address.isUnicast else {
          throw .badValue(word: word, expected: "an IPv6 address")
        }
        gateway6 = (word, address)
      case "dns": nameServers = try Self.nameServers(word, value)
      default: hostname = try Self.hostname(word, value)
      }
    }
    if let gateway { try add(gateway.address, word: gateway.word) }
    if let gateway6 { try add(gateway6.address, word: gateway6.word) }
  }

  private static func hasKey(_ word: String, _ key: String) -> Bool {
    word.utf8.starts(with: key.utf8) && word.utf8.dropFirst(key.utf8.count).first == UInt8(ascii: "=")
  }

  private static func ipv4(_ word: String, _ value: String) throws(NetworkConfigurationError) -> IPv4 {
    if value == "dhcp" { return .dhcp }
    if value == "none" { return .none }
    guard let (text, length) = addressAndLength(value), let address = IPv4Address(text: text), address.isUnicast,
      (1...32).contains(length)
    else { throw .badValue(word: word, expected: "dhcp, none or ADDRESS/LENGTH, such as 10.0.0.2/24") }
    let prefix = IPv4Prefix(address, length: length)
    guard address != prefix.broadcast, length >= 31 || address != prefix.network else {
      throw .badValue(word: word, expected: "the address of a host, not of the whole network")
    }
    return .fixed(address, prefixLength: length, gateway: nil)
  }

  private static func ipv6(_ word: String, _ value: String) throws(NetworkConfigurationError) -> IPv6 {
    if value == "auto" { return .automatic }
    if value == "none" { return .none }
    guard let (text, length) = addressAndLength(value), let address = IPv6Address(text: text), address.isUnicast,
      (1...128).contains(length)
    else { throw .badValue(word: word, expected: "auto, none or ADDRESS/LENGTH, such as 2001:db8::2/64") }
    return .fixed(address, prefixLength: length, gateway: nil)
  }

  private static func addressAndLength(_ value: String) -> (Substring.UTF8View, Int)? {
    guard let slash = value.utf8.firstIndex(of: UInt8(ascii: "/")) else { return nil }
    let digits = value.utf8[value.utf8.index(after: slash)...]
    guard (1...3).contains(digits.count), let length = decimalNumber(digits) else { return nil }
    return (value[..<slash].utf8, length)
  }

  private static func nameServers(_ word: String, _ value: String) throws(NetworkConfigurationError) -> [IPAddress] {
    var servers: [IPAddress] = []
    for part in value.utf8.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false) {
      guard let address = IPAddress(String(decoding: part, as: UTF8.self)), address.isUnicast,
        servers.count < ResolverLimits.serverCount
      else {
        throw .badValue(
          word: word, expected: "1 to \(ResolverLimits.serverCount) addresses of name servers with commas between")
      }
      servers.append(address)
    }
    return servers
  }

  private static func hostname(_ word: String, _ value: String) throws(NetworkConfigurationError) -> String {
    guard DNSName(value) != nil else {
      throw .badValue(word: word, expected: "a name of letters, digits and hyphens with dots between")
    }
    return value
  }

  private static let anotherHost = "the address of another host"

  private mutating func add(_ gateway: IPv4Address, word: String) throws(NetworkConfigurationError) {
    guard case .fixed(let address, let length, _) = ipv4 else { throw .missing("ip=ADDRESS/LENGTH", for: word) }
    guard IPv4Binding(address: address, prefix: IPv4Prefix(address, length: length)).isPossibleSource(gateway) else {
      throw .badValue(word: word, expected: Self.anotherHost)
    }
    ipv4 = .fixed(address, prefixLength: length, gateway: gateway)
  }

  private mutating func add(_ gateway: IPv6Address, word: String) throws(NetworkConfigurationError) {
    guard case .fixed(let address, let length, _) = ipv6 else { throw .missing("ip6=ADDRESS/LENGTH", for: word) }
    guard gateway != address else { throw .badValue(word: word, expected: Self.anotherHost) }
    ipv6 = .fixed(address, prefixLength: length, gateway: gateway)
  }
}

/// A number of decimal digits only; nil for anything else or above 2^31.
func decimalNumber(_ digits: some Collection<UInt8>) -> Int? {
  var value = 0
  guard !digits.isEmpty else { return nil }
  for digit in digits {
    guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(digit), value < 1 << 27 else { return nil }
    value = value * 10 + Int(digit - UInt8(ascii: "0"))
  }
  return value
}
