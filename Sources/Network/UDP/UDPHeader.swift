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

  /// A datagram whose checksum is left to be filled in. It has at most 65,535 bytes, header included; a trap otherwise.
  static func datagram(from source: UInt16, to destination: UInt16, _ payload: RawSpan) -> [UInt8] {
    let count = byteCount + payload.byteCount
    var datagram = [UInt8](repeating: 0, count: count)
    var span = datagram.mutableSpan
    var bytes = span.mutableBytes
    bytes.store(source, at: 0)
    bytes.store(destination, at: 2)
    bytes.store(UInt16(count), at: 4)
    bytes.store(payload, at: byteCount)
    return datagram
  }
}
