// How much the peer may send.
extension TCPSocket {
  /// The window doubles each time that the application has read a whole one. Who reads fast gets a large one soon, and who
  /// does not read never has more than the first one waiting.
  func growWindow(afterReading count: Int) {
    // Without scaling there is no more to announce.
    let most = min(context.limits.receiveByteCount, Int(UInt16.max) << Int(receiveScale))
    guard windowLimit < most, !context.pool.isScarce else { return }
    readSinceGrowth += count
    guard readSinceGrowth >= windowLimit else { return }
    readSinceGrowth = 0
    windowLimit = min(windowLimit * 2, most)
  }

  /// What one more in the header's field is worth (RFC 7323, 2.3).
  private var windowStep: Int { 1 << Int(receiveScale) }

  /// How many steps a window takes, the last one perhaps in part.
  private func steps(_ byteCount: Int) -> Int { (max(0, byteCount) + windowStep - 1) >> Int(receiveScale) }

  /// Where the window could end now, in whole steps. It may be before `advertisedEnd`.
  private var possibleEnd: SequenceNumber {
    let limit = context.pool.isScarce ? min(windowLimit, context.limits.initialWindowByteCount) : windowLimit
    return receiveNext + steps(limit - receiveBuffer.byteCount) * windowStep
  }

  /// Behind the last byte that is taken at all: a segment of the largest size beyond a full window.
  var bufferEnd: SequenceNumber { receiveBuffer.start + windowLimit + Int(UInt16.max) }

  /// Whether the window's edge is to move: never back, and not by little (RFC 9293, 3.8.6.2.2: silly window avoidance).
  private func canMove(to end: SequenceNumber) -> Bool {
    end - advertisedEnd >= min(windowLimit / 2, peerFullSegment)
  }

  /// Whether the peer should hear of the window now: when it has little left of it, or could have much more.
  var isWindowUpdateDue: Bool {
    guard state.isSynchronized, state != .timeWait, !isPeerFinished else { return false }
    let end = possibleEnd
    guard canMove(to: end) else { return false }
    let left = advertisedEnd - receiveNext
    return left < 2 * peerFullSegment || end - advertisedEnd >= windowLimit / 2
  }

  /// The window for a segment that is sent now, as in the header. `advertisedEnd` is never before where the peer puts the end
  /// of it, so all that was announced is taken (RFC 7323, 2.4).
  ///
  /// - Parameter isDuplicate: the segment is a duplicate acknowledgement, which has the same window as the acknowledgement
  ///   before it, or the peer does not count it (RFC 5681, 2, condition e).
  func windowField(isDuplicate: Bool = false) -> UInt16 {
    if isDuplicate, let windowSent, lastAcknowledgementSent == receiveNext { return windowSent }
    let possible = possibleEnd
    let window = max(0, (canMove(to: possible) ? max(possible, advertisedEnd) : advertisedEnd) - receiveNext)
    // What was announced can end within a step. Rounded up, so that the window does not shrink; but within bounds, or a peer
    // that sends less than a step at a time would never fill it.
    let largest = receiveBuffer.start + windowLimit + max(BufferPool.chunkByteCount, windowStep) - receiveNext
    let roundedUp = steps(window)
    let field = UInt16(clamping: roundedUp * windowStep <= largest ? roundedUp : window / windowStep)
    advertisedEnd = max(advertisedEnd, receiveNext + Int(field) * windowStep)
    windowSent = field
    return field
  }
}
