/// Bytes of a stream, found by their place in it, in chunks that are there only while something is in them.
///
/// A ring of chunks, of which any may be missing: whoever uses it knows which bytes were stored. With nothing in it, it is a
/// few words.
struct ChunkRing {
  /// The chunk with place p is at p / chunkByteCount, modulo the number of slots, a power of two. Empty: not there.
  private var slots: [[UInt8]] = []
  private(set) var chunkCount = 0

  /// Kept although nothing is in them, so that a request and its answer cost no allocation.
  private static let idleSlotCount = 2

  private static func chunkIndex(_ place: SequenceNumber) -> UInt64 {
    place.value / UInt64(BufferPool.chunkByteCount)
  }

  /// Where a chunk is in `slots`.
  private func slot(_ index: UInt64) -> Int { Int(index & UInt64(slots.count - 1)) }

  /// Stores bytes, at the places from `place`.
  ///
  /// - Parameter start: the first place that is still needed.
  /// - Returns: how many; fewer than there are when the pool has no memory left.
  mutating func store(_ bytes: RawSpan, at place: SequenceNumber, start: SequenceNumber, pool: BufferPool) -> Int {
    makeSlots(from: start, to: place + bytes.byteCount)
    var offset = 0
    while offset < bytes.byteCount {
      let current = place + offset
      let within = Int(current.value % UInt64(BufferPool.chunkByteCount))
      let count = min(BufferPool.chunkByteCount - within, bytes.byteCount - offset)
      let slot = slot(Self.chunkIndex(current))
      if slots[slot].isEmpty {
        guard let chunk = pool.take() else { return offset }
        slots[slot] = chunk
        chunkCount += 1
      }
      var elements = slots[slot].mutableSpan
      var chunk = elements.mutableBytes
      chunk.store(bytes.extracting(offset..<(offset + count)), at: within)
      offset += count
    }
    return offset
  }

  /// Copies bytes that were stored.
  func copy(from place: SequenceNumber, count: Int, to destination: inout MutableRawSpan, at offset: Int) {
    var done = 0
    while done < count {
      let current = place + done
      let within = Int(current.value % UInt64(BufferPool.chunkByteCount))
      let part = min(BufferPool.chunkByteCount - within, count - done)
      let chunk = slots[slot(Self.chunkIndex(current))]
      destination.store(chunk.span.bytes.extracting(within..<(within + part)), at: offset + done)
      done += part
    }
  }

  /// Gives back the chunks that have nothing but places from `start` up to, not including, `end`.
  ///
  /// - Parameter isEmpty: nothing is stored from `end` on, so that its chunk goes too.
  mutating func release(from start: SequenceNumber, to end: SequenceNumber, isEmpty: Bool, pool: BufferPool) {
    if chunkCount > 0 {
      var index = Self.chunkIndex(start)
      let last = Self.chunkIndex(end)
      while index < last {
        releaseChunk(index, pool)
        index += 1
      }
      if isEmpty { releaseChunk(last, pool) }
    }
    if isEmpty, slots.count > Self.idleSlotCount { slots = [] }
  }

  /// Gives back the chunks that have nothing but places from `end` on.
  mutating func releaseAll(from end: SequenceNumber, pool: BufferPool) {
    guard chunkCount > 0 else { return }
    let first = Self.chunkIndex(end - 1) + 1
    // The slot before the first one is the last that a chunk behind `end` may be in.
    for index in first..<(first + UInt64(slots.count - 1)) { releaseChunk(index, pool) }
  }

  private mutating func releaseChunk(_ index: UInt64, _ pool: BufferPool) {
    let slot = slot(index)
    guard !slots[slot].isEmpty else { return }
    var chunk: [UInt8] = []
    swap(&chunk, &slots[slot])
    pool.give(chunk)
    chunkCount -= 1
  }

  /// Gives back everything.
  mutating func releaseAll(pool: BufferPool) {
    for slot in slots.indices where !slots[slot].isEmpty {
      var chunk: [UInt8] = []
      swap(&chunk, &slots[slot])
      pool.give(chunk)
    }
    slots = []
    chunkCount = 0
  }

  /// Sees to it that no two chunks between the places have one slot.
  private mutating func makeSlots(from start: SequenceNumber, to end: SequenceNumber) {
    let first = Self.chunkIndex(start)
    let needed = Int(Self.chunkIndex(end) - first) + 1
    guard needed > slots.count else { return }
    var count = max(slots.count, Self.idleSlotCount)
    while count < needed { count *= 2 }
    var larger = [[UInt8]](repeating: [], count: count)
    for index in first..<(first + UInt64(slots.count)) {
      swap(&larger[Int(index & UInt64(count - 1))], &slots[slot(index)])
    }
    slots = larger
  }
}
