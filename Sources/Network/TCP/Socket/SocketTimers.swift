extension NetworkInstant {
  /// A moment that many nanoseconds later.
  static func + (instant: NetworkInstant, nanoseconds: UInt64) -> NetworkInstant {
    NetworkInstant(nanoseconds: instant.nanoseconds + nanoseconds)
  }

  /// The earlier of two moments that may not be there.
  static func earliest(_ a: NetworkInstant?, _ b: NetworkInstant?) -> NetworkInstant? {
    guard let a else { return b }
    guard let b else { return a }
    return min(a, b)
  }
}

// A socket's timers. One entry in the heap stands for all of them.
extension TCPSocket {
  /// RFC 9293, 3.8.3: R2 for data is 100 s at least. From 200 ms, doubled up to 60 s, ten take 160 s.
  private static let retransmissionLimit = 10
  /// R2 for SYN is three minutes at least: from 1 s, doubled up to 60 s.
  private static let synLimit = 7
  /// How long a connection that its application has closed may make no progress. Stops: peers that never acknowledge, or never
  /// close their end, from keeping what nobody uses any more.
  private static let lingerMilliseconds = 60_000
  /// After so many timeouts in a row, large segments are suspected (RFC 4821, 7.7; RFC 2923, 2.1).
  private static let blackHoleTimeouts = 3
  /// What fits in 1280 bytes, IPv6's smallest MTU, and then in 576, which all of IPv4 should take (RFC 1191, 5).
  private static let blackHoleSegmentByteCounts = [1220, 536]

  /// Sees to it that the socket is looked at when its earliest timer expires.
  func reschedule() {
    guard state != .closed, state != .timeWait else { return }
    let earliest = NetworkInstant.earliest(
      .earliest(
        .earliest(retransmissionDeadline, earlyRetransmissionDeadline), delayedAcknowledgementDeadline),
      .earliest(patienceDeadline, keepAliveDeadline))
    if let earliest { context.timers.schedule(number, noLaterThan: earliest) }
  }

  /// When the peer has not acknowledged for too long.
  private var patienceDeadline: NetworkInstant? {
    let isWaiting = !isEverythingAcknowledged || (isReleased && state == .finWait2)
    guard isWaiting else { return nil }
    var milliseconds = userTimeoutMilliseconds
    if isReleased { milliseconds = min(milliseconds ?? Self.lingerMilliseconds, Self.lingerMilliseconds) }
    return milliseconds.map { stalledSince.advanced(byMilliseconds: $0) }
  }

  private var keepAliveDeadline: NetworkInstant? {
    guard let keepAlive, state.isSynchronized, isEverythingAcknowledged || isPersisting else { return nil }
    guard keepAliveProbeCount > 0 else { return lastReceived.advanced(byMilliseconds: keepAlive.timeMilliseconds) }
    return keepAliveProbed.advanced(byMilliseconds: keepAlive.intervalMilliseconds)
  }

  /// The heap's entry has expired: perhaps a timer has, too.
  func advance(to now: NetworkInstant) {
    guard state != .closed, state != .timeWait else { return }
    if let deadline = patienceDeadline, deadline <= now {
      giveUp()
      return
    }
    if let deadline = delayedAcknowledgementDeadline, deadline <= now {
      delayedAcknowledgementDeadline = nil
      pending.insert(.acknowledgement)
      becomeReady()
    }
    if let deadline = earlyRetransmissionDeadline, deadline <= now { retransmitEarly() }
    if let deadline = retransmissionDeadline, deadline <= now {
      if isPersisting { persist(at: now) } else { retransmit(at: now) }
    }
    if state != .closed, let deadline = keepAliveDeadline, deadline <= now, let keepAlive {
      guard keepAliveProbeCount < keepAlive.probeCount else {
        giveUp()
        return
      }
      keepAliveProbeCount += 1
      keepAliveProbed = now
      context.statistics.keepAliveProbes += 1
      pending.insert(.probe)
      becomeReady()
    }
    reschedule()
  }

  private func giveUp() {
    // An application that closed in peace and a peer that never does: nobody is told (FIN-WAIT-2).
    if isReleased, state == .finWait2 {
      end(nil)
    } else if state == .synSent {
      end(wasUnreachable ? .unreachable : .timedOut)
    } else {
      abort(because: wasUnreachable ? .unreachable : .timedOut)
    }
    notify()
  }

  /// The retransmission timer expired (RFC 6298, 5.4 to 5.7).
  private func retransmit(at now: NetworkInstant) {
    context.statistics.retransmissionTimeouts += 1
    retransmissionCount += 1
    let isHandshake = state == .synSent || state == .synReceived
    guard retransmissionCount <= (isHandshake ? Self.synLimit : Self.retransmissionLimit) else { return giveUp() }
    timedSegment = nil
    if isHandshake {
      pending.insert(.syn)
    } else {
      if roundTrip.backoff == 0 {
        congestion.timedOut(
          flight: scoreboard.pipe(from: unacknowledged, to: sendNext, segmentByteCount: segmentByteCount))
      } else {
        congestion.timedOutAgain()
      }
      // The second time, what the peer said that it had is doubted (RFC 2018, 8).
      scoreboard.loseAll(from: unacknowledged, to: sendNext, forgettingRanges: roundTrip.backoff > 0)
      recoveryEnd = sendNext
      isTimeoutRecovery = true
      suspectBlackHole()
    }
    roundTrip.backOff()
    retransmissionDeadline = now + roundTrip.retransmissionTimeout
    becomeReady()
  }

  private func suspectBlackHole() {
    let step = retransmissionCount - Self.blackHoleTimeouts
    guard step >= 0, step < Self.blackHoleSegmentByteCounts.count else { return }
    let smaller = Self.blackHoleSegmentByteCounts[step]
    if smaller < segmentByteCount { blackHoleSegmentByteCount = smaller }
  }

  /// The window has been closed, or too small, for as long as the persist timer waits (RFC 9293, 3.8.6.1).
  private func persist(at now: NetworkInstant) {
    retransmissionCount += 1
    guard retransmissionCount <= Self.retransmissionLimit else { return giveUp() }
    context.statistics.windowProbes += 1
    pending.insert(sendWindow > 0 ? .smallSegment : .probe)
    roundTrip.backOff()
    retransmissionDeadline = now + roundTrip.retransmissionTimeout
    becomeReady()
  }
}
