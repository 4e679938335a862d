/// The header of a UDP datagram (RFC 768).
struct UDPHeader {
  var source: UInt16
  var destination: UInt16
  /// Header and payload.
  var byteCount: Int
  /// 0: none (IPv4 only).
  var checksum: UInt16

  static let byteCount = 8
  static let checksumOffset = 6

  /// nil: not a datagram of which all is there (RFC 1122, 4.1.1).
  init?(_ packet: RawSpan) {
    guard packet.byteCount >= Self.byteCount else { return nil }
    source = packet.load(0)
    destination = packet.load(2)
    byteCount = Int(packet.load(4, as: UInt16.self))
    checksum = packet.load(6)
    guard byteCount >= Self.byteCount, byteCount <= packet.byteCount else { return nil }
  }
}
