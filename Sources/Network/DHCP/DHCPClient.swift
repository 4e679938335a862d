/// The client's half of DHCP (RFC 2131, 4.4), without input or output.
struct DHCPClient {
  /// What is to be done for it.
  enum Step {
    /// Send a message: from the leased address to a server, or, nil, from nowhere to everybody.
    case send([UInt8], to: IPv4Address?)
    /// Ask by ARP whether somebody has an address.
    case probe(IPv4Address)
    /// The lease counts from now on; nil: there is none any more.
    case use(DHCPLease?)
  }

  private enum State {
    /// Waits before it begins again.
    case waiting
    case selecting
    case requesting(server: IPv4Address, address: IPv4Address)
    /// Waits whether somebody else answers for the address.
    case probing(DHCPLease)
    case bound(DHCPLease)
    case renewing(DHCPLease)
    case rebinding(DHCPLease)
  }

  private(set) var steps: [Step] = []
  private(set) var deadline: NetworkInstant?
  private let link: MACAddress
  private let hostname: String?
  private var random: NetworkRandom
  private var state = State.waiting
  private var transaction: UInt32 = 0
  /// How often the present message was sent, or how often all failed since the last success.
  private var tries = 0
  /// When the last request was sent: a lease counts from there (RFC 2131, 4.4.1).
  private var requested = NetworkInstant(nanoseconds: 0)
  private var renewal: NetworkInstant?
  private var rebinding: NetworkInstant?
  private var expiry: NetworkInstant?

  init(link: MACAddress, hostname: String?, random: NetworkRandom, at now: NetworkInstant) {
    self.link = link
    self.hostname = hostname
    self.random = random
    discover(at: now)
  }

  mutating func takeSteps() -> [Step] {
    defer { steps.removeAll() }
    return steps
  }

  // MARK: Time

  mutating func advance(to now: NetworkInstant) {
    guard let deadline, deadline <= now else { return }
    switch state {
    case .waiting: discover(at: now)
    case .selecting: sendDiscover(at: now)
    case .requesting(let server, let address):
      // RFC 2131, 3.1.5: a server that does not answer is given up after some tries.
      if tries < DHCPLimits.requestCount {
        sendRequest(server: server, address: address, at: now)
      } else {
        discover(at: now)
      }
    case .probing(let lease): bind(lease, at: now)
    case .bound(let lease), .renewing(let lease), .rebinding(let lease): renew(lease, at: now)
    }
  }

  private mutating func discover(at now: NetworkInstant) {
    state = .selecting
    transaction = UInt32(truncatingIfNeeded: random.next())
    sendDiscover(at: now)
  }

  private mutating func sendDiscover(at now: NetworkInstant) {
    steps.append(.send(DHCPMessage(.discover, transaction: transaction).bytes(link: link, hostname: hostname), to: nil))
    backOff(at: now)
  }

  private mutating func sendRequest(server: IPv4Address, address: IPv4Address, at now: NetworkInstant) {
    var message = DHCPMessage(.request, transaction: transaction)
    message.server = server
    message.requested = address
    requested = now
    steps.append(.send(message.bytes(link: link, hostname: hostname), to: nil))
    backOff(at: now)
  }

  /// RFC 2131, 4.1: the time doubles with each try, up to 64 seconds, and is not the same for two clients. It begins with one
  /// second rather than four, as a machine here begins to work in milliseconds, and its link is rarely a slow one.
  private mutating func backOff(at now: NetworkInstant) {
    let base = min(1000 << min(tries, 6), DHCPLimits.retryMilliseconds)
    tries += 1
    deadline = now.advanced(byMilliseconds: base + Int.random(in: -base / 4...base / 4, using: &random))
  }

  /// RFC 2131, 4.4.5: asks the server that gave the lease, then any, and gives the address up at the end. Between two tries is
  /// half of the time that is left.
  private mutating func renew(_ lease: DHCPLease, at now: NetworkInstant) {
    guard let rebinding, let expiry else { return }
    guard now < expiry else {
      steps.append(.use(nil))
      tries = 0
      discover(at: now)
      return
    }
    var message = DHCPMessage(.request, transaction: transaction)
    if case .bound = state { transaction = UInt32(truncatingIfNeeded: random.next()) }
    message.transaction = transaction
    message.own = lease.binding.address
    requested = now
    let isRebinding = now >= rebinding
    state = isRebinding ? .rebinding(lease) : .renewing(lease)
    steps.append(
      .send(message.bytes(link: link, hostname: hostname), to: isRebinding ? .broadcast : lease.server))
    let end = isRebinding ? expiry : rebinding
    let half = end.milliseconds(since: now) / 2
    deadline = min(end, now.advanced(byMilliseconds: max(half, DHCPLimits.renewalMilliseconds)))
  }

