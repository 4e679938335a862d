import GuestKernel

/// One task's share of a load: every `depth`-th request, one after the other, from and to one buffer.
final class Worker: @unchecked Sendable {
  private let load: Load
  private let number: Int
  /// How many blocks the disk has.
  private let blocks: UInt64
  private let latencies: Latencies
  /// Used by one task alone, which this object outlives.
  private let buffer: UnsafeMutableRawBufferPointer
  private var random: UInt64

  init(_ load: Load, number: Int, blocks: UInt64, _ latencies: Latencies) {
    self.load = load
    self.number = number
    self.blocks = blocks
    self.latencies = latencies
    buffer = .allocate(byteCount: load.blockSize, alignment: 4096)
    buffer.initializeMemory(as: UInt8.self, repeating: UInt8(truncatingIfNeeded: number) | 1)
    random = (load.seed &+ UInt64(number) &+ 1) &* 0x9e37_79b9_7f4a_7c15
  }

  deinit { buffer.deallocate() }

  func run(on disk: BlockDevice) async {
    do throws(BlockError) {
      // The end of a request is the beginning of the next: one look at the clock for each, as little as there can be.
      var then = ContinuousClock.Instant.now
      for request in stride(from: number, to: load.requests, by: load.depth) {
        let offset = block(of: request) * UInt64(load.blockSize)
        switch load.pattern {
        case .randomRead, .sequentialRead:
          var span = buffer.mutableBytes
          try await disk.read(at: offset, into: &span)
        case .sequentialWrite: try await disk.write(at: offset, buffer.bytes)
        case .flushedWrite:
          try await disk.write(at: offset, buffer.bytes)
          then = ContinuousClock.Instant.now
          try await disk.flush()
        }
        let now = ContinuousClock.Instant.now
        latencies.record(now - then, request: request)
        then = now
      }
    } catch {
      print(error.description)
      Kernel.exit(1)
    }
  }

  private func block(of request: Int) -> UInt64 {
    switch load.pattern {
    case .sequentialRead, .sequentialWrite: return UInt64(request) % blocks
    case .randomRead, .flushedWrite:
      // xorshift64 (Marsaglia, 2003).
      random ^= random << 13
      random ^= random >> 7
      random ^= random << 17
      return random.multipliedFullWidth(by: blocks).high
    }
  }
}
