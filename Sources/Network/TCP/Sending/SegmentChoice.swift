/// What the next segment of a connection is.
struct SegmentChoice {
  /// The data; empty if there is none.
  var data: SequenceRange
  var flags: TCPFlags
  /// All or a part of it was sent before.
  var isRepetition = false
  /// One of the acknowledgements that are owed for segments out of order.
  var isDuplicate = false
}

/// How large segments may be that are sent now.
struct SegmentSizes {
  /// The data of one segment on the wire.
  var segment: Int
  /// The data of what is handed down at once: several segments if the device cuts them.
  var most: Int
}

// What to send next (RFC 9293, 3.7, 3.8).
extension TCPSocket {
  /// The next segment; nil: nothing is to be sent now.
  func chooseSegment(_ sizes: SegmentSizes, at now: NetworkInstant) -> SegmentChoice? {
    switch state {
    case .closed, .timeWait: return nil
    case .synSent, .synReceived:
      if pending.contains(.syn) {
        return SegmentChoice(
          data: empty(at: unacknowledged), flags: state == .synSent ? .syn : [.syn, .ack],
          isRepetition: sendNext > unacknowledged)
      }
      return pending.contains(.acknowledgement) && state == .synReceived
        ? SegmentChoice(data: empty(at: sendNext), flags: .ack) : nil
    default: break
    }
    if unacknowledged == sendNext, now.nanoseconds - lastSent.nanoseconds > roundTrip.retransmissionTimeout {
      congestion.restartAfterIdle()
    }
    // Without data, or the peer does not count them (RFC 5681, 2, condition b), and first, as it may wait for them.
    if duplicatesOwed > 0 {
      return SegmentChoice(data: empty(at: sendNext), flags: .ack, isDuplicate: true)
    }
    let flight = scoreboard.pipe(from: unacknowledged, to: sendNext, segmentByteCount: segmentByteCount)
    if let choice = chooseLost(sizes, flight: flight) ?? chooseNew(sizes, flight: flight, at: now) { return choice }
    if pending.contains(.probe) {
      // Nothing that the peer could take, so that it must answer (RFC 9293, 3.8.4; for windows it is as good as a byte).
      return SegmentChoice(data: empty(at: unacknowledged - 1), flags: .ack)
    }
    if pending.contains(.acknowledgement) { return SegmentChoice(data: empty(at: sendNext), flags: .ack) }
    return nil
  }

  private func empty(at place: SequenceNumber) -> SequenceRange { SequenceRange(start: place, end: place) }

  /// What was lost comes first (RFC 6675, 5, step C).
  private func chooseLost(_ sizes: SegmentSizes, flight: Int) -> SegmentChoice? {
    guard let lost = scoreboard.nextLost(from: unacknowledged) else { return nil }
    let room = congestion.window - flight
    // The first one goes in any case (RFC 6675, 5, step 4.3).
    let isFirst = scoreboard.retransmittedEnd <= unacknowledged
    guard isFirst || room >= min(sizes.segment, lost.byteCount) else { return nil }
    var count = min(lost.byteCount, sizes.most, max(sizes.segment, room / sizes.segment * sizes.segment))
    var flags: TCPFlags = .ack
    let dataCount = max(0, sendBuffer.end - lost.start)
    if count > dataCount {
      flags.insert(.fin)
      count = dataCount
    }
    if lost.start + count == sendBuffer.end { flags.insert(.psh) }
    return SegmentChoice(
      data: SequenceRange(start: lost.start, end: lost.start + count), flags: flags, isRepetition: true)
  }

  /// What was not sent yet, as far as the windows of the peer and of congestion control allow.
  private func chooseNew(_ sizes: SegmentSizes, flight: Int, at now: NetworkInstant) -> SegmentChoice? {
    let unsent = unsentByteCount
    guard unsent > 0 || hasUnsentFin else { return nil }
    let windowRoom = unacknowledged + sendWindow - sendNext
    let count = max(0, min(unsent, sizes.most, windowRoom, congestion.window - flight))
    let chosen = unsent == 0 ? (windowRoom > 0 ? 0 : nil) : part(count, of: unsent, windowRoom, sizes)
    guard let chosen else {
      // Nothing will come from the peer that makes this go on unless it is asked (RFC 9293, 3.8.6.1).
      if unacknowledged == sendNext, windowRoom < unsent + (isWritingFinished ? 1 : 0) { beginPersisting(at: now) }
      return nil
    }
    var flags: TCPFlags = .ack
    let end = sendNext + chosen
    if end == sendBuffer.end {
      if chosen > 0 { flags.insert(.psh) }
      if isWritingFinished, windowRoom > chosen, mayFinish(behind: end) { flags.insert(.fin) }
    }
    guard chosen > 0 || flags.contains(.fin) else { return nil }
    return SegmentChoice(data: SequenceRange(start: sendNext, end: end), flags: flags)
  }

  /// How much of what may be sent is worth sending: whole segments, the end of what there is, or much of what the peer ever
  /// takes (RFC 9293, 3.8.6.2.1: silly window avoidance; 3.7.4: Nagle).
  private func part(_ count: Int, of unsent: Int, _ windowRoom: Int, _ sizes: SegmentSizes) -> Int? {
    guard count > 0 else { return nil }
    let whole = count / sizes.segment * sizes.segment
    if count == unsent {
      if isMoreComing, count < sizes.most, sendNext - unacknowledged >= 2 * sizes.segment { return nil }
      let waits = isNagleEnabled && !isWritingFinished && sendNext > unacknowledged
      if whole == count || !waits { return count }
      return whole > 0 ? whole : nil
    }
    if whole > 0 { return whole }
    let isLimitedByPeer = count == windowRoom
    let isIdle = sendNext == unacknowledged
    guard isLimitedByPeer else { return isIdle ? count : nil }
    // RFC 9293, 3.8.6.2.1 has half of the largest window for peers whose windows are smaller than a segment. Where a segment is
    // as large as a window (an MTU of 64 KiB), half of one is much as well, and waiting for the persist timer is not worth it.
    let enough = (isIdle ? min(largestSendWindow, sizes.segment) : largestSendWindow) / 2
    return count >= enough || pending.contains(.smallSegment) ? count : nil
  }

  /// A writer waits for room. It gets some with the acknowledgement of what is in flight, which a peer does not delay for two
  /// segments or more (RFC 9293, 3.8.6.3); so what would be a small frame by itself is part of a large one then.
  private var isMoreComing: Bool { wantsToWrite && !isWritingFinished }

  /// Whether FIN may go with what is before `end`. passt (2023-03) takes it for the end of what it has, although the segments
  /// before it did not all get through to its own socket, and their bytes are lost. So to a peer without SACK it goes when
  /// everything before it is acknowledged, unless that is so little that it is not split.
  private func mayFinish(behind end: SequenceNumber) -> Bool {
    permitsSACK || unacknowledged == end || end - initialSend <= Self.unsplitByteCount
  }

  /// The initial window of RFC 6928: 10 segments of 1460 bytes.
  private static let unsplitByteCount = 14_600

  private func beginPersisting(at now: NetworkInstant) {
    guard !isPersisting else { return }
    isPersisting = true
    retransmissionDeadline = now + roundTrip.retransmissionTimeout
    reschedule()
  }
}
