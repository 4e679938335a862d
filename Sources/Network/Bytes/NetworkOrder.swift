/// Integers in network byte order, at any alignment (RFC 1700: most significant byte first).
///
/// This file has the module's only unsafe code. Invariant: every access is preceded by a check of its bounds, and what is
/// loaded is an integer, of which every bit pattern is a value.
extension RawSpan {
  /// The integer at an offset in bytes; a trap when it reaches past the end.
  @inline(__always)
  func load<Integer: FixedWidthInteger & BitwiseCopyable>(_ offset: Int, as type: Integer.Type = Integer.self)
    -> Integer
  {
    precondition(offset >= 0 && offset <= byteCount - MemoryLayout<Integer>.size, "read past the end of a packet")
    return Integer(bigEndian: unsafeLoadUnaligned(fromUncheckedByteOffset: offset, as: Integer.self))
  }

  /// The byte at an offset; a trap past the end.
  @inline(__always)
  subscript(_ offset: Int) -> UInt8 { load(offset) }

  /// Whether the bytes are the same.
  func equals(_ other: RawSpan) -> Bool {
    guard byteCount == other.byteCount else { return false }
    return withUnsafeBytes { bytes in other.withUnsafeBytes { bytes.elementsEqual($0) } }
  }

  /// A copy of the bytes.
  func copy() -> [UInt8] {
    withUnsafeBytes { [UInt8]($0) }
  }

  /// The sum of all 16-bit words, for the Internet checksum (RFC 1071): not yet folded, not complemented. A last odd byte
  /// counts as the high half of a word.
  func sumOfWords() -> UInt64 {
    var sum: UInt64 = 0
    var offset = 0
    // Four bytes at a time: the sum of the words does not depend on how they are grouped (RFC 1071, 2 (A)), and 2^32 of
    // them fit before it overflows.
    while offset + 4 <= byteCount {
      sum &+= UInt64(UInt32(bigEndian: unsafeLoadUnaligned(fromUncheckedByteOffset: offset, as: UInt32.self)))
      offset += 4
    }
    if offset + 2 <= byteCount {
      sum &+= UInt64(load(offset, as: UInt16.self))
      offset += 2
    }
    if offset < byteCount { sum &+= UInt64(load(offset, as: UInt8.self)) << 8 }
    return sum
  }
}

extension MutableRawSpan {
  /// The integer at an offset in bytes; a trap when it reaches past the end.
  @inline(__always)
  func load<Integer: FixedWidthInteger & BitwiseCopyable>(_ offset: Int, as type: Integer.Type = Integer.self)
    -> Integer
  {
    bytes.load(offset)
  }

  /// Stores an integer at an offset in bytes; a trap when it reaches past the end.
  @inline(__always)
  mutating func store<Integer: FixedWidthInteger & BitwiseCopyable>(_ value: Integer, at offset: Int) {
    precondition(offset >= 0 && offset <= byteCount - MemoryLayout<Integer>.size, "write past the end of a packet")
    withUnsafeMutableBytes { $0.storeBytes(of: value.bigEndian, toByteOffset: offset, as: Integer.self) }
  }

  /// Copies bytes in; a trap when they reach past the end.
  @inline(__always)
  mutating func store(_ source: RawSpan, at offset: Int) {
    precondition(offset >= 0 && source.byteCount <= byteCount - offset, "write past the end of a packet")
    withUnsafeMutableBytes { destination in
      source.withUnsafeBytes { source in
        guard !source.isEmpty else { return }
        (destination.baseAddress! + offset).copyMemory(from: source.baseAddress!, byteCount: source.count)
      }
    }
  }

  /// Stores the same byte many times; a trap when that reaches past the end.
  mutating func fill(_ range: Range<Int>, with byte: UInt8) {
    precondition(range.lowerBound >= 0 && range.upperBound <= byteCount, "write past the end of a packet")
    withUnsafeMutableBytes { bytes in
      for offset in range { bytes[offset] = byte }
    }
  }
}
