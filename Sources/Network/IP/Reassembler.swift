/// Puts fragments of IPv4 and IPv6 packets together (RFC 791, 3.2; RFC 8200, 4.5), within bounds.
struct Reassembler {
  /// What fragments of one datagram have in common.
  struct Key: Equatable {
    var source: IPAddress
    var destination: IPAddress
    var identification: UInt32
    /// Of IPv4 only: IPv6 does not tell datagrams apart by it (RFC 8200, 4.5), and 0 is put here.
    var number: UInt8
  }

  /// One fragment, without its headers.
  struct Fragment {
    /// Of its payload in the datagram, in bytes.
    var offset: Int
    var hasMore: Bool
    /// What the datagram's payload is, as this fragment says.
    var number: UInt8
  }

  /// A datagram as if it had come in one packet: room for an IP header without options in front of the payload.
  struct Datagram {
    var key: Key
    /// As the first fragment says.
    var number: UInt8
    var packet: [UInt8]
  }

  private struct Entry {
    var key: Key
    /// nil until the first fragment came.
    var number: UInt8?
    /// Headers' room, payload as far as it came, and zeros where none came yet.
    var packet: [UInt8]
    /// What came, in order.
    var ranges: [Range<Int>] = []
    /// The payload's size; nil until the last fragment came.
    var payloadByteCount: Int?
    var due: NetworkInstant

    var isComplete: Bool {
      // Ranges do not overlap, so if they are as long as the whole, they are the whole.
      payloadByteCount == ranges.reduce(0) { $0 + $1.count }
    }

    /// Makes the packet longer, and then twice as long, so that each byte moves once on average.
    mutating func makeRoom(for byteCount: Int) {
      guard packet.count < byteCount else { return }
      var longer = [UInt8](repeating: 0, count: min(max(byteCount, packet.count * 2), Reassembler.packetByteLimit))
      var span = longer.mutableSpan
      var bytes = span.mutableBytes
      bytes.store(packet.span.bytes, at: 0)
      packet = longer
    }
  }

  /// The longest payload with the longest header.
  private static let packetByteLimit = IPv6Header.byteCount + Int(UInt16.max)

  /// In the order in which they began.
  private var entries: [Entry] = []
  /// Of all entries.
  private(set) var byteCount = 0
  private(set) var failureCount: UInt64 = 0

  var deadline: NetworkInstant? { entries.first?.due }

  /// Takes a fragment.
  ///
  /// - Returns: the datagram if it is complete now.
  mutating func add(_ fragment: Fragment, of key: Key, payload: RawSpan, at now: NetworkInstant) -> Datagram? {
    let header = Self.headerByteCount(key)
    let end = fragment.offset + payload.byteCount
    // Every fragment but the last is a multiple of 8 bytes (RFC 8200, 4.5), and the whole fits in a packet: what does not
    // is the "ping of death".
    guard payload.byteCount > 0, !fragment.hasMore || payload.byteCount % 8 == 0,
      end <= Int(UInt16.max) - (key.source.isIPv6 ? 0 : header)
    else {
      failureCount += 1
      return nil
    }
    let index = entries.firstIndex { $0.key == key } ?? begin(key, at: now)
    var entry = entries.remove(at: index)
    byteCount -= entry.packet.count
    switch add(fragment, payload, end: end, header: header, to: &entry) {
    case false:
      failureCount += 1
      return nil
    case true where entry.isComplete:
      guard let number = entry.number else { return nil }
      entry.packet.removeLast(entry.packet.count - header - entry.payloadByteCount!)
      return Datagram(key: key, number: number, packet: entry.packet)
    default:
      byteCount += entry.packet.count
      entries.insert(entry, at: index)
      while byteCount > ReassemblyLimits.byteCount { dropFirst() }
      return nil
    }
  }

  /// - Returns: false if the datagram is not to be believed in any more.
  private func add(
    _ fragment: Fragment, _ payload: RawSpan, end: Int, header: Int, to entry: inout Entry
  ) -> Bool {
    let range = fragment.offset..<end
    if entry.ranges.contains(range) {
      // The same again is what networks do (RFC 8200, 4.5 allows to ignore it), the same with other bytes is an attack.
      return entry.packet.span.bytes.extracting(range.lowerBound + header..<range.upperBound + header).equals(payload)
    }
    guard entry.ranges.count < ReassemblyLimits.fragmentCount else { return false }
    // Nothing legitimate overlaps; attacks on filters do (RFC 5722, 3; RFC 1858, 4).
    guard !entry.ranges.contains(where: { $0.overlaps(range) }) else { return false }
    if !fragment.hasMore {
      guard entry.payloadByteCount == nil, entry.ranges.allSatisfy({ $0.upperBound <= range.lowerBound }) else {
        return false
      }
      entry.payloadByteCount = end
    } else if let payloadByteCount = entry.payloadByteCount, end > payloadByteCount {
      return false
    }
    if fragment.offset == 0 { entry.number = fragment.number }
    entry.ranges.insert(range, at: entry.ranges.firstIndex { $0.lowerBound > range.lowerBound } ?? entry.ranges.count)
    entry.makeRoom(for: header + end)
    var bytes = entry.packet.mutableSpan
    var raw = bytes.mutableBytes
    raw.store(payload, at: header + fragment.offset)
    return true
  }

  private mutating func begin(_ key: Key, at now: NetworkInstant) -> Int {
    if entries.count == ReassemblyLimits.datagramCount { dropFirst() }
    let due = now.advanced(byMilliseconds: ReassemblyLimits.milliseconds)
    entries.append(
      Entry(key: key, packet: [UInt8](repeating: 0, count: Self.headerByteCount(key)), due: due))
    byteCount += entries.last!.packet.count
    return entries.count - 1
  }

  /// Drops what is incomplete for too long.
  ///
  /// - Returns: the datagrams of which the first fragment is there, with that fragment only: their senders are to be told (RFC 1122, 3.3.2;
  ///   RFC 8200, 4.5).
  mutating func advance(to now: NetworkInstant) -> [Datagram] {
    var expired: [Datagram] = []
    while let first = entries.first, first.due <= now {
      if let number = first.number {
        let end = Self.headerByteCount(first.key) + first.ranges[0].upperBound
        expired.append(Datagram(key: first.key, number: number, packet: Array(first.packet[..<end])))
      }
      dropFirst()
    }
    return expired
  }

  private mutating func dropFirst() {
    byteCount -= entries.removeFirst().packet.count
    failureCount += 1
  }

  private static func headerByteCount(_ key: Key) -> Int {
    key.source.isIPv6 ? IPv6Header.byteCount : IPv4Header.byteCount
  }
}

enum ReassemblyLimits {
  /// Datagrams that are being put together. First fragments without an end cost this, and then push each other out.
  static let datagramCount = 16
  /// Their bytes so far: the same with large ones. Eight of the largest.
  static let byteCount = 524_288
  /// Fragments of one datagram: the largest datagram in the smallest packets that IPv4 hosts must take, and then some.
  /// Tiny fragments would otherwise make each search a long one.
  static let fragmentCount = 192
  /// How long a datagram's fragments are waited for. RFC 8200, 4.5: 60 seconds; RFC 1122, 3.3.2: 60 to 120. Within one
  /// minute the identification of a fast sender comes round in IPv4, so that a datagram is made of two (RFC 4963);
  /// 30 seconds is what is common.
  static let milliseconds = 30_000
}
