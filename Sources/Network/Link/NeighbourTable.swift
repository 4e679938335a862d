/// Who on this link has which Ethernet address: the cache of ARP (RFC 826) and of neighbour discovery (RFC 4861, 5.1).
///
/// Only addresses that packets of ours go to get an entry, and only an answer to a question of ours puts an Ethernet
/// address in. What others say unasked can at most make us ask again.
struct NeighbourTable {
  /// What is to be done for the table.
  enum Event {
    /// Ask who has an address: everybody, or the one who had it so far.
    case solicit(IPAddress, at: MACAddress?)
    /// A neighbour answered: its packets can go.
    case resolved([OutgoingPacket])
    /// A neighbour did not answer, and these packets do not reach it.
    case failed(IPAddress, [OutgoingPacket])
  }

  private enum State {
    /// Nobody has answered yet.
    case incomplete
    /// Confirmed until `due`; the first packet after that makes us ask again.
    case reachable
    /// Was confirmed; is used, and asked at its own address.
    case probing
  }

  private struct Entry {
    var state: State
    var link: MACAddress
    /// When the question is asked again, or how long the answer is good.
    var due: NetworkInstant
    var questions = 0
    var waiting: [OutgoingPacket] = []
  }

  /// What is to be done; whoever calls a mutating function takes it.
  private(set) var events: [Event] = []
  /// When `advance` has something to do: not later than needed, perhaps sooner.
  private(set) var deadline: NetworkInstant?
  private var entries: [IPAddress: Entry] = [:]
  private var incompleteCount = 0
  private var waitingByteCount = 0

  var count: Int { entries.count }

  mutating func takeEvents() -> [Event] {
    defer { events.removeAll() }
    return events
  }

  /// Where packets to a neighbour go, and until when that is certain; nil: not known, so `wait` is next.
  mutating func link(of neighbour: IPAddress, at now: NetworkInstant) -> (link: MACAddress, until: NetworkInstant)? {
    guard let entry = entries[neighbour], entry.state != .incomplete else { return nil }
    switch entry.state {
    case .reachable where now < entry.due: return (entry.link, entry.due)
    case .reachable: ask(neighbour, as: .probing, at: now)
    case .incomplete, .probing: break
    }
    return (entry.link, now)
  }

  /// Keeps a packet until its neighbour is known. A packet for which there is no room, or one that this pushes out, is
  /// dropped (RFC 1122, 2.3.2.2: at least the latest is kept).
  ///
  /// - Returns: how many packets were dropped.
  mutating func wait(_ packet: OutgoingPacket, for neighbour: IPAddress, at now: NetworkInstant) -> Int {
    guard waitingByteCount + packet.payload.count <= NeighbourLimits.waitingByteCount else { return 1 }
    var dropped = 0
    if entries[neighbour] == nil {
      dropped += makeRoom()
      entries[neighbour] = Entry(state: .incomplete, link: MACAddress(0), due: now)
      incompleteCount += 1
      ask(neighbour, as: .incomplete, at: now)
    }
    if entries[neighbour]!.waiting.count == NeighbourLimits.waitingPacketCount {
      waitingByteCount -= entries[neighbour]!.waiting.removeFirst().payload.count
      dropped += 1
    }
    waitingByteCount += packet.payload.count
    entries[neighbour]!.waiting.append(packet)
    return dropped
  }

  /// A neighbour said where it is.
  ///
  /// - Parameter isAnswer: whether it is the answer to a question.
  mutating func heard(
    from neighbour: IPAddress, at link: MACAddress, isAnswer: Bool, random: inout NetworkRandom, at now: NetworkInstant
  ) {
    guard let entry = entries[neighbour] else { return }
    switch entry.state {
    case .incomplete where isAnswer, .probing where isAnswer:
      if entry.state == .incomplete { incompleteCount -= 1 }
      for packet in entry.waiting { waitingByteCount -= packet.payload.count }
      // RFC 4861, 6.3.2: between half and one and a half of the base.
      let base = NeighbourLimits.reachableMilliseconds
      let until = now.advanced(byMilliseconds: Int.random(in: base / 2...base * 3 / 2, using: &random))
      entries[neighbour] = Entry(state: .reachable, link: link, due: until)
      if !entry.waiting.isEmpty { events.append(.resolved(entry.waiting)) }
    case .reachable:
      // Another address: perhaps it moved, perhaps somebody lies. Whoever is there is asked.
      if entry.link != link { ask(neighbour, as: .probing, at: now) }
    default: break
    }
  }

