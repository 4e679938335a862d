/// The header of an IPv4 packet (RFC 791, 3.1).
struct IPv4Header {
  /// With options, which nothing here looks at (RFC 1122, 3.2.1.8 allows it).
  var headerByteCount = byteCount
  /// Header and payload.
  var totalByteCount: Int
  var identification: UInt16 = 0
  var isFragmentable = true
  /// Whether this is a fragment and not the last one.
  var hasMoreFragments = false
  /// Where the payload of a fragment is in the datagram, in bytes: a multiple of 8.
  var fragmentOffset = 0
  var hopLimit: UInt8 = IPProtocol.hopLimit
  var number: UInt8
  /// DSCP and ECN (RFC 2474, RFC 3168).
  var trafficClass: UInt8 = 0
  var source: IPv4Address
  var destination: IPv4Address

  /// Without options.
  static let byteCount = 20
  /// Where the protocol's number is in the header.
  static let numberOffset = 9

  init(from source: IPv4Address, to destination: IPv4Address, number: UInt8, payloadByteCount: Int) {
    self.source = source
    self.destination = destination
    self.number = number
    totalByteCount = Self.byteCount + payloadByteCount
  }

  /// nil: not a packet of IPv4, of which all is there and whose header's checksum is right (RFC 1122, 3.2.1.1 and
  /// 3.2.1.2).
  @inline(__always)
  init?(_ packet: RawSpan) {
    guard packet.byteCount >= Self.byteCount else { return nil }
    let versionAndLength = packet[0]
    headerByteCount = Int(versionAndLength & 0xf) * 4
    totalByteCount = Int(packet.load(2, as: UInt16.self))
    guard versionAndLength >> 4 == 4, headerByteCount >= Self.byteCount, totalByteCount >= headerByteCount,
      totalByteCount <= packet.byteCount
    else { return nil }
    var checksum = InternetChecksum()
    checksum.add(packet.extracting(0..<headerByteCount))
    guard checksum.value == 0 else { return nil }
    trafficClass = packet[1]
    identification = packet.load(4)
    let fragment: UInt16 = packet.load(6)
    isFragmentable = fragment & Self.dontFragment == 0
    hasMoreFragments = fragment & Self.moreFragments != 0
    fragmentOffset = Int(fragment & Self.offsetMask) * 8
    hopLimit = packet[8]
    number = packet[9]
    source = IPv4Address(packet.load(12))
    destination = IPv4Address(packet.load(16))
  }

  /// Stores the header, without options.
  @inline(__always)
  func store(in frame: inout MutableRawSpan, at offset: Int) {
    let fragment =
      (isFragmentable ? 0 : Self.dontFragment) | (hasMoreFragments ? Self.moreFragments : 0)
      | UInt16(fragmentOffset / 8)
    frame.store(0x4500 as UInt16 | UInt16(trafficClass), at: offset)
    frame.store(UInt16(totalByteCount), at: offset + 2)
    frame.store(identification, at: offset + 4)
    frame.store(fragment, at: offset + 6)
    frame.store(UInt16(hopLimit) << 8 | UInt16(number), at: offset + 8)
    frame.store(0 as UInt16, at: offset + 10)
    frame.store(source.value, at: offset + 12)
    frame.store(destination.value, at: offset + 16)
    var checksum = InternetChecksum()
    checksum.add(frame.bytes.extracting(offset..<offset + Self.byteCount))
    frame.store(checksum.value, at: offset + 10)
  }

  private static let dontFragment: UInt16 = 0x4000
  private static let moreFragments: UInt16 = 0x2000
  private static let offsetMask: UInt16 = 0x1fff
}
