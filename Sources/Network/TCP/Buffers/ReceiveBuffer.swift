/// What the peer sent and the application has not read, and what arrived out of order, each byte at its place.
struct ReceiveBuffer {
  /// The first byte that was not read.
  private(set) var start: SequenceNumber
  /// Behind the last byte in order.
  private(set) var end: SequenceNumber
  /// What there is beyond `end`: not adjacent, not overlapping, the newest first, as SACK wants to tell it (RFC 2018, 4).
  private(set) var islands: [SequenceRange] = []
  private var chunks = ChunkRing()

  init(start: SequenceNumber) {
    self.start = start
    end = start
  }

  /// What can be read.
  var byteCount: Int { end - start }

  /// Stores bytes that begin at or before `end`: the part that is there already is left as it is.
  ///
  /// If there is not enough memory, bytes out of order are given up for it, which RFC 2018 (8) allows: the peer keeps them
  /// until they are acknowledged.
  ///
  /// - Returns: false when there was no memory for all of them. What `end` says is stored.
  mutating func append(_ bytes: RawSpan, at place: SequenceNumber, pool: BufferPool) -> Bool {
    let target = place + bytes.byteCount
    guard target > end else { return true }
    end += chunks.store(bytes.extracting((end - place)...), at: end, start: start, pool: pool)
    if end < target, !islands.isEmpty {
      chunks.releaseAll(from: end, pool: pool)
      islands = []
      end += chunks.store(bytes.extracting((end - place)...), at: end, start: start, pool: pool)
    }
    if !islands.isEmpty { joinIslands() }
    return end >= target
  }

  /// Whether nothing is kept, so that what comes next can go to a reader as it comes.
  var isEmpty: Bool { byteCount == 0 && islands.isEmpty && chunks.chunkCount == 0 }

  /// The next bytes went to a reader without being stored. For a buffer that `isEmpty`.
  mutating func pass(_ count: Int) {
    start += count
    end = start
  }

  /// Stores bytes that begin behind `end`.
  ///
  /// - Returns: false when there is no memory, or there would be more gaps than `gapLimit`.
  mutating func insert(_ bytes: RawSpan, at place: SequenceNumber, gapLimit: Int, pool: BufferPool) -> Bool {
    let touches = islands.contains { $0.start <= place + bytes.byteCount && $0.end >= place }
    guard touches || islands.count < gapLimit else { return false }
    let count = chunks.store(bytes, at: place, start: start, pool: pool)
    guard count > 0 else { return false }
    var island = SequenceRange(start: place, end: place + count)
    islands.removeAll { other in
      guard other.start <= island.end, other.end >= island.start else { return false }
      island = SequenceRange(start: min(island.start, other.start), end: max(island.end, other.end))
      return true
    }
    islands.insert(island, at: 0)
    return true
  }

  /// Takes the islands that `end` has reached.
  private mutating func joinIslands() {
    while let index = islands.firstIndex(where: { $0.start <= end }) {
      end = max(end, islands[index].end)
      islands.remove(at: index)
    }
    if islands.isEmpty { islands = [] }
  }

  /// Copies what is there, as much as fits, and gives its memory back.
  mutating func read(into destination: inout MutableRawSpan, pool: BufferPool) -> Int {
    let count = min(byteCount, destination.byteCount)
    guard count > 0 else { return 0 }
    chunks.copy(from: start, count: count, to: &destination, at: 0)
    let place = start + count
    chunks.release(from: start, to: place, isEmpty: place == end && islands.isEmpty, pool: pool)
    start = place
    return count
  }

  /// Forgets what is there.
  mutating func releaseAll(pool: BufferPool) {
    chunks.releaseAll(pool: pool)
    islands = []
    start = end
  }
}
