import SeededRandom
import Testing

@testable import GuestKernel

@Suite struct RandomGeneratorTests {
  private static func key(_ bytes: [UInt8]) -> InlineArray<8, UInt32> {
    InlineArray { index in
      (0..<4).reduce(UInt32(0)) { $0 | UInt32(bytes[4 * index + $1]) << UInt32(8 * $1) }
    }
  }

  private static func bytes(_ block: InlineArray<16, UInt32>) -> [UInt8] {
    block.indices.flatMap { index in (0..<4).map { UInt8(truncatingIfNeeded: block[index] >> (8 * $0)) } }
  }

  private static func hexadecimal(_ bytes: [UInt8]) -> String {
    bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
  }

  private static func take(_ count: Int, from generator: inout RandomGenerator) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: count)
    bytes.withUnsafeMutableBytes { generator.fill($0) }
    return bytes
  }

  /// RFC 8439, A.1, the vectors 1 to 4: those whose nonce is zero.
  static let vectors: [(key: [UInt8], counter: UInt32, keystream: String)] = [
    (
      [UInt8](repeating: 0, count: 32), 0,
      "76b8e0ada0f13d90405d6ae55386bd28bdd219b8a08ded1aa836efcc8b770dc7"
        + "da41597c5157488d7724e03fb8d84a376a43b8f41518a11cc387b669b2ee6586"
    ),
    (
      [UInt8](repeating: 0, count: 32), 1,
      "9f07e7be5551387a98ba977c732d080dcb0f29a048e3656912c6533e32ee7aed"
        + "29b721769ce64e43d57133b074d839d531ed1f28510afb45ace10a1f4b794d6f"
    ),
    (
      [UInt8](repeating: 0, count: 31) + [1], 1,
      "3aeb5224ecf849929b9d828db1ced4dd832025e8018b8160b82284f3c949aa5a"
        + "8eca00bbb4a73bdad192b5c42f73f2fd4e273644c8b36125a64addeb006c13a0"
    ),
    (
      [0, 0xff] + [UInt8](repeating: 0, count: 30), 2,
      "72d54dfbf12ec44b362692df94137f328fea8da73990265ec1bbbea1ae9af0ca"
        + "13b25aa26cb4a648cb9b9d1be65b2c0924a66c54d545ec1b7374f4872e99f096"
    ),
  ]

  @Test(arguments: vectors) func blockFunction(key: [UInt8], counter: UInt32, keystream: String) {
    let block = RandomGenerator.block(key: Self.key(key), counter: counter)
    #expect(Self.hexadecimal(Self.bytes(block)) == keystream)
  }

  /// The first half of each block is the next key, the second half is given out.
  @Test func outputIsTheSecondHalfOfEachBlock() {
    let key = (0..<32).map { UInt8($0 * 7) }
    var generator = RandomGenerator(key: Self.key(key))
    var next = key
    for _ in 0..<5 {
      let block = Self.bytes(RandomGenerator.block(key: Self.key(next), counter: 0))
      #expect(Self.take(32, from: &generator) == Array(block[32...]))
      next = Array(block[..<32])
    }
  }

  /// However the requests are cut, the same bytes come.
  @Test func piecesMakeUpTheWhole() {
    let key = Self.key([UInt8](repeating: 3, count: 32))
    var whole = RandomGenerator(key: key)
    let expected = Self.take(10_000, from: &whole)
    var sizes = SeededGenerator(seed: 1)
    var pieces = RandomGenerator(key: key)
    var bytes: [UInt8] = []
    while bytes.count < expected.count {
      bytes += Self.take(min(.random(in: 0...100, using: &sizes), expected.count - bytes.count), from: &pieces)
    }
    #expect(bytes == expected)
    pieces.fill(UnsafeMutableRawBufferPointer(start: nil, count: 0))
    #expect(Self.take(64, from: &pieces) == Self.take(64, from: &whole))
  }

  /// Fast key erasure: nothing in the state tells what was given out, or the keys that made it.
  @Test(arguments: [1, 7, 8, 31, 32, 33, 64, 95, 96, 1000]) func givenBytesAreGone(count: Int) {
    let seed = (0..<32).map { UInt8(255 - $0) }
    var generator = RandomGenerator(key: Self.key(seed))
    var keys = [seed]
    for _ in 0..<(count + 31) / 32 {
      keys.append(Array(Self.bytes(RandomGenerator.block(key: Self.key(keys.last!), counter: 0))[..<32]))
    }
    let current = keys.removeLast()
    let given = Self.take(count, from: &generator)
    let state = withUnsafeBytes(of: generator) { Array($0) }
    #expect(Self.contains(state, current), "the state is seen")
    for key in keys { #expect(!Self.contains(state, key)) }
    // Four bytes in a row are met by chance once in a hundred million times.
    for start in stride(from: 0, through: given.count - 4, by: 1) {
      #expect(!Self.contains(state, Array(given[start..<start + 4])), "byte \(start)")
    }
  }

  private static func contains(_ bytes: [UInt8], _ part: [UInt8]) -> Bool {
    guard bytes.count >= part.count else { return false }
    return (0...bytes.count - part.count).contains { bytes[$0..<$0 + part.count].elementsEqual(part) }
  }

  @Test func everyWordOfTheSeedCounts() {
    func firstBytes(_ words: [UInt64]) -> [UInt8] {
      var generator = RandomGenerator(
        seed: (words[0], words[1], words[2], words[3], words[4], words[5], words[6], words[7]))
      return Self.take(16, from: &generator)
    }
    var seen: Set<[UInt8]> = [firstBytes([UInt64](repeating: 0, count: 8))]
    for word in 0..<8 {
      // One bit of each word, in another place every time: opposite words are folded onto each other.
      var words = [UInt64](repeating: 0, count: 8)
      words[word] = 1 << UInt64(8 * word)
      seen.insert(firstBytes(words))
    }
    #expect(seen.count == 9)
  }

  /// The key and the seed are both needed, and what was left of the block before is not given any more.
  @Test func reseeding() {
    func generator(_ key: UInt8, seed: UInt8?) -> [UInt8] {
      var generator = RandomGenerator(key: Self.key([UInt8](repeating: key, count: 32)))
      if let seed { [UInt8](repeating: seed, count: 32).withUnsafeBytes { generator.reseed(with: $0) } }
      return Self.take(48, from: &generator)
    }
    #expect(generator(1, seed: 0) == generator(1, seed: nil))
    #expect(generator(1, seed: 2) == generator(3, seed: nil))
    #expect(generator(1, seed: 2) != generator(1, seed: 3))

    var used = RandomGenerator(key: Self.key([UInt8](repeating: 7, count: 32)))
    var other = used
    _ = Self.take(5, from: &used)
    _ = Self.take(5, from: &other)
    [UInt8](repeating: 9, count: 32).withUnsafeBytes { used.reseed(with: $0) }
    #expect(Self.take(27, from: &used) != Self.take(27, from: &other))
  }
}
