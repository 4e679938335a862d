/// SplitMix64 (Steele, Lea, Flood, 2014): the same numbers for the same seed, for every test.
public struct SeededGenerator: RandomNumberGenerator {
  private var state: UInt64

  /// Any seed is as good as any other.
  public init(seed: UInt64) {
    state = seed
  }

  /// All bits are as random as each other.
  public mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
    return mixed ^ (mixed >> 31)
  }

  /// The next `count` random bytes.
  public mutating func bytes(count: Int) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: count)
    for index in bytes.indices where index % 8 == 0 {
      let word = next()
      for byte in index..<min(index + 8, count) {
        bytes[byte] = UInt8(truncatingIfNeeded: word >> UInt64(8 * (byte - index)))
      }
    }
    return bytes
  }
}
