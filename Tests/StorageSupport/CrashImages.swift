import SeededRandom

/// A recorded trace, and what a crash during it may leave on the device.
///
/// What was flushed is there. Of what was written since, any sectors are, written in any order.
public struct CrashImages {
  private typealias Sector = (offset: Int, bytes: ArraySlice<UInt8>)

  /// What is on the medium whatever happens.
  public private(set) var durable: [UInt8]
  private var window: [Sector] = []
  /// How many sectors at the start of the window may be lost even if the next flush succeeds.
  private var unreliableCount = 0

  /// - Parameter durable: What was on the device before the trace.
  public init(_ durable: [UInt8]) {
    self.durable = durable
  }

  /// How many sectors were written since the last flush.
  public var windowCount: Int { window.count }

  /// Adds the next event of the trace.
  ///
  /// - Parameter generator: Decides what a flush, after one that failed, does with what came before that.
  public mutating func add(_ event: MemoryDisk.Event, using generator: inout SeededGenerator) {
    switch event {
    case .write(let offset, let bytes):
      for start in stride(from: 0, to: bytes.count, by: 512) {
        window.append((offset + start, bytes[start..<(start + 512)]))
      }
    case .flush:
      for (index, sector) in window.enumerated() where index >= unreliableCount || Bool.random(using: &generator) {
        Self.write(sector, to: &durable)
      }
      window = []
      unreliableCount = 0
    case .failedFlush: unreliableCount = window.count
    }
  }

  /// The medium with those sectors of the window for which `isThere` says so.
  public func image(_ isThere: (Int) -> Bool) -> [UInt8] {
    var image = durable
    for index in window.indices where isThere(index) { Self.write(window[index], to: &image) }
    return image
  }

  /// The medium with any sectors of the window, written in any order.
  public func randomImage(using generator: inout SeededGenerator) -> [UInt8] {
    var image = durable
    // Now few of them, now most.
    let parts = Int.random(in: 0...4, using: &generator)
    for sector in window.shuffled(using: &generator) where Int.random(in: 1...4, using: &generator) <= parts {
      Self.write(sector, to: &image)
    }
    return image
  }

  private static func write(_ sector: Sector, to image: inout [UInt8]) {
    image.replaceSubrange(sector.offset..<(sector.offset + 512), with: sector.bytes)
  }
}
