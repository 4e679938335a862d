/// The header of an Ethernet frame (RFC 894).
///
/// A frame that comes may have a tag for its priority (IEEE 802.1Q-2018, 9.6: VLAN identifier 0, the null VID), whatever the
/// priority is: it belongs to no VLAN, and is taken as if it had none. Of other tags the type stays the tag's own, which nobody
/// here takes: another VLAN, a second tag, or a provider's (0x88a8), which end stations do not get.
struct EthernetHeader {
  var destination: MACAddress
  var source: MACAddress
  /// What follows: one of the constants here.
  var type: UInt16
  /// Where it begins.
  private(set) var packetOffset = byteCount

  /// Without a tag.
  static let byteCount = 14

  /// IANA's "IEEE 802 Numbers".
  static let typeIPv4: UInt16 = 0x0800
  static let typeARP: UInt16 = 0x0806
  static let typeIPv6: UInt16 = 0x86dd
  private static let typeTag: UInt16 = 0x8100

  /// Between the addresses and the type: the tag's type and control information (IEEE 802.1Q-2018, 9.4).
  private static let tagByteCount = 4
  /// The bits of the control information that say which VLAN.
  private static let vlanMask: UInt16 = 0xfff

  init(from source: MACAddress, to destination: MACAddress, type: UInt16) {
    self.destination = destination
    self.source = source
    self.type = type
  }

  /// nil: too short for a frame, or for its tag.
  @inline(__always)
  init?(_ frame: RawSpan) {
    guard frame.byteCount >= Self.byteCount else { return nil }
    destination = MACAddress(frame, at: 0)
    source = MACAddress(frame, at: 6)
    type = frame.load(12)
    guard type == Self.typeTag else { return }
    guard frame.byteCount >= Self.byteCount + Self.tagByteCount else { return nil }
    if frame.load(14, as: UInt16.self) & Self.vlanMask == 0 {
      type = frame.load(16)
      packetOffset += Self.tagByteCount
    }
  }

  @inline(__always)
  func store(in frame: inout MutableRawSpan) {
    frame.store(destination, at: 0)
    frame.store(source, at: 6)
    frame.store(type, at: 12)
  }
}

extension MACAddress {
  static let byteCount = 6

  @inline(__always)
  init(_ bytes: RawSpan, at offset: Int) {
    self.init(UInt64(bytes.load(offset, as: UInt16.self)) << 32 | UInt64(bytes.load(offset + 2, as: UInt32.self)))
  }
}

extension MutableRawSpan {
  @inline(__always)
  mutating func store(_ address: MACAddress, at offset: Int) {
    store(UInt16(truncatingIfNeeded: address.value >> 32), at: offset)
    store(UInt32(truncatingIfNeeded: address.value), at: offset + 2)
  }

  @inline(__always)
  mutating func store(_ address: IPv6Address, at offset: Int) {
    store(address.high, at: offset)
    store(address.low, at: offset + 8)
  }
}

extension IPv6Address {
  @inline(__always)
  init(_ bytes: RawSpan, at offset: Int) {
    self.init(high: bytes.load(offset), low: bytes.load(offset + 8))
  }
}
