/// The extension header of a fragment (RFC 8200, 4.5).
struct FragmentHeader {
  /// What the datagram's payload is.
  var number: UInt8
  /// Of this fragment's payload in the datagram's, in bytes.
  var offset: Int
  var hasMore: Bool
  var identification: UInt32

  static let byteCount = 8

  init(number: UInt8, offset: Int, hasMore: Bool, identification: UInt32) {
    self.number = number
    self.offset = offset
    self.hasMore = hasMore
    self.identification = identification
  }

  /// nil: too short.
  init?(_ bytes: RawSpan) {
    guard bytes.byteCount >= Self.byteCount else { return nil }
    let offsetAndFlag: UInt16 = bytes.load(2)
    self.init(
      number: bytes[0], offset: Int(offsetAndFlag & ~7), hasMore: offsetAndFlag & 1 != 0,
      identification: bytes.load(4))
  }

  func store(in frame: inout MutableRawSpan, at position: Int) {
    frame.store(UInt16(number) << 8, at: position)
    frame.store(UInt16(offset) | (hasMore ? 1 : 0), at: position + 2)
    frame.store(identification, at: position + 4)
  }
}
