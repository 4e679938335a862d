/// Addresses that name servers told, for as long as they said (RFC 1035, 7.4). What does not exist is not remembered: who
/// asks again wants to know.
struct DNSCache {
  struct Key: Hashable {
    var name: DNSName
    var type: DNSMessage.RecordType
  }

  private struct Entry {
    var addresses: [IPAddress]
    var due: NetworkInstant
  }

  private var entries: [Key: Entry] = [:]

  var count: Int { entries.count }

  mutating func addresses(of key: Key, at now: NetworkInstant) -> [IPAddress]? {
    guard let entry = entries[key] else { return nil }
    guard entry.due > now else {
      entries[key] = nil
      return nil
    }
    return entry.addresses
  }

  mutating func store(_ addresses: [IPAddress], of key: Key, seconds: UInt32, at now: NetworkInstant) {
    guard seconds > 0 else { return }
    if entries.count >= ResolverLimits.cachedNameCount, entries[key] == nil {
      var first: (key: Key, due: NetworkInstant)?
      for (key, entry) in entries where first == nil || entry.due < first!.due { first = (key, entry.due) }
      if let first { entries[first.key] = nil }
    }
    let milliseconds = Int(min(seconds, ResolverLimits.cachedSeconds)) * 1000
    entries[key] = Entry(addresses: addresses, due: now.advanced(byMilliseconds: milliseconds))
  }

  /// As after a change of name servers.
  mutating func removeAll() {
    entries.removeAll()
  }
}
