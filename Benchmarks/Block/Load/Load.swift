/// What the command line asks for.
struct Load: Sendable {
  enum Pattern: Sendable {
    case randomRead
    case sequentialRead
    case sequentialWrite
    /// Each write is followed by a flush, whose time is the latency.
    case flushedWrite
  }

  let pattern: Pattern
  /// In bytes, a multiple of 512.
  let blockSize: Int
  /// How many requests are in flight: one for each task.
  let depth: Int
  /// Of all tasks together.
  let requests: Int
  let seed: UInt64

  init?(arguments: [String]) {
    guard arguments.count == 6 else { return nil }
    switch arguments[1] {
    case "random-read": pattern = .randomRead
    case "sequential-read": pattern = .sequentialRead
    case "sequential-write": pattern = .sequentialWrite
    case "flushed-write": pattern = .flushedWrite
    default: return nil
    }
    guard let blockSize = Int(arguments[2]), blockSize > 0, blockSize % 512 == 0, blockSize <= 1 << 20,
      let depth = Int(arguments[3]), (1...256).contains(depth), let requests = Int(arguments[4]),
      (1...4_000_000).contains(requests), let seed = UInt64(arguments[5])
    else { return nil }
    self.blockSize = blockSize
    self.depth = depth
    self.requests = requests
    self.seed = seed
  }
}
