// The handshake, as a socket sees it (RFC 9293, 3.10.7.3).
extension TCPSocket {
  /// A segment arrives in SYN-SENT.
  func receiveWhileSynSent(_ header: TCPHeader, _ payload: RawSpan, at now: NetworkInstant) {
    let acknowledgement = SequenceNumber(header.acknowledgement, near: unacknowledged)
    if header.flags.contains(.ack), acknowledgement <= unacknowledged || acknowledgement > sendNext {
      guard !header.flags.contains(.rst) else { return }
      context.reply(
        TCPReply(
          refusing: header, payloadByteCount: payload.byteCount, local: local, remote: remote))
      return
    }
    if header.flags.contains(.rst) {
      // RFC 5961, 3.2: in this state the acknowledgement is what a stranger would have to guess.
      guard header.flags.contains(.ack) else { return }
      end(.refused)
      notify()
      return
    }
    // Both ends may begin at once, but not with SYN+FIN: what a listener drops is dropped here.
    guard header.flags.contains(.syn), header.flags.contains(.ack) || !header.flags.contains(.fin) else { return }
    agree(
      on: HandshakeTerms(header, isIPv4: local.address.isIPv4), peerSequence: header.sequence,
      timestampOffset: context.timestampOffset(for: key), at: now)
    // The window of a SYN is never scaled (RFC 7323, 2.2).
    setSendWindow(Int(header.window), sequence: initialReceive, acknowledgement: acknowledgement)
    lastReceived = now
    guard header.flags.contains(.ack) else {
      // Both ends have begun: SYN+ACK (RFC 9293, 3.5, figure 7).
      state = .synReceived
      pending.insert(.syn)
      becomeReady()
      return
    }
    establish(acknowledgement, echo: header.options.timestamp?.echo, at: now)
    pending.insert(.acknowledgement)
    becomeReady()
    if payload.byteCount > 0 || header.flags.contains(.fin) {
      takeData(payload, at: initialReceive + 1, isLast: header.flags.contains(.fin), now)
    }
    notify()
  }

  /// The peer's SYN has told what it can do; this end has offered everything.
  func agree(on terms: HandshakeTerms, peerSequence: UInt32, timestampOffset: UInt32, at now: NetworkInstant) {
    initialReceive = SequenceNumber(first: peerSequence)
    receiveBuffer = ReceiveBuffer(start: initialReceive + 1)
    lastAcknowledgementSent = initialReceive + 1
    advertisedEnd = initialReceive + 1 + Int(context.initialWindow)
    peerSegmentByteCount = terms.peerSegmentByteCount
    if let peerWindowScale = terms.peerWindowScale {
      sendScale = peerWindowScale
      receiveScale = context.windowScale
    } else {
      windowLimit = min(windowLimit, Int(UInt16.max))
    }
    permitsSACK = terms.permitsSACK
    timestamps = terms.peerTimestamp.map {
      TCPTimestampState(offset: timestampOffset, recent: $0, recentTime: now)
    }
    segmentByteCount = peerSegmentByteCount - (timestamps == nil ? 0 : TCPOptions.timestampByteCount)
    congestion.setSegment(segmentByteCount, isInitial: true)
  }

  /// The peer has acknowledged the SYN.
  func establish(_ acknowledgement: SequenceNumber, echo: UInt32?, at now: NetworkInstant) {
    measureRoundTrip(acknowledgement, echo: echo, at: now)
    if retransmissionCount > 0 {
      // RFC 6298, 5.7, and RFC 5681, 3.1.
      roundTrip.distrustHandshake()
      congestion.restartAfterLostHandshake()
    }
    unacknowledged = acknowledgement
    scoreboard.acknowledge(to: acknowledgement)
    state = .established
    stalledSince = now
    pending.remove(.syn)
    retransmissionCount = 0
    roundTrip.resetBackoff()
    retransmissionDeadline = nil
    if isWritingFinished { enterClosingState() }
    becomeReady()
  }
}
