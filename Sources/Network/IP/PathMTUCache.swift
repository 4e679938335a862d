/// What routers said about how large packets to some destinations may be (RFC 1191, RFC 8201).
struct PathMTUCache {
  private struct Entry {
    var mtu: Int
    var due: NetworkInstant
  }

  private var entries: [IPAddress: Entry] = [:]

  var count: Int { entries.count }

  /// nil: nothing is known, so the link's MTU counts.
  mutating func mtu(to destination: IPAddress, at now: NetworkInstant) -> (mtu: Int, until: NetworkInstant)? {
    guard !entries.isEmpty, let entry = entries[destination] else { return nil }
    guard entry.due > now else {
      // Larger packets are tried again (RFC 1191, 6.3).
      entries[destination] = nil
      return nil
    }
    return (entry.mtu, entry.due)
  }

  /// - Returns: whether the path got smaller by it.
  mutating func lower(to destination: IPAddress, mtu: Int, link: Int, at now: NetworkInstant) -> Bool {
    let mtu = max(mtu, PathMTULimits.minimum(destination))
    guard mtu < (self.mtu(to: destination, at: now)?.mtu ?? link) else { return false }
    if entries.count >= PathMTULimits.count, entries[destination] == nil {
      entries = entries.filter { $0.value.due > now }
      if entries.count >= PathMTULimits.count, let oldest = entries.min(by: { $0.value.due < $1.value.due }) {
        entries[oldest.key] = nil
      }
    }
    entries[destination] = Entry(mtu: mtu, due: now.advanced(byMilliseconds: PathMTULimits.milliseconds))
    return true
  }
}

enum PathMTULimits {
  /// Destinations that are remembered; beyond, the oldest is forgotten. Bounds what forged messages cost.
  static let count = 128
  /// RFC 1191, 6.3 and RFC 8201, 5.3: ten minutes.
  static let milliseconds = 600_000

  /// No message makes packets smaller than this, so that a forged one cannot make a transfer crawl in tiny packets (RFC
  /// 5927, 7). IPv6 has none smaller (RFC 8200, 5). Where IPv4 does, routers fragment: at this size, packets may be.
  static func minimum(_ destination: IPAddress) -> Int {
    destination.isIPv6 ? 1280 : 552
  }
}
