#if hasFeature(Embedded)
  import MachineABI

  /// The generator behind `SystemRandomNumberGenerator` and the seeds of hashing.
  nonisolated(unsafe) private var generator: RandomGenerator? = nil

  /// The libc function through which Swift asks for random bytes.
  @c(arc4random_buf)
  func arc4randomBuf(_ buffer: UnsafeMutableRawPointer, _ count: Int) {
    if generator == nil { generator = RandomGenerator(seed: bootInfo.pointee.seed) }
    generator!.fill(UnsafeMutableRawBufferPointer(start: buffer, count: count))
    generatorWasUsed?(count)
  }

  /// Is told how many bytes the generator has given; set by whoever feeds it.
  nonisolated(unsafe) var generatorWasUsed: ((Int) -> Void)? = nil

  /// Adds to what the generator knows.
  ///
  /// - Parameter seed: 32 bytes of entropy.
  func reseedGenerator(with seed: UnsafeRawBufferPointer) {
    if generator == nil { generator = RandomGenerator(seed: bootInfo.pointee.seed) }
    generator!.reseed(with: seed)
  }
#endif

/// A cryptographically secure generator: ChaCha20 (RFC 8439, 2.3) with fast key erasure, so that a later look at its state
/// tells nothing of what it gave before.
struct RandomGenerator {
  private typealias Block = InlineArray<16, UInt32>

  private var key: InlineArray<8, UInt32>
  private var buffer = Block(repeating: 0)
  /// How many bytes of `buffer` have been given out, its key half included.
  private var used = 64

  /// - Parameter seed: 64 bytes of entropy, folded into a key of 32.
  init(seed: (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64)) {
    let words = [seed.0 ^ seed.4, seed.1 ^ seed.5, seed.2 ^ seed.6, seed.3 ^ seed.7]
    key = InlineArray { UInt32(truncatingIfNeeded: words[$0 / 2] >> (32 * UInt64($0 % 2))) }
  }

  init(key: InlineArray<8, UInt32>) {
    self.key = key
  }

  mutating func fill(_ bytes: UnsafeMutableRawBufferPointer) {
    for index in bytes.indices {
      if used == 64 { refill() }
      bytes[index] = UInt8(truncatingIfNeeded: buffer[used / 4] >> (8 * UInt32(used % 4)))
      buffer[used / 4] &= ~(0xff << (8 * UInt32(used % 4)))
      used += 1
    }
  }

  /// Makes what comes from here on depend on `seed` as well: whoever knows only the seed or only the state before knows
  /// nothing of it.
  ///
  /// - Parameter seed: 32 bytes.
  mutating func reseed(with seed: UnsafeRawBufferPointer) {
    for index in 0..<8 { key[index] ^= seed.loadUnaligned(fromByteOffset: 4 * index, as: UInt32.self) }
    // What is left of the last block was made without it.
    refill()
  }

  /// Makes a block; its first half becomes the next key and its second half is for giving out.
  private mutating func refill() {
    buffer = Self.block(key: key, counter: 0)
    for index in 0..<8 {
      key[index] = buffer[index]
      buffer[index] = 0
    }
    used = 32
  }

  /// The ChaCha20 block function with a nonce of zero (RFC 8439, 2.3).
  static func block(key: InlineArray<8, UInt32>, counter: UInt32) -> InlineArray<16, UInt32> {
    let constants: InlineArray<4, UInt32> = [0x6170_7865, 0x3320_646e, 0x7962_2d32, 0x6b20_6574]  // "expand 32-byte k"
    let initial = Block { index in
      switch index {
      case 0..<4: constants[index]
      case 4..<12: key[index - 4]
      case 12: counter
      default: 0
      }
    }
    var state = initial
    for _ in 0..<10 {
      quarterRound(&state, 0, 4, 8, 12)
      quarterRound(&state, 1, 5, 9, 13)
      quarterRound(&state, 2, 6, 10, 14)
      quarterRound(&state, 3, 7, 11, 15)
      quarterRound(&state, 0, 5, 10, 15)
      quarterRound(&state, 1, 6, 11, 12)
      quarterRound(&state, 2, 7, 8, 13)
      quarterRound(&state, 3, 4, 9, 14)
    }
    for index in 0..<16 { state[index] &+= initial[index] }
    return state
  }

  /// RFC 8439, 2.1.
  @inline(__always)
  private static func quarterRound(_ state: inout Block, _ a: Int, _ b: Int, _ c: Int, _ d: Int) {
    func mix(_ state: inout Block, _ a: Int, _ b: Int, _ d: Int, _ rotation: UInt32) {
      state[a] &+= state[b]
      let word = state[d] ^ state[a]
      state[d] = word << rotation | word >> (32 - rotation)
    }
    mix(&state, a, b, d, 16)
    mix(&state, c, d, b, 12)
    mix(&state, a, b, d, 8)
    mix(&state, c, d, b, 7)
  }
}
