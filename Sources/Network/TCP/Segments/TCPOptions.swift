/// The options of a segment: those of RFC 9293 (3.2), RFC 7323 and RFC 2018. Others are skipped.
struct TCPOptions {
  /// The largest segment that the sender takes. Only with SYN.
  var maximumSegmentByteCount: UInt16?
  /// By how many bits the sender's windows are to be shifted. Only with SYN.
  var windowScale: UInt8?
  /// Only with SYN.
  var permitsSACK = false
  var timestamp: TCPTimestamp?
  /// What the sender has beyond the acknowledgement number, the newest first.
  var sackBlocks = SACKBlocks()

  private enum Kind {
    static let end: UInt8 = 0
    static let padding: UInt8 = 1
    static let maximumSegment: UInt8 = 2
    static let windowScale: UInt8 = 3
    static let sackPermitted: UInt8 = 4
    static let sack: UInt8 = 5
    static let timestamp: UInt8 = 8
  }

  /// RFC 7323, 2.3: a larger shift counts as this one.
  static let largestWindowScale: UInt8 = 14
  static let timestampByteCount = 12
  /// Two bytes of padding, then kind and length of the blocks.
  private static let sackHeaderByteCount = 4

  /// How much the options take, in whole words.
  var byteCount: Int {
    var count = 0
    if maximumSegmentByteCount != nil { count += 4 }
    if windowScale != nil { count += 4 }
    if permitsSACK { count += 4 }
    if timestamp != nil { count += Self.timestampByteCount }
    if sackBlocks.count > 0 { count += Self.sackHeaderByteCount + 8 * sackBlocks.count }
    return count
  }

  /// How many blocks fit next to a timestamp, or without one, in 40 bytes of options (RFC 2018, 3).
  static func sackBlockLimit(withTimestamp: Bool) -> Int { withTimestamp ? 3 : 4 }

  /// - Returns: false if an option reaches past the header, or has not the size that it must have.
  mutating func parse(_ segment: RawSpan, from start: Int, to end: Int) -> Bool {
    // What nearly all segments have (RFC 7323, appendix A).
    if end - start == Self.timestampByteCount, segment.load(start, as: UInt32.self) == 0x0101_080a {
      timestamp = TCPTimestamp(value: segment.load(start + 4), echo: segment.load(start + 8))
      return true
    }
    var offset = start
    while offset < end {
      let kind = segment[offset]
      if kind == Kind.end { return true }
      if kind == Kind.padding {
        offset += 1
        continue
      }
      guard offset + 2 <= end else { return false }
      let length = Int(segment[offset + 1])
      guard length >= 2, length <= end - offset else { return false }
      guard parse(kind, segment, at: offset, length: length) else { return false }
      offset += length
    }
    return true
  }

  private mutating func parse(_ kind: UInt8, _ segment: RawSpan, at offset: Int, length: Int) -> Bool {
    switch kind {
    case Kind.maximumSegment:
      guard length == 4 else { return false }
      maximumSegmentByteCount = segment.load(offset + 2)
    case Kind.windowScale:
      guard length == 3 else { return false }
      windowScale = min(segment[offset + 2], Self.largestWindowScale)
    case Kind.sackPermitted:
      guard length == 2 else { return false }
      permitsSACK = true
    case Kind.timestamp:
      guard length == 10 else { return false }
      timestamp = TCPTimestamp(value: segment.load(offset + 2), echo: segment.load(offset + 6))
    case Kind.sack:
      guard length % 8 == 2 else { return false }
      for block in stride(from: offset + 2, to: offset + length, by: 8) {
        sackBlocks.append(start: segment.load(block), end: segment.load(block + 4))
      }
    default: break
    }
    return true
  }

  func write(to frame: inout MutableRawSpan, at start: Int) {
    var offset = start
    if let maximumSegmentByteCount {
      frame.store(UInt16(Kind.maximumSegment) << 8 | 4, at: offset)
      frame.store(maximumSegmentByteCount, at: offset + 2)
      offset += 4
    }
    if let windowScale {
      frame.store(
        UInt32(Kind.padding) << 24 | UInt32(Kind.windowScale) << 16 | 3 << 8 | UInt32(windowScale), at: offset)
      offset += 4
    }
    if permitsSACK {
      frame.store(UInt32(0x0101_0002) | UInt32(Kind.sackPermitted) << 8, at: offset)
      offset += 4
    }
    if let timestamp {
      frame.store(UInt32(0x0101_000a) | UInt32(Kind.timestamp) << 8, at: offset)
      frame.store(timestamp.value, at: offset + 4)
      frame.store(timestamp.echo, at: offset + 8)
      offset += Self.timestampByteCount
    }
    if sackBlocks.count > 0 {
      frame.store(UInt32(0x0101_0002) | UInt32(Kind.sack) << 8 | UInt32(8 * sackBlocks.count), at: offset)
      offset += Self.sackHeaderByteCount
      for index in 0..<sackBlocks.count {
        frame.store(sackBlocks[index].start, at: offset)
        frame.store(sackBlocks[index].end, at: offset + 4)
        offset += 8
      }
    }
  }
}

/// RFC 7323, 3.2.
struct TCPTimestamp {
  /// The sender's clock.
  var value: UInt32
  /// The receiver's clock, as the sender last heard of it.
  var echo: UInt32
}

/// Up to four blocks of the SACK option (RFC 2018, 3), as they are in the header.
struct SACKBlocks {
  private(set) var count = 0
  private var blocks = InlineArray<4, Block>(repeating: Block(start: 0, end: 0))

  struct Block {
    var start: UInt32
    var end: UInt32
  }

  /// More than four do not fit in a header.
  mutating func append(start: UInt32, end: UInt32) {
    guard count < 4 else { return }
    blocks[count] = Block(start: start, end: end)
    count += 1
  }

  subscript(_ index: Int) -> Block { blocks[index] }
}
