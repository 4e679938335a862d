// How connections end.
extension TCPSocket {
  /// Ends the connection without a word to the peer.
  func end(_ reason: TCPError?) {
    guard state != .closed, state != .timeWait else { return }
    if state == .synSent || state == .synReceived {
      context.statistics.failedOpens += 1
    } else if reason != nil {
      context.statistics.resetConnections += 1
    }
    state = .closed
    error = reason
    if reason != nil { receiveBuffer.releaseAll(pool: context.pool) }
    context.table.remove(key)
    leave()
  }

  /// Ends the connection, and tells the peer.
  func abort(because reason: TCPError) {
    switch state {
    case .closed, .timeWait:
      receiveBuffer.releaseAll(pool: context.pool)
      return
    case .synSent: break
    default:
      context.reply(
        TCPReply(
          local: local, remote: remote, sequence: sendNext.wire, acknowledgement: receiveNext.wire,
          flags: [.rst, .ack],
          timestamp: timestampOption(at: lastReceived)))
    }
    end(reason)
  }

  /// Both ends have closed, and this one first: a record stays behind (RFC 9293, 3.6.1).
  func enterTimeWait(at now: NetworkInstant) {
    guard state != .closed, state != .timeWait else { return }
    state = .timeWait
    let window = windowField()
    context.enterTimeWait(
      TimeWaitRecord(
        local: local, remote: remote, sendNext: sendNext.wire, receiveNext: receiveNext.wire, window: window,
        timestamps: timestamps.map { ($0.offset, $0.recent) }),
      at: now)
    if pending.contains(.acknowledgement) {
      context.reply(
        TCPReply(
          local: local, remote: remote, sequence: sendNext.wire, acknowledgement: receiveNext.wire, flags: .ack,
          window: window, timestamp: timestampOption(at: now)))
    }
    leave()
  }

  private func leave() {
    sendBuffer.releaseAll(pool: context.pool)
    if isReleased { receiveBuffer.releaseAll(pool: context.pool) }
    pending = []
    duplicatesOwed = 0
    retransmissionDeadline = nil
    delayedAcknowledgementDeadline = nil
    context.timers.cancel(number)
    context.ended.append(number)
  }

  /// The option for a segment that is sent now; nil: not agreed on.
  func timestampOption(at now: NetworkInstant) -> TCPTimestamp? {
    guard let timestamps else { return nil }
    return TCPTimestamp(
      value: TCPContext.timestampClock(at: now, offset: timestamps.offset), echo: timestamps.recent)
  }
}
