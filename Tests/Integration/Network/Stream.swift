import SeededRandom

/// The bytes that `net-probe` sends and this program compares: SplitMix64's numbers from seed 0 on, least significant byte
/// first.
struct ExpectedStream {
  private var random = SeededGenerator(seed: 0)
  private var rest: ArraySlice<UInt8> = []

  mutating func next(_ count: Int) -> [UInt8] {
    while rest.count < count { rest = rest + random.bytes(count: 1 << 16)[...] }
    defer { rest = rest.dropFirst(count) }
    return Array(rest.prefix(count))
  }
}

/// FNV-1a with 64 bits (Fowler, Noll, Vo; draft-eastlake-fnv): a byte that is missing, wrong or in another place shows.
struct StreamHash {
  private var value: UInt64 = 0xcbf2_9ce4_8422_2325

  mutating func add(_ bytes: some Sequence<UInt8>) {
    for byte in bytes { value = (value ^ UInt64(byte)) &* 0x100_0000_01b3 }
  }

  var text: String { String(value, radix: 16) }
}