  /// Asks again or gives up where that is due.
  mutating func advance(to now: NetworkInstant) {
    guard let deadline, deadline <= now else { return }
    self.deadline = nil
    for (neighbour, entry) in entries {
      switch entry.state {
      case .reachable: continue
      case _ where entry.due > now: wake(at: entry.due)
      case .incomplete where entry.questions < NeighbourLimits.questionCount: ask(neighbour, as: .incomplete, at: now)
      case .probing where entry.questions < NeighbourLimits.questionCount: ask(neighbour, as: .probing, at: now)
      case .incomplete, .probing: remove(neighbour)
      }
    }
  }

  /// Forgets the neighbours of IPv4, as after a change of the interface's own address.
  mutating func removeIPv4() {
    for neighbour in Array(entries.keys) where !neighbour.isIPv6 { remove(neighbour) }
  }

  private mutating func ask(_ neighbour: IPAddress, as state: State, at now: NetworkInstant) {
    guard var entry = entries[neighbour] else { return }
    entry.questions = entry.state == state ? entry.questions + 1 : 1
    entry.state = state
    entry.due = now.advanced(byMilliseconds: NeighbourLimits.questionMilliseconds)
    entries[neighbour] = entry
    events.append(.solicit(neighbour, at: state == .probing ? entry.link : nil))
    wake(at: entry.due)
  }

  private mutating func remove(_ neighbour: IPAddress) {
    guard let entry = entries.removeValue(forKey: neighbour) else { return }
    if entry.state == .incomplete { incompleteCount -= 1 }
    for packet in entry.waiting { waitingByteCount -= packet.payload.count }
    if entry.state != .reachable { events.append(.failed(neighbour, entry.waiting)) }
  }

  /// Removes an entry if a new one would be too many: of those that nobody has answered for yet if they are too many,
  /// or else any, the one that is due first.
  ///
  /// - Returns: how many packets were dropped with it.
  private mutating func makeRoom() -> Int {
    let isIncomplete = incompleteCount >= NeighbourLimits.incompleteCount
    guard isIncomplete || entries.count >= NeighbourLimits.count else { return 0 }
    var oldest: (neighbour: IPAddress, due: NetworkInstant)?
    for (neighbour, entry) in entries where !isIncomplete || entry.state == .incomplete {
      if oldest == nil || entry.due < oldest!.due { oldest = (neighbour, entry.due) }
    }
    guard let oldest, let entry = entries.removeValue(forKey: oldest.neighbour) else { return 0 }
    if entry.state == .incomplete { incompleteCount -= 1 }
    for packet in entry.waiting { waitingByteCount -= packet.payload.count }
    return entry.waiting.count
  }

  private mutating func wake(at instant: NetworkInstant) {
    deadline = deadline.map { min($0, instant) } ?? instant
  }
}

enum NeighbourLimits {
  /// Entries in all. Bounds what a scan of our network from us, or answers to spoofed packets, cost.
  static let count = 512
  /// Entries that nobody has answered for. Packets with spoofed sources of our own network make us ask for each (RFC 6583);
  /// beyond this the oldest question is forgotten, and known neighbours stay.
  static let incompleteCount = 64
  /// Packets that wait for one neighbour.
  static let waitingPacketCount = 4
  /// Payload of all packets that wait, in bytes: the same flood with large packets.
  static let waitingByteCount = 262_144
  /// RFC 4861, 10: MAX_MULTICAST_SOLICIT and MAX_UNICAST_SOLICIT.
  static let questionCount = 3
  /// RFC 4861, 10: RETRANS_TIMER. RFC 1122, 2.3.2.1: at most one ARP request per second and destination.
  static let questionMilliseconds = 1_000
  /// RFC 4861, 10: REACHABLE_TIME.
  static let reachableMilliseconds = 30_000
}
