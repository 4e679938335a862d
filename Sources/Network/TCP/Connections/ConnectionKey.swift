/// The two ends of a connection, in a form that is quick to hash and compare.
struct ConnectionKey: Equatable {
  private var localHigh: UInt64
  private var localLow: UInt64
  private var remoteHigh: UInt64
  private var remoteLow: UInt64
  /// Local port, remote port, and the family, as IPv4's addresses are small numbers here.
  private var ports: UInt64

  init(local: SocketAddress, remote: SocketAddress) {
    let localWords = local.address.words
    let remoteWords = remote.address.words
    (localHigh, localLow) = (localWords.high, localWords.low)
    (remoteHigh, remoteLow) = (remoteWords.high, remoteWords.low)
    ports = (local.address.isIPv4 ? 1 << 32 : 0) | UInt64(local.port) << 16 | UInt64(remote.port)
  }

  /// A hash that is quick, and that nobody can aim at without the secret: products of words that the secret has changed,
  /// folded. Stops: a peer that chooses its ports and addresses so that all connections are in one place of the table.
  func hash(_ secret: (UInt64, UInt64)) -> UInt64 {
    var hash = Self.fold(ports ^ secret.0, remoteLow ^ secret.1)
    if remoteHigh | localHigh != 0 {
      hash = Self.fold(hash ^ remoteHigh ^ secret.1, localHigh ^ secret.0)
    }
    return Self.fold(hash ^ secret.1, localLow ^ secret.0)
  }

  private static func fold(_ a: UInt64, _ b: UInt64) -> UInt64 {
    let product = a.multipliedFullWidth(by: b)
    return product.high ^ product.low
  }

  /// The same, for what must not be guessed even by one who sees many of them.
  func secureHash(_ random: NetworkRandom, _ purpose: UInt64) -> UInt64 {
    random.hash(localHigh, localLow, remoteHigh, remoteLow, ports, purpose)
  }
}

extension IPAddress {
  fileprivate var words: (high: UInt64, low: UInt64) {
    switch self {
    case .v4(let address): (0, UInt64(address.value))
    case .v6(let address): (address.high, address.low)
    }
  }

  var isIPv4: Bool {
    if case .v4 = self { true } else { false }
  }
}
