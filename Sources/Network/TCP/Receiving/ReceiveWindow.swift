// How much the peer may send.
extension TCPSocket {
  /// The window doubles each time that the application has read a whole one. Who reads fast gets a large one soon, and who
  /// does not read never has more than the first one waiting.
  func growWindow(afterReading count: Int) {
    guard windowLimit < context.limits.receiveByteCount, !context.pool.isScarce else { return }
    readSinceGrowth += count
    guard readSinceGrowth >= windowLimit else { return }
    readSinceGrowth = 0
    windowLimit = min(windowLimit * 2, context.limits.receiveByteCount)
  }

  /// Where the window could end now. It may be before `advertisedEnd`.
  private var possibleEnd: SequenceNumber {
    let limit = context.pool.isScarce ? min(windowLimit, context.limits.initialWindowByteCount) : windowLimit
    return receiveNext + max(0, limit - receiveBuffer.byteCount)
  }

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

  /// The window for a segment that is sent now, as in the header.
  func windowField(at now: NetworkInstant) -> UInt16 {
    let end = possibleEnd
    let granularity = 1 << Int(receiveScale)
    if canMove(to: end) {
      let window = min((end - receiveNext) >> Int(receiveScale), Int(UInt16.max))
      // Rounding must not take back what was announced (RFC 7323, 2.4).
      if receiveNext + window << Int(receiveScale) > advertisedEnd {
        advertisedEnd = receiveNext + window << Int(receiveScale)
        return UInt16(window)
      }
    }
    let left = max(0, advertisedEnd - receiveNext)
    return UInt16(clamping: (left + granularity - 1) >> Int(receiveScale))
  }
}
