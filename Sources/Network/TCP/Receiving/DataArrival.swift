// What a segment carries (RFC 9293, 3.10.7.4, "seventh, process the segment text" and "eighth, check the FIN bit").
extension TCPSocket {
  /// An acknowledgement waits this long for something to ride on: less than the half second that RFC 9293 (3.8.6.3) allows,
  /// and what peers expect.
  private static let delayedAcknowledgementMilliseconds = 40
  /// The most duplicate acknowledgements that are owed at a time: a window of 64 KiB in segments of 1 KiB. Stops: tiny segments
  /// out of order, each of which would have a larger one for an answer.
  private static let duplicateLimit = 64

  /// - Parameter isLast: FIN follows the data.
  func takeData(_ bytes: RawSpan, at sequence: SequenceNumber, isLast: Bool, _ now: NetworkInstant) {
    switch state {
    case .established, .finWait1, .finWait2: break
    default:
      // Nothing comes after the peer's FIN but what was there before.
      pending.insert(.acknowledgement)
      becomeReady()
      return
    }
    let end = sequence + bytes.byteCount
    if isReleased, end > receiveNext {
      // Nobody will read it (RFC 9293, 3.10.4; RFC 1122, 4.2.2.13).
      abort(because: .aborted)
      return
    }
    // A segment that begins in the window, or at its end, is taken whole as far as the buffer goes: a peer that reckons with an
    // older window goes beyond the end of the present one (passt 2023-03), and would send what was cut off only after a timeout.
    // Else what is beyond the window is cut off (RFC 9293, 3.10.7.4). What is beyond the end of the stream is not believed.
    let windowEnd = sequence <= advertisedEnd ? max(advertisedEnd, min(end, bufferEnd)) : advertisedEnd
    let limit = min(windowEnd, peerEnd ?? windowEnd)
    let isWhole = end <= max(limit, receiveNext)
    let room = max(0, limit - sequence)
    let payload = bytes.extracting(first: min(bytes.byteCount, room))
    if isLast, isWhole, peerEnd == nil, end >= receiveNext, receiveBuffer.islands.allSatisfy({ $0.end <= end }) {
      peerEnd = end
    }
    let before = receiveBuffer.end
    let isOutOfOrder = sequence > receiveNext
    let hadGap = !receiveBuffer.islands.isEmpty
    if payload.byteCount > 0 { store(payload, at: sequence) }
    // The peer takes it for sent, so its next segment begins behind it.
    advertisedEnd = max(advertisedEnd, sequence + payload.byteCount)
    let news = receiveBuffer.end - before
    if news > 0 {
      context.statistics.bytesReceived += UInt64(news)
      let segment = min(bytes.byteCount, Int(UInt16.max))
      if segment <= peerSegmentByteCount { peerFullSegment = max(peerFullSegment, segment) }
      if duplicatesOwed > 0 {
        // The gap that they would tell of is not there any more.
        duplicatesOwed = 0
        pending.insert(.acknowledgement)
        becomeReady()
      }
    }
    if let peerEnd, peerEnd == receiveBuffer.end, !isPeerFinished {
      takeFin(at: now)
      return
    }
    // At once in any case (RFC 5681, 4.2).
    if isOutOfOrder {
      duplicatesOwed = min(duplicatesOwed + 1, Self.duplicateLimit)
      becomeReady()
    } else if hadGap || news < bytes.byteCount {
      // A gap is filled, at least in part, or it is nothing new. Several in one turn have one: it says what each would have.
      pending.insert(.acknowledgement)
      becomeReady()
    } else {
      acknowledgeLater(news, at: now)
    }
    if news > 0 { notify() }
  }

  private func store(_ bytes: RawSpan, at sequence: SequenceNumber) {
    if sequence <= receiveBuffer.end {
      passToReader(bytes, at: sequence)
      if !receiveBuffer.append(bytes, at: sequence, pool: context.pool) { context.statistics.segmentsRefused += 1 }
      return
    }
    context.statistics.segmentsOutOfOrder += 1
    if !receiveBuffer.insert(bytes, at: sequence, gapLimit: context.limits.gapCount, pool: context.pool) {
      context.statistics.segmentsRefused += 1
    }
  }

  /// Gives what is new of bytes in order to the reader that waits for it, if one does and nothing is before it.
  private func passToReader(_ bytes: RawSpan, at sequence: SequenceNumber) {
    let known = receiveBuffer.end - sequence
    guard let reader, known < bytes.byteCount, receiveBuffer.isEmpty else { return }
    let count = reader.take(bytes.extracting(known...))
    receiveBuffer.pass(count)
    growWindow(afterReading: count)
  }

  /// Every second full segment at once, others a little later (RFC 9293, 3.8.6.3; RFC 5681, 4.2). Segments that were merged
  /// below count as what they were. A reader may have taken so much that the window can move: a peer whose segments are as
  /// large as the window cannot send a second one before it hears of that.
  private func acknowledgeLater(_ count: Int, at now: NetworkInstant) {
    unacknowledgedReceived += count
    if unacknowledgedReceived >= 2 * peerFullSegment || isWindowUpdateDue {
      pending.insert(.acknowledgement)
      becomeReady()
    } else if delayedAcknowledgementDeadline == nil {
      delayedAcknowledgementDeadline = now.advanced(byMilliseconds: Self.delayedAcknowledgementMilliseconds)
    }
  }

  private func takeFin(at now: NetworkInstant) {
    isPeerFinished = true
    duplicatesOwed = 0
    pending.insert(.acknowledgement)
    becomeReady()
    switch state {
    case .established: state = .closeWait
    case .finWait1: state = .closing
    case .finWait2: enterTimeWait(at: now)
    default: break
    }
    notify()
  }
}
