// What a segment acknowledges (RFC 9293, 3.10.7.4, "fifth, check the ACK field").
extension TCPSocket {
  /// - Parameter isEmpty: the segment has neither data nor FIN.
  /// - Returns: false if the rest of the segment is not to be looked at.
  func takeAcknowledgement(
    _ header: TCPHeader, _ sequence: SequenceNumber, isEmpty: Bool, at now: NetworkInstant
  ) -> Bool {
    let acknowledgement = SequenceNumber(header.acknowledgement, near: unacknowledged)
    if state == .synReceived {
      guard acknowledgement > unacknowledged, acknowledgement <= sendNext else {
        context.reply(TCPReply(refusing: header, payloadByteCount: 0, local: local, remote: remote))
        return false
      }
      setSendWindow(Int(header.window) << Int(sendScale), sequence: sequence, acknowledgement: acknowledgement)
      establish(acknowledgement, echo: header.options.timestamp?.echo, at: now)
      notify()
      return true
    }
    // RFC 5961, 5.2.
    guard acknowledgement <= sendNext, acknowledgement >= unacknowledged - largestSendWindow else {
      challenge(at: now)
      return false
    }
    let flight = sendNext - unacknowledged
    let hasNewBlocks = takeBlocks(header.options.sackBlocks, above: acknowledgement)
    let window = Int(header.window) << Int(sendScale)
    let isWindowSame = window == sendWindow
    if acknowledgement >= unacknowledged,
      sequence > windowSequence || (sequence == windowSequence && acknowledgement >= windowAcknowledgement)
    {
      setSendWindow(window, sequence: sequence, acknowledgement: acknowledgement)
    }
    // A peer whose window is closed is there as long as it answers (RFC 9293, 3.8.6.1).
    if sendWindow == 0 { retransmissionCount = 0 }
    if acknowledgement > unacknowledged {
      advance(to: acknowledgement, flight: flight, echo: header.options.timestamp?.echo, at: now)
      guard state != .closed, state != .timeWait else { return false }
    } else if acknowledgement == unacknowledged, isEmpty, isWindowSame, flight > 0, !permitsSACK {
      // RFC 5681, 2: a duplicate acknowledgement.
      scoreboard.addDuplicate()
      waitForDuplicates(at: now)
    }
    if hasNewBlocks || scoreboard.duplicateCount > 0 { findLosses(flight: flight) }
    if flight > 0 || !isEverythingAcknowledged { becomeReady() }
    return true
  }

  private var inFlight: SequenceRange { SequenceRange(start: unacknowledged, end: sendNext) }

  /// SND.WND, with the place that says how new it is.
  func setSendWindow(_ window: Int, sequence: SequenceNumber, acknowledgement: SequenceNumber) {
    sendWindow = window
    largestSendWindow = max(largestSendWindow, window)
    windowSequence = sequence
    windowAcknowledgement = acknowledgement
    if isPersisting, window > 0 {
      isPersisting = false
      retransmissionDeadline = nil
      retransmissionCount = 0
      roundTrip.resetBackoff()
    }
  }

  /// Something new was acknowledged.
  private func advance(to acknowledgement: SequenceNumber, flight: Int, echo: UInt32?, at now: NetworkInstant) {
    let count = acknowledgement - unacknowledged
    measureRoundTrip(acknowledgement, echo: echo, at: now)
    unacknowledged = acknowledgement
    sendBuffer.release(to: acknowledgement, pool: context.pool)
    scoreboard.acknowledge(to: acknowledgement)
    earlyRetransmissionDeadline = nil
    roundTrip.resetBackoff()
    retransmissionCount = 0
    stalledSince = now
    if let recoveryEnd, acknowledgement >= recoveryEnd {
      self.recoveryEnd = nil
      isTimeoutRecovery = false
    } else if recoveryEnd != nil, !permitsSACK, !isTimeoutRecovery {
      // RFC 6582, 3.2, step 3: a partial acknowledgement says that the next one is lost, too.
      scoreboard.loseFirst(inFlight, segmentByteCount: segmentByteCount)
    }
    if recoveryEnd == nil || isTimeoutRecovery {
      congestion.acknowledged(count, flight: flight, roundTrip: roundTrip.smoothed ?? 0, at: now)
    }
    retransmissionDeadline = unacknowledged == sendNext ? nil : now + roundTrip.retransmissionTimeout
    if isWritingFinished, acknowledgement > sendBuffer.end { finWasAcknowledged(at: now) }
    if wantsToWrite, sendBuffer.byteCount <= context.limits.sendByteCount * 3 / 4 {
      wantsToWrite = false
      notify()
    } else if isEverythingAcknowledged {
      notify()
    }
  }

