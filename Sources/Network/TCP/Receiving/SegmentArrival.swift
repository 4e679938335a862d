// A segment arrives at a connection (RFC 9293, 3.10.7.4, in the order given there).
extension TCPSocket {
  /// How many challenge ACKs a connection sends in a second (RFC 5961, 7). A bound for each connection, not one for all: from
  /// that, an attacker could learn whether its guesses about somebody else's connection are right (CVE-2016-5696).
  private static let challengeLimit = 5
  /// After this, a peer's timestamp clock may have wrapped around (RFC 7323, 5.5): 24 days.
  private static let timestampLifetimeMilliseconds = 24 * 24 * 3600 * 1000

  func receive(_ header: TCPHeader, _ payload: RawSpan, at now: NetworkInstant) {
    if state == .synSent {
      receiveWhileSynSent(header, payload, at: now)
    } else {
      receiveSynchronized(header, payload, at: now)
    }
    guard state != .closed, state != .timeWait else { return }
    reschedule()
  }

  func receiveSynchronized(_ header: TCPHeader, _ payload: RawSpan, at now: NetworkInstant) {
    var flags = header.flags
    var sequence = SequenceNumber(header.sequence, near: receiveNext)
    // Both ends began, and this is the peer's answer: its SYN is known (RFC 9293, 3.5, figure 7).
    let isAnswer = state == .synReceived && flags.contains([.syn, .ack]) && sequence == initialReceive
    if isAnswer {
      flags.remove(.syn)
      sequence += 1
    }
    guard hasGoodTimestamp(header, flags, payload, at: now),
      isAcceptable(sequence, flags, payload, at: now)
    else { return }
    if isAnswer {
      pending.insert(.acknowledgement)
      becomeReady()
    }
    if flags.contains(.rst) {
      // RFC 5961, 3.2: only at the very place.
      if sequence == receiveNext {
        end(state == .synReceived ? .refused : .reset)
        notify()
      } else {
        challenge(at: now)
      }
      return
    }
    // RFC 5961, 4.2.
    guard !flags.contains(.syn) else { return challenge(at: now) }
    guard flags.contains(.ack) else { return }
    lastReceived = now
    keepAliveProbeCount = 0
    // RFC 7323, 4.3.
    if let timestamp = header.options.timestamp, timestamps != nil, sequence <= lastAcknowledgementSent {
      timestamps?.recent = timestamp.value
      timestamps?.recentTime = now
    }
    guard takeAcknowledgement(header, sequence, isEmpty: payload.byteCount == 0 && !flags.contains(.fin), at: now)
    else { return }
    if payload.byteCount > 0 || flags.contains(.fin) {
      takeData(payload, at: sequence, isLast: flags.contains(.fin), now)
    }
  }

  /// RFC 7323, 5.3: PAWS.
  private func hasGoodTimestamp(
    _ header: TCPHeader, _ flags: TCPFlags, _ payload: RawSpan, at now: NetworkInstant
  ) -> Bool {
    guard let timestamps, !flags.contains(.rst) else { return true }
    // RFC 7323, 3.2: a segment without the option is dropped.
    guard let timestamp = header.options.timestamp else { return false }
    guard Int32(bitPattern: timestamp.value &- timestamps.recent) < 0,
      now.milliseconds(since: timestamps.recentTime) < Self.timestampLifetimeMilliseconds
    else { return true }
    context.statistics.oldTimestamps += 1
    answerUnacceptable(isEmpty: payload.byteCount == 0, at: now)
    return false
  }

  /// RFC 9293, 3.4, table 6. A segment at the right place is let through although the window is closed, for what it
  /// acknowledges; so is an empty one at the window's end, which a peer sends that has filled it.
  private func isAcceptable(
    _ sequence: SequenceNumber, _ flags: TCPFlags, _ payload: RawSpan, at now: NetworkInstant
  ) -> Bool {
    let length = payload.byteCount + (flags.contains(.syn) ? 1 : 0) + (flags.contains(.fin) ? 1 : 0)
    let isAcceptable =
      sequence == receiveNext
      || (length == 0
        ? sequence > receiveNext && sequence <= advertisedEnd
        : sequence <= advertisedEnd && sequence + length > receiveNext)
    if !isAcceptable, !flags.contains(.rst) { answerUnacceptable(isEmpty: payload.byteCount == 0, at: now) }
    return isAcceptable
  }

  /// An unacceptable segment is answered, so that both ends agree again (RFC 9293, 3.10.7.4). One that is empty might be such an
  /// answer itself: without a bound, two ends that disagree would go on for ever.
  private func answerUnacceptable(isEmpty: Bool, at now: NetworkInstant) {
    guard !isEmpty else { return challenge(at: now) }
    pending.insert(.acknowledgement)
    becomeReady()
  }

  /// Tells the peer where this end is, which only the true peer can use (RFC 5961).
  func challenge(at now: NetworkInstant) {
    if now.milliseconds(since: challengeStart) >= 1000 {
      challengeStart = now
      challengeCount = 0
    }
    guard challengeCount < Self.challengeLimit else { return }
    challengeCount += 1
    context.statistics.challengeACKs += 1
    pending.insert(.acknowledgement)
    becomeReady()
  }
}
