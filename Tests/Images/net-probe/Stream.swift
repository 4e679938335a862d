import SeededRandom
import Sockets

/// Sends the first bytes of a stream that both ends know: SplitMix64's numbers from seed 0 on, least significant byte first.
func sendStream(_ byteCount: Int, to connection: TCPConnection) async throws(NetworkError) {
  var random = SeededGenerator(seed: 0)
  var left = byteCount
  while left > 0 {
    let bytes = random.bytes(count: min(left, 64 << 10))
    try await connection.write(bytes)
    left -= bytes.count
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
