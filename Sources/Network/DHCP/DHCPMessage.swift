/// A message of DHCP (RFC 2131, 2), as far as a client makes and reads them.
struct DHCPMessage {
  /// RFC 2132, 9.6.
  enum Kind: UInt8 {
    case discover = 1
    case offer = 2
    case request = 3
    case decline = 4
    case acknowledgement = 5
    case refusal = 6
    case release = 7
  }

  static let clientPort: UInt16 = 68
  static let serverPort: UInt16 = 67

  var kind: Kind
  var transaction: UInt32
  /// The server's: what it gives. The client's: 0.
  var offered = IPv4Address.any
  /// The client's own address, once it may use it (`ciaddr`).
  var own = IPv4Address.any
  var server: IPv4Address?
  /// Of a client that names an address that it does not use yet.
  var requested: IPv4Address?
  var mask: IPv4Address?
  var router: IPv4Address?
  /// Instead of `router` (RFC 3442); nil: the message has none, or nonsense.
  var routes: [IPv4Route]?
  var nameServers: [IPv4Address] = []
  var domain: [UInt8] = []
  var mtu: Int?
  /// In seconds; `UInt32.max`: for ever.
  var lease: UInt32?
  var renewal: UInt32?
  var rebinding: UInt32?

  init(_ kind: Kind, transaction: UInt32) {
    self.kind = kind
    self.transaction = transaction
  }

  private enum Option {
    static let mask: UInt8 = 1
    static let router: UInt8 = 3
    static let nameServers: UInt8 = 6
    static let hostname: UInt8 = 12
    static let domain: UInt8 = 15
    static let mtu: UInt8 = 26
    static let requested: UInt8 = 50
    static let lease: UInt8 = 51
    static let overload: UInt8 = 52
    static let kind: UInt8 = 53
    static let server: UInt8 = 54
    static let parameters: UInt8 = 55
    static let byteLimit: UInt8 = 57
    static let renewal: UInt8 = 58
    static let rebinding: UInt8 = 59
    static let client: UInt8 = 61
    static let routes: UInt8 = 121
  }

  private static let requestOperation: UInt8 = 1
  private static let replyOperation: UInt8 = 2
  /// Where a message's parts are (RFC 2131, figure 1).
  private static let linkOffset = 28
  private static let nameRange = 44..<108
  private static let fileRange = 108..<236
  private static let cookieOffset = 236
  private static let optionsOffset = 240
  /// RFC 2131, 3.
  private static let cookie: UInt32 = 0x6382_5363
  /// RFC 1542, 2.1: relays may drop what is shorter.
  private static let minimumByteCount = 300

  // MARK: Writing

  func bytes(link: MACAddress, hostname: String?) -> [UInt8] {
    var fixed = [UInt8](repeating: 0, count: Self.optionsOffset)
    var span = fixed.mutableSpan
    var bytes = span.mutableBytes
    bytes.store(Self.requestOperation, at: 0)
    // Hardware type 1: Ethernet, with addresses of six bytes.
    bytes.store(0x0106 as UInt16, at: 1)
    bytes.store(transaction, at: 4)
    // Without an address yet, answers must be broadcasts: packets to an address that is not ours yet are dropped
    // (RFC 2131, 4.1: the BROADCAST bit).
    if own == .any { bytes.store(0x8000 as UInt16, at: 10) }
    bytes.store(own.value, at: 12)
    bytes.store(link, at: Self.linkOffset)
    bytes.store(Self.cookie, at: Self.cookieOffset)

    var options = OptionWriter()
    options.add(Option.kind, [kind.rawValue])
    // RFC 2132, 9.14: the type of the link's address, and the address.
    options.add(Option.client, [1] + Self.network(link.value, byteCount: 6))
    if let requested { options.add(Option.requested, Self.network(UInt64(requested.value), byteCount: 4)) }
    if let server { options.add(Option.server, Self.network(UInt64(server.value), byteCount: 4)) }
    if kind == .discover || kind == .request {
      options.add(Option.byteLimit, Self.network(UInt64(LinkCapabilities.mtuRange.lowerBound), byteCount: 2))
      options.add(
        Option.parameters,
        [
          // RFC 3442: the routes before the router, for servers that have not room for both.
          Option.mask, Option.routes, Option.router, Option.nameServers, Option.domain, Option.mtu, Option.lease,
          Option.renewal, Option.rebinding,
        ])
      if let hostname { options.add(Option.hostname, Array(hostname.utf8.prefix(255))) }
    }
    options.bytes.append(DHCPOptions.end)
    let message = fixed + options.bytes
    return message + [UInt8](repeating: DHCPOptions.pad, count: max(0, Self.minimumByteCount - message.count))
  }

  private struct OptionWriter {
    var bytes: [UInt8] = []

    mutating func add(_ option: UInt8, _ value: [UInt8]) {
      bytes.append(option)
      bytes.append(UInt8(value.count))
      bytes += value
    }
  }

  private static func network(_ value: UInt64, byteCount: Int) -> [UInt8] {
    var bytes: [UInt8] = []
    for shift in stride(from: (byteCount - 1) * 8, through: 0, by: -8) {
      bytes.append(UInt8(truncatingIfNeeded: value >> UInt64(shift)))
    }
    return bytes
  }

  // MARK: Reading

  /// A server's message to a client. nil: something else, for another client, or with options that reach past the end.
  init?(reply message: RawSpan, to link: MACAddress) {
    guard message.byteCount >= Self.optionsOffset, message[0] == Self.replyOperation,
      message.load(1) == 0x0106 as UInt16, MACAddress(message, at: Self.linkOffset) == link,
      message.load(Self.cookieOffset) == Self.cookie
    else { return nil }
    var options = DHCPOptions()
    guard options.read(message.extracting(Self.optionsOffset...)) else { return nil }
    // RFC 2132, 9.3: options go on in the file's name, then in the server's.
    let overload = options.number(Option.overload, as: UInt8.self) ?? 0
    if overload & 1 != 0 { guard options.read(message.extracting(Self.fileRange)) else { return nil } }
    if overload & 2 != 0 { guard options.read(message.extracting(Self.nameRange)) else { return nil } }
    guard let kind = options.number(Option.kind, as: UInt8.self).flatMap(Kind.init(rawValue:)) else { return nil }
    self.init(kind, transaction: message.load(4))
    offered = IPv4Address(message.load(16))
    server = options.number(Option.server).map { IPv4Address($0) }
    mask = options.number(Option.mask).map { IPv4Address($0) }
    router = options.number(Option.router).map { IPv4Address($0) }
    routes = ClasslessRoutes.routes(options.bytes(Option.routes))
    nameServers = options.numbers(Option.nameServers, limit: ResolverLimits.serverCount).map { IPv4Address($0) }
    domain = options.bytes(Option.domain)
    mtu = options.number(Option.mtu, as: UInt16.self).map(Int.init)
    lease = options.number(Option.lease)
    renewal = options.number(Option.renewal)
    rebinding = options.number(Option.rebinding)
  }
}
