// Making room: what is live at the start of the log is written again at its end, and the start moves on.

extension Log {
  /// Sees to it that a batch of `byteCount` bytes can be appended, with as much left free as the largest batch takes.
  ///
  /// Once round the log is enough (see `RingGeometry.liveByteLimit`), if the log was written by this code.
  nonisolated(nonsending) func makeRoom(for byteCount: UInt64) async throws(Failure) {
    let end = newest.nextPosition
    let required = byteCount + medium.ring.batchLimit
    while freeByteCount < required {
      guard newest.tailPosition < end else {
        throw .full(required: index.liveByteCount + byteCount, limit: medium.ring.liveByteLimit)
      }
      try await moveTail(upTo: end)
    }
  }

  /// Moves the start of the log behind its oldest batches, not beyond `end`.
  private nonisolated(nonsending) func moveTail(upTo end: UInt64) async throws(Failure) {
    let start = newest.tailPosition
    var reader = LogReader(medium: medium)
    var moved: [BatchEntry] = []
    var movedByteCount: UInt64 = 0
    var tail = try await header(at: start, sequence: newest.tailSequence, &reader)
    while true {
      var live: [BatchEntry] = []
      var liveByteCount: UInt64 = 0
      var cursor = RecordCursor<Device>(tail)
      while let record = try await cursor.next(&reader) {
        guard let location = record.value, index.isLive(record) else { continue }
        live.append(BatchEntry(key: record.key, content: .moved(location)))
        liveByteCount += Record.byteCount(key: record.key, valueByteCount: Int(location.byteCount))
      }
      if tail.position > start, movedByteCount + liveByteCount > medium.ring.movedByteCountGoal { break }
      moved += live
      movedByteCount += liveByteCount
      guard tail.nextPosition < newest.nextPosition else { return try await append(moved, tail: .itself) }
      tail = try await header(at: tail.nextPosition, sequence: tail.sequence + 1, &reader)
      if tail.position >= end || tail.position - start >= medium.ring.movedRangeLimit { break }
    }
    try await append(moved, tail: .at(tail))
  }

  /// The header of a batch that is in the log.
  private nonisolated(nonsending) func header(
    at position: UInt64, sequence: UInt64, _ reader: inout LogReader<Device>
  ) async throws(Failure) -> BatchHeader {
    guard let header = try await reader.header(at: position, identity: identity, sequence: sequence) else {
      throw reader.damaged(at: position)
    }
    return header
  }
}
