/// Packets of the stack's own that wait for `transmit`: ARP, neighbour discovery, answers, errors, and what waited for a
/// neighbour.
struct OutputQueue {
  enum Item {
    case arp(ARPMessage, to: MACAddress)
    case packet(OutgoingPacket)
  }

  private var items = Queue<Item>()
  private var byteCount = 0

  /// Items that wait. A flood of packets that want an answer fills this, and the further answers are not given.
  static let itemLimit = 256
  /// Their payload in bytes: the same with large packets. Eight of the largest.
  static let byteLimit = 524_288

  var isEmpty: Bool { items.isEmpty }

  /// - Returns: whether there was room.
  mutating func append(_ item: Item) -> Bool {
    let size = Self.size(item)
    guard items.count < Self.itemLimit, byteCount + size <= Self.byteLimit else { return false }
    byteCount += size
    items.append(item)
    return true
  }

  mutating func popFirst() -> Item? {
    guard let item = items.popFirst() else { return nil }
    byteCount -= Self.size(item)
    return item
  }

  /// Puts a packet back that was taken, because more of it is to be sent.
  mutating func putBack(_ packet: OutgoingPacket) {
    byteCount += packet.payload.count
    items.putBack(.packet(packet))
  }

  private static func size(_ item: Item) -> Int {
    switch item {
    case .arp: 0
    case .packet(let packet): packet.payload.count
    }
  }
}
