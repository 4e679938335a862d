/// What the sender knows of what it sent: what arrived, what is lost, what was sent again (RFC 6675). Without SACK, duplicate
/// acknowledgements stand for segments that arrived (RFC 6582).
struct SACKScoreboard {
  /// What the peer has beyond what it acknowledged: in order, neither adjacent nor overlapping.
  private var ranges: [SequenceRange] = []
  /// Duplicate acknowledgements, with a peer that has no SACK.
  private(set) var duplicateCount = 0
  /// What is not acknowledged in any way and below this is lost.
  private(set) var lostEnd: SequenceNumber
  /// What is lost and below this was sent again: RFC 6675's HighRxt.
  private(set) var retransmittedEnd: SequenceNumber

  /// RFC 6675, 2: DupThresh.
  static let duplicateThreshold = 3

  /// Stops: a peer that acknowledges every other byte, to make each acknowledgement a long walk. What does not fit is
  /// sent again.
  private static let rangeLimit = 128

  init(start: SequenceNumber) {
    lostEnd = start
    retransmittedEnd = start
  }

  /// Whether nothing is known but that all is in flight.
  private func isPlain(from start: SequenceNumber) -> Bool {
    ranges.isEmpty && duplicateCount == 0 && lostEnd <= start && retransmittedEnd <= start
  }

  var hasRanges: Bool { !ranges.isEmpty }

  /// Everything up to `start` was acknowledged.
  mutating func acknowledge(to start: SequenceNumber) {
    duplicateCount = 0
    guard !ranges.isEmpty else { return }
    ranges.removeAll { $0.end <= start }
    if let first = ranges.first, first.start < start { ranges[0].start = start }
    if ranges.isEmpty { ranges = [] }
  }

  /// The peer has told that it has a block. It must be between what is acknowledged and what was sent.
  ///
  /// - Returns: whether that is new.
  mutating func add(_ block: SequenceRange) -> Bool {
    var index = 0
    while index < ranges.count, ranges[index].end < block.start { index += 1 }
    if index < ranges.count, ranges[index].start <= block.start, ranges[index].end >= block.end { return false }
    var merged = block
    var last = index
    while last < ranges.count, ranges[last].start <= merged.end {
      merged = SequenceRange(start: min(merged.start, ranges[last].start), end: max(merged.end, ranges[last].end))
      last += 1
    }
    guard last > index || ranges.count < Self.rangeLimit else { return false }
    ranges.replaceSubrange(index..<last, with: CollectionOfOne(merged))
    return true
  }

  mutating func addDuplicate() { duplicateCount += 1 }

  /// Finds what is lost: what has, above it, `duplicateThreshold` ranges, or more bytes than fit in fewer segments, that arrived
  /// (RFC 6675, 4: IsLost).
  mutating func findLost(segmentByteCount: Int) {
    var bytes = 0
    var count = 0
    for range in ranges.reversed() {
      bytes += range.byteCount
      count += 1
      if count >= Self.duplicateThreshold || bytes > (Self.duplicateThreshold - 1) * segmentByteCount {
        lostEnd = max(lostEnd, range.start)
        return
      }
    }
  }

  /// What is sent first is lost: that is all that duplicate acknowledgements tell.
  mutating func loseFirst(_ first: SequenceRange, segmentByteCount: Int) {
    lostEnd = max(lostEnd, min(first.end, first.start + segmentByteCount))
  }

  /// All that did not arrive up to `end` is lost, also what was sent again: the retransmission timer expired.
  ///
  /// - Parameter forgettingRanges: the peer may have given up what it had (RFC 2018, 8).
  mutating func loseAll(from start: SequenceNumber, to end: SequenceNumber, forgettingRanges: Bool) {
    if forgettingRanges { ranges = [] }
    duplicateCount = 0
    lostEnd = end
    retransmittedEnd = start
  }

  /// The next range that is lost and was not sent again (RFC 6675, 4: NextSeg, rule 1).
  func nextLost(from start: SequenceNumber) -> SequenceRange? {
    var place = max(start, retransmittedEnd)
    for range in ranges where range.end > place {
      if range.start > place || place >= lostEnd { break }
      place = range.end
    }
    guard place < lostEnd else { return nil }
    let next = ranges.first { $0.start > place }?.start ?? lostEnd
    return SequenceRange(start: place, end: min(next, lostEnd))
  }

  mutating func retransmitted(to end: SequenceNumber) { retransmittedEnd = max(retransmittedEnd, end) }

  /// How many bytes are in the network (RFC 6675, 4: SetPipe).
  func pipe(from start: SequenceNumber, to end: SequenceNumber, segmentByteCount: Int) -> Int {
    if isPlain(from: start) { return end - start }
    var pipe = 0
    var place = start
    for range in ranges {
      pipe += inNetwork(SequenceRange(start: place, end: max(range.start, place)))
      place = max(range.end, place)
    }
    if place < end { pipe += inNetwork(SequenceRange(start: place, end: end)) }
    return max(0, pipe - duplicateCount * segmentByteCount)
  }

  /// Of what did not arrive: what was never lost, and what was sent again.
  private func inNetwork(_ gap: SequenceRange) -> Int {
    let lost = max(0, min(gap.end, lostEnd) - gap.start)
    let retransmitted = max(0, min(gap.end, min(retransmittedEnd, lostEnd)) - gap.start)
    return gap.byteCount - lost + retransmitted
  }
}
