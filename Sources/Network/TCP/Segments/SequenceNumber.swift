/// A place in a connection's sequence space that was unrolled: it does not wrap around, so places compare as numbers do. Only
/// the low 32 bits are ever sent (RFC 9293, 3.4).
struct SequenceNumber: Comparable {
  private(set) var value: UInt64

  /// The place where a stream begins. It is a turn above zero, so that there is room below.
  init(first wire: UInt32) {
    value = 1 << 32 | UInt64(wire)
  }

  /// The place nearest to another one that has these 32 bits.
  init(_ wire: UInt32, near reference: SequenceNumber) {
    let distance = Int32(bitPattern: wire &- reference.wire)
    value = reference.value &+ UInt64(bitPattern: Int64(distance))
  }

  private init(value: UInt64) {
    self.value = value
  }

  /// As in a header.
  var wire: UInt32 { UInt32(truncatingIfNeeded: value) }

  static func < (a: Self, b: Self) -> Bool { a.value < b.value }
  static func + (a: Self, count: Int) -> Self { Self(value: a.value &+ UInt64(bitPattern: Int64(count))) }
  static func - (a: Self, count: Int) -> Self { a + -count }
  static func += (a: inout Self, count: Int) { a = a + count }
  /// How far `a` is behind `b`.
  static func - (a: Self, b: Self) -> Int { Int(truncatingIfNeeded: a.value &- b.value) }
}

/// From one place up to, not including, another.
struct SequenceRange {
  var start: SequenceNumber
  var end: SequenceNumber

  var byteCount: Int { end - start }
}
