/// What a wire does to frames, the same for the same seed. Each direction draws numbers of its own.
struct Impairment: Sendable {
  var seed: UInt64 = 1
  /// Of a thousand frames, so many are lost, sent twice, changed in one bit, or held back so that later ones overtake them.
  var lost = 0, duplicated = 0, corrupted = 0, reordered = 0
  /// How long every frame takes, in milliseconds.
  var delay = 0
  /// Larger IP packets are lost without a word: a path whose errors do not come back.
  var largestPacket: Int?

  /// How much longer a frame takes that is held back, in milliseconds.
  static let reorderingDelay = 3

  var words: [String] {
    var words = [
      "seed=\(seed)", "lost=\(lost)", "duplicated=\(duplicated)", "corrupted=\(corrupted)", "reordered=\(reordered)",
      "delay=\(delay)",
    ]
    if let largestPacket { words.append("largest-packet=\(largestPacket)") }
    return words
  }

  init() {}

  init(seed: UInt64 = 1, lost: Int = 0, duplicated: Int = 0, corrupted: Int = 0, reordered: Int = 0, delay: Int = 0) {
    self.seed = seed
    self.lost = lost
    self.duplicated = duplicated
    self.corrupted = corrupted
    self.reordered = reordered
    self.delay = delay
  }

  /// - Returns: nil if one of the words makes no sense.
  init?(words: some Sequence<String>) {
    for word in words {
      let parts = word.utf8.split(separator: 0x3d).map { String(decoding: $0, as: UTF8.self) }
      guard parts.count == 2, let value = Int(parts[1]), value >= 0 else { return nil }
      switch parts[0] {
      case "seed": seed = UInt64(value)
      case "lost": lost = value
      case "duplicated": duplicated = value
      case "corrupted": corrupted = value
      case "reordered": reordered = value
      case "delay": delay = value
      case "largest-packet": largestPacket = value
      default: return nil
      }
    }
  }
}
