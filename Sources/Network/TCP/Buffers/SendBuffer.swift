/// What the application wrote and the peer has not acknowledged.
struct SendBuffer {
  /// The first byte that is not acknowledged.
  private(set) var start: SequenceNumber
  /// Behind the last byte.
  private(set) var end: SequenceNumber
  private var chunks = ChunkRing()

  init(start: SequenceNumber) {
    self.start = start
    end = start
  }

  var byteCount: Int { end - start }

  /// How many of `wanted` bytes can be appended now.
  func room(for wanted: Int, limit: Int, pool: BufferPool) -> Int {
    let room = min(wanted, limit - byteCount)
    guard room > 0 else { return 0 }
    // Bytes begin anywhere in a chunk, so they may need one more than they fill, and one for what is left.
    if pool.hasRoomToSend(room / BufferPool.chunkByteCount + 2) { return room }
    return pool.hasRoomToSend(2) ? min(room, BufferPool.chunkByteCount) : 0
  }

  /// Appends bytes that there is room for.
  mutating func append(_ bytes: RawSpan, pool: BufferPool) {
    end += chunks.store(bytes, at: end, start: start, pool: pool)
  }

  /// Copies bytes for a segment.
  func copy(_ range: SequenceRange, to frame: inout MutableRawSpan, at offset: Int) {
    chunks.copy(from: range.start, count: range.byteCount, to: &frame, at: offset)
  }

  /// Bytes were acknowledged.
  mutating func release(to place: SequenceNumber, pool: BufferPool) {
    let place = min(place, end)
    guard place > start else { return }
    chunks.release(from: start, to: place, isEmpty: place == end, pool: pool)
    start = place
  }

  mutating func releaseAll(pool: BufferPool) {
    chunks.releaseAll(pool: pool)
    start = end
  }
}
