import Sockets

/// Sends the first bytes of a stream that both ends know: SplitMix64 seeded with 0 (Steele, Lea, Flood, 2014), its numbers
/// little-endian.
func sendStream(_ byteCount: Int, to connection: TCPConnection) async throws(NetworkError) {
  var state: UInt64 = 0
  var buffer = [UInt8](repeating: 0, count: min(byteCount, 64 << 10))
  var left = byteCount
  while left > 0 {
    let count = min(left, buffer.count)
    fill(&buffer, &state)
    try await connection.write(buffer.span.bytes.extracting(0..<count))
    left -= count
  }
}

private func fill(_ buffer: inout [UInt8], _ state: inout UInt64) {
  var offset = 0
  while offset < buffer.count {
    state &+= 0x9e37_79b9_7f4a_7c15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
    mixed ^= mixed >> 31
    for index in offset..<min(offset + 8, buffer.count) {
      buffer[index] = UInt8(truncatingIfNeeded: mixed)
      mixed >>= 8
    }
    offset += 8
  }
}

/// How many bytes there were, and their FNV-1a hash of 64 bits (Fowler, Noll, Vo).
struct Digest: CustomStringConvertible {
  private var byteCount = 0
  private var hash: UInt64 = 0xcbf2_9ce4_8422_2325

  mutating func add(_ bytes: RawSpan) {
    byteCount += bytes.byteCount
    for offset in bytes.byteOffsets {
      hash ^= UInt64(bytes.unsafeLoad(fromByteOffset: offset, as: UInt8.self))
      hash &*= 0x100_0000_01b3
    }
  }

  var description: String { "\(byteCount) \(String(hash, radix: 16))" }
}