  // MARK: Messages

  /// - Parameter payload: of a datagram from a server's port to the client's.
  mutating func receive(_ payload: RawSpan, at now: NetworkInstant) {
    guard let message = DHCPMessage(reply: payload, to: link), message.transaction == transaction else { return }
    switch (state, message.kind) {
    case (.selecting, .offer):
      guard let server = message.server, message.offered.isUnicast else { return }
      state = .requesting(server: server, address: message.offered)
      tries = 0
      sendRequest(server: server, address: message.offered, at: now)
    case (.requesting(let server, let address), .acknowledgement):
      guard let lease = DHCPLease(message), lease.server == server, lease.binding.address == address else { return }
      state = .probing(lease)
      steps.append(.probe(address))
      deadline = now.advanced(byMilliseconds: DHCPLimits.probeMilliseconds)
    case (.requesting(let server, _), .refusal) where message.server == server:
      startAgain(at: now)
    case (.renewing(let old), .acknowledgement), (.rebinding(let old), .acknowledgement):
      guard let lease = DHCPLease(message, renewing: old), lease.binding.address == old.binding.address else { return }
      if lease != old { steps.append(.use(lease)) }
      schedule(lease)
    case (.renewing, .refusal), (.rebinding, .refusal):
      steps.append(.use(nil))
      startAgain(at: now)
    default: break
    }
  }

  /// Somebody else has an address, as ARP says.
  mutating func conflict(over address: IPv4Address, at now: NetworkInstant) {
    guard case .probing(let lease) = state, lease.binding.address == address else { return }
    var message = DHCPMessage(.decline, transaction: transaction)
    message.server = lease.server
    message.requested = address
    steps.append(.send(message.bytes(link: link, hostname: nil), to: nil))
    state = .waiting
    // RFC 2131, 3.1.5.
    deadline = now.advanced(byMilliseconds: DHCPLimits.declineMilliseconds)
  }

  /// Whether an address is being looked at, so that ARP about it matters.
  func isProbing(_ address: IPv4Address) -> Bool {
    if case .probing(let lease) = state { return lease.binding.address == address }
    return false
  }

  /// After a refusal: not at once, as a server that refuses always would make a storm of it.
  private mutating func startAgain(at now: NetworkInstant) {
    state = .waiting
    backOff(at: now)
  }

  private mutating func bind(_ lease: DHCPLease, at now: NetworkInstant) {
    tries = 0
    steps.append(.use(lease))
    schedule(lease)
  }

  private mutating func schedule(_ lease: DHCPLease) {
    state = .bound(lease)
    renewal = lease.seconds.map { requested.advanced(byMilliseconds: $0.renewal * 1000) }
    rebinding = lease.seconds.map { requested.advanced(byMilliseconds: $0.rebinding * 1000) }
    expiry = lease.seconds.map { requested.advanced(byMilliseconds: $0.expiry * 1000) }
    deadline = renewal
  }
}

enum DHCPLimits {
  /// Requests to a server that offered.
  static let requestCount = 4
  /// Between tries at most (RFC 2131, 4.1).
  static let retryMilliseconds = 64_000
  /// How long somebody else has to answer for an address. RFC 5227, 2.1.1 has seconds for it, on links of another age; on
  /// one where the server just answered, the owner of an address answers as fast.
  static let probeMilliseconds = 100
  /// After an address turned out to be somebody else's (RFC 2131, 3.1.5: at least ten seconds).
  static let declineMilliseconds = 10_000
  /// Routes to networks that are kept of a lease, besides the one to everywhere. A message of the length that we ask for has
  /// room for fewer; a longer one does not make every packet a long search.
  static let routeCount = 64
  /// Between two tries to renew, at least. RFC 2131, 4.4.5 has 60 seconds, which is longer than what short leases last; one
  /// second keeps a server that gives such from being flooded.
  static let renewalMilliseconds = 1_000
}
