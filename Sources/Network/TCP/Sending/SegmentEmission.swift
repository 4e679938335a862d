/// What became of a socket's turn to send.
enum Emission {
  /// There was nothing.
  case nothing
  /// There is no way to the peer now: what was to be sent counts as sent, and lost.
  case lost
  case segment(OutgoingSegment)
}

// Segments are written, and what was sent is noted.
extension TCPSocket {
  /// Of a path that is not there.
  private static let absentPath = TCPPath(mtu: 576, completesChecksum: false, segments: false, segmentOffset: 0)

  /// Sends the next segment.
  func emit(
    into frame: inout MutableRawSpan, at now: NetworkInstant, path findPath: (IPAddress) -> TCPPath?
  ) -> Emission {
    let found = findPath(remote.address)
    let path = found ?? Self.absentPath
    var options = TCPOptions()
    if pending.contains(.syn) {
      setSynOptions(&options, path: path, at: now)
    } else {
      options.timestamp = timestampOption(at: now)
      if permitsSACK, !receiveBuffer.islands.isEmpty { setBlocks(&options) }
    }
    let headerByteCount = TCPHeader.minimumByteCount + options.byteCount
    let sizes =
      found == nil
      ? SegmentSizes(segment: segmentByteCount, most: segmentByteCount)
      : self.sizes(path, headerByteCount: headerByteCount, room: frame.byteCount - path.segmentOffset)
    guard let choice = chooseSegment(sizes, at: now) else { return .nothing }
    let isSyn = choice.flags.contains(.syn)
    var header = TCPHeader(
      from: local.port, to: remote.port, sequence: choice.data.start.wire,
      acknowledgement: choice.flags.contains(.ack) ? receiveNext.wire : 0, flags: choice.flags,
      window: isSyn ? context.initialWindow : windowField(isDuplicate: choice.isDuplicate))
    header.options = options
    note(choice, at: now)
    guard found != nil else { return .lost }
    context.statistics.segmentsSent += 1
    _ = header.write(to: &frame, at: path.segmentOffset)
    let payload = choice.data.byteCount
    if payload > 0 { sendBuffer.copy(choice.data, to: &frame, at: path.segmentOffset + headerByteCount) }
    return .segment(
      OutgoingSegment(
        completing: &frame, from: local.address, to: remote.address, headerByteCount: headerByteCount,
        payloadByteCount: payload, segmentByteCount: payload > sizes.segment ? sizes.segment : nil, path: path))
  }

  private func setSynOptions(_ options: inout TCPOptions, path: TCPPath, at now: NetworkInstant) {
    options.maximumSegmentByteCount = path.maximumSegmentByteCount(to: remote.address)
    // The answer to a SYN offers only what that did (RFC 7323, 2.2, 3.2; RFC 2018, 2).
    let isAnswer = state == .synReceived
    if !isAnswer || receiveScale > 0 { options.windowScale = context.windowScale }
    options.permitsSACK = !isAnswer || permitsSACK
    if isAnswer {
      options.timestamp = timestampOption(at: now)
    } else {
      let clock = TCPContext.timestampClock(at: now, offset: context.timestampOffset(for: key))
      options.timestamp = TCPTimestamp(value: clock, echo: 0)
    }
  }

  /// The newest first. Of several duplicates that are owed, one begins with the newest, the one before with the second, and so
  /// on: much as if each had been sent when its segment came, so that the peer hears of them all (RFC 2018, 4).
  private func setBlocks(_ options: inout TCPOptions) {
    let limit = TCPOptions.sackBlockLimit(withTimestamp: timestamps != nil)
    let newer = min(max(0, duplicatesOwed - 1), receiveBuffer.islands.count - 1)
    for island in receiveBuffer.islands.dropFirst(newer).prefix(limit) {
      options.sackBlocks.append(start: island.start.wire, end: island.end.wire)
    }
  }

  /// How large segments may be on a path (RFC 9293, 3.7.1): all options count.
  private func sizes(_ path: TCPPath, headerByteCount: Int, room: Int) -> SegmentSizes {
    let internetHeader = TCPPath.internetHeaderByteCount(to: remote.address)
    var limit = min(peerSegmentByteCount, path.mtu - internetHeader - TCPHeader.minimumByteCount)
    if let blackHoleSegmentByteCount { limit = min(limit, blackHoleSegmentByteCount) }
    let plain = max(1, limit - (timestamps == nil ? 0 : TCPOptions.timestampByteCount))
    if plain != segmentByteCount, state.isSynchronized {
      segmentByteCount = plain
      congestion.setSegment(plain, isInitial: sendNext == initialSend + 1)
    }
    let segment = max(1, min(limit - (headerByteCount - TCPHeader.minimumByteCount), room - headerByteCount))
    guard path.segments, path.completesChecksum else { return SegmentSizes(segment: segment, most: segment) }
    let largest = min(Int(UInt16.max) - internetHeader, room) - headerByteCount
    return SegmentSizes(segment: segment, most: max(segment, largest / segment * segment))
  }

  /// What is to be remembered of a segment that goes out.
  private func note(_ choice: SegmentChoice, at now: NetworkInstant) {
    if choice.flags.contains(.ack) {
      // What else an acknowledgement is due for, a wider window perhaps, a duplicate does not say.
      if choice.isDuplicate { duplicatesOwed -= 1 } else { pending.remove(.acknowledgement) }
      delayedAcknowledgementDeadline = nil
      unacknowledgedReceived = 0
      lastAcknowledgementSent = receiveNext
    }
    lastSent = now
    let isSyn = choice.flags.contains(.syn)
    if isSyn { pending.remove(.syn) }
    let end = choice.data.end + (isSyn || choice.flags.contains(.fin) ? 1 : 0)
    pending.remove(.probe)
    guard end > choice.data.start else { return }
    pending.remove(.smallSegment)
    if choice.isRepetition {
      context.statistics.segmentsRetransmitted += 1
      timedSegment = nil
      if !isSyn { scoreboard.retransmitted(to: end) }
    } else {
      if timedSegment == nil { timedSegment = (end, now) }
      context.statistics.bytesSent += UInt64(choice.data.byteCount)
    }
    sendNext = max(sendNext, end)
    if retransmissionDeadline == nil || isPersisting {
      isPersisting = false
      retransmissionDeadline = now + roundTrip.retransmissionTimeout
    }
    reschedule()
  }
}