  private func finWasAcknowledged(at now: NetworkInstant) {
    switch state {
    case .finWait1: state = .finWait2
    case .closing:
      enterTimeWait(at: now)
      notify()
    case .lastAck:
      end(nil)
      notify()
    default: break
    }
  }

  /// A round trip, of a segment that was not sent again (Karn: RFC 6298, 3), or by the timestamp that comes back (RFC 7323, 4.1).
  func measureRoundTrip(_ acknowledgement: SequenceNumber, echo: UInt32?, at now: NetworkInstant) {
    if let timed = timedSegment {
      guard acknowledgement >= timed.end else { return }
      roundTrip.add(now.nanoseconds - timed.sent.nanoseconds)
      timedSegment = nil
    } else if let echo, let timestamps {
      let age = TCPContext.timestampClock(at: now, offset: timestamps.offset) &- echo
      // What was never sent is no measurement.
      guard UInt64(age) * 1_000_000 < RoundTripTime.maximumTimeout else { return }
      roundTrip.add(UInt64(age) * 1_000_000)
    }
  }

  /// - Returns: whether there is something new in them.
  private func takeBlocks(_ blocks: SACKBlocks, above acknowledgement: SequenceNumber) -> Bool {
    guard permitsSACK, blocks.count > 0 else { return false }
    var hasNews = false
    for index in 0..<blocks.count {
      let start = SequenceNumber(blocks[index].start, near: unacknowledged)
      let end = SequenceNumber(blocks[index].end, near: unacknowledged)
      // Also skips what says that something came twice (RFC 2883).
      guard start < end, start > max(acknowledgement, unacknowledged), end <= sendNext else { continue }
      if scoreboard.add(SequenceRange(start: start, end: end)) { hasNews = true }
    }
    return hasNews
  }

  /// Whether what the peer has beyond a gap says that the gap is a loss (RFC 6675, 5; RFC 6582, 3.2).
  private func findLosses(flight: Int) {
    if permitsSACK {
      scoreboard.findLost(segmentByteCount: segmentByteCount)
    } else if scoreboard.duplicateCount >= SACKScoreboard.duplicateThreshold, recoveryEnd == nil {
      scoreboard.loseFirst(inFlight, segmentByteCount: segmentByteCount)
    }
    guard recoveryEnd == nil, scoreboard.lostEnd > unacknowledged else { return }
    beginRecovery(flight: flight)
  }

  private func beginRecovery(flight: Int) {
    congestion.lost(flight: flight)
    recoveryEnd = sendNext
    isTimeoutRecovery = false
    earlyRetransmissionDeadline = nil
    context.statistics.fastRecoveries += 1
  }

  /// A peer without SACK may send fewer duplicates than it takes to know of a loss: passt (2023-03) sends two for a segment that
  /// its socket took in part, and nothing more comes when the window or the send buffer is in flight. Where SACK is spoken, a
  /// tail loss probe asks for the rest (RFC 8985, 7); here the first segment itself is sent again, after the same time.
  private func waitForDuplicates(at now: NetworkInstant) {
    guard recoveryEnd == nil, earlyRetransmissionDeadline == nil, let smoothed = roundTrip.smoothed else { return }
    earlyRetransmissionDeadline = now + max(2 * smoothed, Self.earlyRetransmissionFloor)
  }

  /// Less than any timeout, and more than a busy host's pauses between two frames: 10 ms.
  private static let earlyRetransmissionFloor: UInt64 = 10_000_000

  /// No more duplicates have come (RFC 5827, 2: fewer are enough where no more can).
  func retransmitEarly() {
    earlyRetransmissionDeadline = nil
    let flight = sendNext - unacknowledged
    guard scoreboard.duplicateCount > 0, recoveryEnd == nil, flight > 0 else { return }
    scoreboard.loseFirst(inFlight, segmentByteCount: segmentByteCount)
    beginRecovery(flight: flight)
    becomeReady()
  }
}
