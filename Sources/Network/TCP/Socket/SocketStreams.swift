// What an application does with a connection.
extension TCPSocket {
  /// How many bytes can be read at once.
  public var readableByteCount: Int { receiveBuffer.byteCount }

  /// The peer finished writing, and all that it wrote was read.
  public var isEndOfStream: Bool { isPeerFinished && receiveBuffer.byteCount == 0 }

  /// Takes bytes that the peer sent, as many as fit.
  ///
  /// - Returns: how many; 0: nothing is there now, and if `isEndOfStream` or `error` says so, never will be.
  public func read(into buffer: inout MutableRawSpan, at now: NetworkInstant) -> Int {
    let count = receiveBuffer.read(into: &buffer, pool: context.pool)
    guard count > 0 else { return 0 }
    growWindow(afterReading: count)
    if isWindowUpdateDue {
      pending.insert(.acknowledgement)
      becomeReady()
    }
    return count
  }

  /// How many bytes `write` would take now.
  public var writableByteCount: Int {
    guard canWrite else { return 0 }
    let limit = context.limits.sendByteCount
    return sendBuffer.room(for: limit, limit: limit, pool: context.pool)
  }

  /// Takes bytes to send, as many as there is room for.
  ///
  /// - Returns: how many; if not all, the observer is told when there is room.
  public func write(_ bytes: RawSpan, at now: NetworkInstant) -> Int {
    guard canWrite, bytes.byteCount > 0 else { return 0 }
    let room = sendBuffer.room(for: bytes.byteCount, limit: context.limits.sendByteCount, pool: context.pool)
    if room > 0 {
      if isEverythingAcknowledged { beginWaiting(at: now) }
      sendBuffer.append(bytes.extracting(first: room), pool: context.pool)
      if state != .synSent, state != .synReceived { becomeReady() }
    }
    if room < bytes.byteCount {
      // Room comes with acknowledgements; without any to come, when others give memory back.
      if !isStarved, sendBuffer.byteCount == 0 {
        isStarved = true
        context.starved.append(number)
      }
      wantsToWrite = true
    }
    return room
  }

  private var canWrite: Bool {
    switch state {
    case .synSent, .synReceived, .established, .closeWait: !isWritingFinished
    default: false
    }
  }

  /// All that was written, and the end of it if that was said, has arrived.
  public var isEverythingAcknowledged: Bool {
    unacknowledged == sendNext && sendBuffer.byteCount == 0 && !hasUnsentFin
  }

  /// Says that there is no more to be written: the peer reads the end of the stream after what was written. Reading goes on.
  public func finishWriting(at now: NetworkInstant) {
    guard canWrite else { return }
    if isEverythingAcknowledged { beginWaiting(at: now) }
    isWritingFinished = true
    enterClosingState()
    becomeReady()
  }

  /// FIN is to be sent: from now on the states are those of closing (RFC 9293, 3.10.4).
  func enterClosingState() {
    switch state {
    case .established: state = .finWait1
    case .closeWait: state = .lastAck
    default: break
    }
  }

  /// Ends the connection at once; the peer is told by RST (RFC 9293, 3.10.5).
  public func abort(at now: NetworkInstant) {
    abort(because: .aborted)
  }

  /// The application is done with the connection, in both directions. What was written is still delivered, in the background
  /// and within bounds. If there is something that it did not read, or more comes, the peer is told by RST that not all of
  /// it arrived (RFC 9293, 3.10.4; RFC 2525, 2.17).
  public func close(at now: NetworkInstant) {
    guard !isReleased else { return }
    isReleased = true
    observer = nil
    reader = nil
    switch state {
    case .closed, .timeWait: receiveBuffer.releaseAll(pool: context.pool)
    case .synSent: end(.aborted)
    default:
      guard receiveBuffer.byteCount == 0 else { return abort(because: .aborted) }
      finishWriting(at: now)
      // From now on there is a bound to everything.
      stalledSince = now
      reschedule()
    }
  }

  private func beginWaiting(at now: NetworkInstant) {
    stalledSince = now
    reschedule()
  }
}
