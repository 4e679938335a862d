/// The numbers that an outsider must not be able to guess: a keyed hash (SipHash-2-4 of Aumasson and Bernstein, which RFC 6528
/// leaves room for) and a generator made of it. The same seed gives the same numbers.
public struct NetworkRandom: RandomNumberGenerator {
  private let key0: UInt64
  private let key1: UInt64
  private var counter: UInt64 = 0

  /// - Parameter seed: 128 bits of entropy.
  public init(seed: (UInt64, UInt64)) {
    (key0, key1) = seed
  }

  public mutating func next() -> UInt64 {
    counter &+= 1
    return hash(counter, 0x6e65_7874)
  }

  /// A number that depends on the seed and on what is given, and tells nothing of either.
  func hash(_ words: UInt64...) -> UInt64 {
    var state = SipState(key0, key1)
    for word in words { state.absorb(word) }
    // The last block has the length in bytes in its top byte.
    state.absorb(UInt64(words.count * 8) << 56)
    return state.finish()
  }
}

private struct SipState {
  private var v0: UInt64, v1: UInt64, v2: UInt64, v3: UInt64

  init(_ key0: UInt64, _ key1: UInt64) {
    v0 = key0 ^ 0x736f_6d65_7073_6575
    v1 = key1 ^ 0x646f_7261_6e64_6f6d
    v2 = key0 ^ 0x6c79_6765_6e65_7261
    v3 = key1 ^ 0x7465_6462_7974_6573
  }

  mutating func absorb(_ word: UInt64) {
    v3 ^= word
    round()
    round()
    v0 ^= word
  }

  mutating func finish() -> UInt64 {
    v2 ^= 0xff
    for _ in 0..<4 { round() }
    return v0 ^ v1 ^ v2 ^ v3
  }

  private mutating func round() {
    v0 &+= v1
    v1 = v1 << 13 | v1 >> 51
    v1 ^= v0
    v0 = v0 << 32 | v0 >> 32
    v2 &+= v3
    v3 = v3 << 16 | v3 >> 48
    v3 ^= v2
    v0 &+= v3
    v3 = v3 << 21 | v3 >> 43
    v3 ^= v0
    v2 &+= v1
    v1 = v1 << 17 | v1 >> 47
    v1 ^= v2
    v2 = v2 << 32 | v2 >> 32
  }
}
