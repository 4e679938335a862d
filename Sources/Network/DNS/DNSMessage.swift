/// The parts of DNS messages (RFC 1035, 4) that a stub resolver makes and reads.
enum DNSMessage {
  static let headerByteCount = 12
  static let port: UInt16 = 53

  enum RecordType: UInt16 {
    case a = 1
    case aaaa = 28
  }

  private static let typeAndClassByteCount = 4
  private static let typeCNAME: UInt16 = 5
  private static let classInternet: UInt16 = 1

  private static let isResponse: UInt16 = 0x8000
  private static let operationMask: UInt16 = 0x7800
  private static let isTruncated: UInt16 = 0x0200
  private static let recursionDesired: UInt16 = 0x0100
  private static let codeMask: UInt16 = 0x000f

  /// A question, with letters of random case (draft-vixie-dnsext-dns0x20): a forger of answers has to guess them as well.
  static func query(id: UInt16, _ name: DNSName, _ type: RecordType, random: inout NetworkRandom) -> [UInt8] {
    var message: [UInt8] = []
    for field in [id, recursionDesired, 1, 0, 0, 0] { append(field, to: &message) }
    var letters = random.next()
    for byte in name.bytes {
      // Lengths are below 64, where no letters are.
      let isLetter = (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
      message.append(isLetter && letters & 1 != 0 ? byte ^ 0x20 : byte)
      letters = letters >> 1 | letters << 63
    }
    append(type.rawValue, to: &message)
    append(classInternet, to: &message)
    return message
  }

  private static func append(_ value: UInt16, to message: inout [UInt8]) {
    message.append(UInt8(value >> 8))
    message.append(UInt8(truncatingIfNeeded: value))
  }

  /// What a server answered.
  enum Answer: Equatable {
    /// Not an answer to this question: as if it had not come.
    case foreign
    /// Ask again over TCP: the answer did not fit, or may be forged.
    case truncated
    /// RCODE 3 (RFC 2308, 2.1).
    case noSuchName
    /// No use, with the RCODE.
    case failure(UInt8)
    /// Addresses (none: there are none of this type), and for how many seconds they are good.
    case addresses([IPAddress], seconds: UInt32)
    /// The name is another one's alias, and the server does not say more about that.
    case alias(DNSName, steps: Int)
  }

  /// - Parameters:
  ///   - query: that was sent.
  ///   - name: that was asked for.
  ///   - type: that was asked for.
  ///   - isOverTCP: whether the letters' case does not count. Nobody but the server can answer there, and some servers lose
  ///     the case.
  static func answer(
    _ message: RawSpan, to query: RawSpan, _ name: DNSName, _ type: RecordType, isOverTCP: Bool
  ) -> Answer {
    guard message.byteCount >= query.byteCount, message.load(0) == query.load(0, as: UInt16.self) else {
      return .foreign
    }
    let flags: UInt16 = message.load(2)
    guard flags & isResponse != 0, flags & operationMask == 0, message.load(4) == 1 as UInt16 else { return .foreign }
    // The question comes back in front (RFC 5452, 9.1).
    let question = headerByteCount..<query.byteCount
    if !message.extracting(question).equals(query.extracting(question)) {
      guard isSameQuestion(message.extracting(question), query.extracting(question)) else { return .foreign }
      guard isOverTCP else { return .truncated }
    }
    if flags & isTruncated != 0 { return .truncated }
    let code = UInt8(flags & codeMask)
    switch code {
    case 0: break
    case 3: return .noSuchName
    default: return .failure(code)
    }
    let count = Int(message.load(6, as: UInt16.self))
    guard let records = records(message, at: query.byteCount, count: count, type) else { return .failure(code) }
    return follow(name, in: records)
  }

  /// Whether two questions of one length are the same but for the case of letters in their names.
  private static func isSameQuestion(_ a: RawSpan, _ b: RawSpan) -> Bool {
    let nameEnd = a.byteCount - typeAndClassByteCount
    for offset in 0..<nameEnd where DNSName.lowerCase(a[offset]) != DNSName.lowerCase(b[offset]) { return false }
    return a.extracting(nameEnd...).equals(b.extracting(nameEnd...))
  }

  // MARK: Records

  private struct Record {
    enum Value {
      case address(IPAddress)
      case alias(DNSName)
    }

    var name: DNSName
    var seconds: UInt32
    var value: Value
  }

  /// nil: the message ends before its records do, or has a name that is none.
  private static func records(_ message: RawSpan, at start: Int, count: Int, _ type: RecordType) -> [Record]? {
    var records: [Record] = []
    var offset = start
    for _ in 0..<count {
      guard let (name, end) = self.name(in: message, at: offset), message.byteCount - end >= 10 else { return nil }
      let recordType: UInt16 = message.load(end)
      let recordClass: UInt16 = message.load(end + 2)
      // RFC 2181, 8: a time with the highest bit is 0.
      let seconds: UInt32 = message.load(end + 4)
      let byteCount = Int(message.load(end + 8, as: UInt16.self))
      let value = end + 10
      guard byteCount <= message.byteCount - value else { return nil }
      offset = value + byteCount
      guard recordClass == classInternet, records.count < ResolverLimits.recordCount else { continue }
      let found: Record.Value
      switch (recordType, byteCount) {
      case (typeCNAME, _):
        guard let (alias, aliasEnd) = self.name(in: message, at: value), aliasEnd == offset else { return nil }
        found = .alias(alias)
      case (RecordType.a.rawValue, 4) where type == .a: found = .address(.v4(IPv4Address(message.load(value))))
      case (RecordType.aaaa.rawValue, 16) where type == .aaaa: found = .address(.v6(IPv6Address(message, at: value)))
      default: continue
      }
      records.append(Record(name: name, seconds: seconds >> 31 == 0 ? seconds : 0, value: found))
    }
    return records
  }

  /// Goes from alias to alias (RFC 1034, 3.6.2), as far as the limit. Records about other names are not looked at, so that
  /// an answer cannot put in what nobody asked for (RFC 5452, 6).
  private static func follow(_ name: DNSName, in records: [Record]) -> Answer {
    var name = name
    var seconds = UInt32.max
    for step in 0...ResolverLimits.aliasCount {
      var addresses: [IPAddress] = []
      var alias: DNSName?
      for record in records where record.name == name {
        seconds = min(seconds, record.seconds)
        switch record.value {
        case .address(let address):
          if addresses.count < ResolverLimits.addressCount, address.isUnicast { addresses.append(address) }
        case .alias(let target): alias = alias ?? target
        }
      }
      if !addresses.isEmpty { return .addresses(addresses, seconds: seconds) }
      guard let alias else { return step == 0 ? .addresses([], seconds: 0) : .alias(name, steps: step) }
      name = alias
    }
    return .failure(0)
  }

  /// The name at an offset, in lower case, and where it ends.
  ///
  /// A pointer (RFC 1035, 4.1.4) must lead further back than the part that it is in begins, so that there is an end to
  /// following them.
  static func name(in message: RawSpan, at start: Int) -> (name: DNSName, end: Int)? {
    var bytes: [UInt8] = []
    var offset = start
    var partStart = start
    var end: Int?
    while true {
      guard offset < message.byteCount else { return nil }
      let length = Int(message[offset])
      switch length >> 6 {
      case 0:
        guard length < message.byteCount - offset, bytes.count + 1 + length <= DNSName.byteCount else { return nil }
        bytes.append(UInt8(length))
        for position in offset + 1..<offset + 1 + length { bytes.append(DNSName.lowerCase(message[position])) }
        offset += 1 + length
        if length == 0 { return (DNSName(checked: bytes), end ?? offset) }
      case 3:
        guard message.byteCount - offset >= 2 else { return nil }
        let target = Int(message.load(offset, as: UInt16.self) & 0x3fff)
        guard target < partStart else { return nil }
        end = end ?? offset + 2
        offset = target
        partStart = target
      default: return nil
      }
    }
  }
}
