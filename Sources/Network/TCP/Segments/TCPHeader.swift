/// The control bits of a segment (RFC 9293, 3.1). ECN's are not used, and URG is not heeded: urgent data is data.
struct TCPFlags: OptionSet {
  var rawValue: UInt8

  static let fin = TCPFlags(rawValue: 0x01)
  static let syn = TCPFlags(rawValue: 0x02)
  static let rst = TCPFlags(rawValue: 0x04)
  static let psh = TCPFlags(rawValue: 0x08)
  static let ack = TCPFlags(rawValue: 0x10)
}

/// The header of a segment (RFC 9293, 3.1).
struct TCPHeader {
  /// Without options.
  static let minimumByteCount = 20
  /// The protocol number in an IP header.
  static let protocolNumber: UInt8 = 6
  static let checksumOffset = 16

  var sourcePort: UInt16
  var destinationPort: UInt16
  var sequence: UInt32
  var acknowledgement: UInt32
  var flags: TCPFlags
  /// Not scaled.
  var window: UInt16
  /// With options.
  var byteCount = minimumByteCount
  var options = TCPOptions()

  init(
    from sourcePort: UInt16, to destinationPort: UInt16, sequence: UInt32, acknowledgement: UInt32, flags: TCPFlags,
    window: UInt16
  ) {
    self.sourcePort = sourcePort
    self.destinationPort = destinationPort
    self.sequence = sequence
    self.acknowledgement = acknowledgement
    self.flags = flags
    self.window = window
  }

  /// Reads a header; nil if it is cut short, or its options do not fit together.
  init?(_ segment: RawSpan) {
    guard segment.byteCount >= Self.minimumByteCount else { return nil }
    sourcePort = segment.load(0)
    destinationPort = segment.load(2)
    sequence = segment.load(4)
    acknowledgement = segment.load(8)
    byteCount = Int(segment[12] >> 4) * 4
    flags = TCPFlags(rawValue: segment[13])
    window = segment.load(14)
    guard byteCount >= Self.minimumByteCount, byteCount <= segment.byteCount else { return nil }
    guard options.parse(segment, from: Self.minimumByteCount, to: byteCount) else { return nil }
  }

  /// Writes the header with its options, and no checksum.
  ///
  /// - Returns: its size in bytes.
  func write(to frame: inout MutableRawSpan, at offset: Int) -> Int {
    let byteCount = Self.minimumByteCount + options.byteCount
    frame.store(sourcePort, at: offset)
    frame.store(destinationPort, at: offset + 2)
    frame.store(sequence, at: offset + 4)
    frame.store(acknowledgement, at: offset + 8)
    frame.store(UInt8(byteCount / 4) << 4, at: offset + 12)
    frame.store(flags.rawValue, at: offset + 13)
    frame.store(window, at: offset + 14)
    frame.store(UInt32(0), at: offset + Self.checksumOffset)
    options.write(to: &frame, at: offset + Self.minimumByteCount)
    return byteCount
  }
}
