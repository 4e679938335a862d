/// One end of a connection.
public final class TCPSocket {
  public let local: SocketAddress
  public let remote: SocketAddress
  public internal(set) var state: TCPState
  /// Why the connection ended; nil: it has not, or both ends closed it.
  public internal(set) var error: TCPError?

  /// Told of every change: bytes to read, room to write, connected, ended. Not kept alive: who sets it must be there until it
  /// is set to nil (Embedded Swift has no weak references).
  public unowned(unsafe) var observer: (any NetworkObserver)?

  /// Has memory for bytes that come: they go there instead of being kept. Not kept alive, as the observer.
  public unowned(unsafe) var reader: (any TCPReader)?

  /// Whether small writes wait for the acknowledgement of what was sent before (RFC 9293, 3.7.4). Off: output is pulled when
  /// an application has had its turn, so what it writes in one turn is together anyway, and against a peer that delays
  /// acknowledgements Nagle's algorithm costs 40 ms for each answer in two parts.
  public var isNagleEnabled = false {
    didSet { if !isNagleEnabled { becomeReady() } }
  }

  /// nil: no probes of an idle connection, the default (RFC 9293, 3.8.4).
  public var keepAlive: TCPKeepAlive? {
    didSet {
      keepAliveProbeCount = 0
      reschedule()
    }
  }

  /// How long what was written may stay unacknowledged before the connection ends with `.timedOut` (RFC 9293, 3.9.1.8): 1 ms to
  /// 2^31 - 1 ms, about 24 days, in whole milliseconds; what is out of range counts as the nearest that is not. nil: as long as
  /// retransmissions last, which is more than 100 s.
  public var userTimeout: Duration? {
    get { userTimeoutMilliseconds.map { .milliseconds($0) } }
    set { userTimeoutMilliseconds = newValue.map { $0.milliseconds(in: 1...Int(Int32.max)) } }
  }
  var userTimeoutMilliseconds: Int? {
    didSet { reschedule() }
  }

  let context: TCPContext
  /// By which `TCP` and the context know this socket.
  let number: Int

  // MARK: What the handshake agreed on

  /// The peer's MSS option.
  var peerSegmentByteCount: Int
  var sendScale: UInt8 = 0
  var receiveScale: UInt8 = 0
  var permitsSACK = false
  /// nil: not agreed on.
  var timestamps: TCPTimestampState?

  // MARK: Sending

  /// ISS: this end's SYN.
  let initialSend: SequenceNumber
  var sendBuffer: SendBuffer
  /// SND.UNA.
  var unacknowledged: SequenceNumber
  /// SND.NXT: behind the last that was ever sent.
  var sendNext: SequenceNumber
  /// SND.WND.
  var sendWindow = 0
  /// The largest there was (RFC 9293, 3.8.6.2.1; RFC 5961, 5.2).
  var largestSendWindow = 0
  /// SND.WL1 and SND.WL2.
  var windowSequence = SequenceNumber(first: 0)
  var windowAcknowledgement = SequenceNumber(first: 0)
  var isWritingFinished = false
  /// The last `write` did not take everything.
  var wantsToWrite = false
  /// Whether it is among `TCPContext.starved`.
  var isStarved = false

  /// SMSS: the data of a full segment, without that of SACK options.
  var segmentByteCount: Int
  /// Found by repeated timeouts: larger segments do not arrive.
  var blackHoleSegmentByteCount: Int?
  var scoreboard: SACKScoreboard
  var congestion: CongestionControl
  var roundTrip = RoundTripTime()
  /// Losses up to here are being repaired.
  var recoveryEnd: SequenceNumber?
  /// The repair began with a timeout: it is a slow start.
  var isTimeoutRecovery = false
  /// The end of a segment whose round trip is being measured, and when it was sent.
  var timedSegment: (end: SequenceNumber, sent: NetworkInstant)?

  // MARK: Receiving

  /// IRS: the peer's SYN.
  var initialReceive = SequenceNumber(first: 0)
  var receiveBuffer = ReceiveBuffer(start: SequenceNumber(first: 0))
  /// Where the peer's FIN is, if it was seen.
  var peerEnd: SequenceNumber?
  /// The FIN is in order: it counts in `receiveNext`.
  var isPeerFinished = false
  /// The right edge of the window, as the peer knows it.
  var advertisedEnd = SequenceNumber(first: 0)
  /// The window in the latest segment, as in the header; nil: there was none but the handshake's, which is not scaled.
  var windowSent: UInt16?
  /// How much the window may have now; grows.
  var windowLimit: Int
  /// Read since `windowLimit` grew.
  var readSinceGrowth = 0
  /// The largest segment that came, up to the MSS (RFC 9293, 3.8.6.3: for "every second full-sized segment").
  var peerFullSegment = 536
  /// Bytes that came and were not acknowledged.
  var unacknowledgedReceived = 0
  /// Last.ACK.sent (RFC 7323, 4.3).
  var lastAcknowledgementSent = SequenceNumber(first: 0)
  /// The application is not there any more: what comes is refused.
  var isReleased = false

  // MARK: What is to be sent, and when

  var pending: PendingOutput = []
  /// Segments that came out of order and were not answered yet: a duplicate acknowledgement for each (RFC 5681, 4.2).
  var duplicatesOwed = 0
  var isReady = false
  /// Of the retransmission timer, or of the persist timer when nothing is in flight.
  var retransmissionDeadline: NetworkInstant?
  var isPersisting = false
  /// Timeouts in a row, or probes without an answer.
  var retransmissionCount = 0
  var delayedAcknowledgementDeadline: NetworkInstant?
  /// When a loss is assumed although there were too few duplicate acknowledgements for it.
  var earlyRetransmissionDeadline: NetworkInstant?
  /// Since when what was written waits for an acknowledgement.
  var stalledSince: NetworkInstant
  var lastReceived: NetworkInstant
  var lastSent: NetworkInstant
  var keepAliveProbeCount = 0
  /// When the latest of them was sent.
  var keepAliveProbed: NetworkInstant
  /// Challenge ACKs in the second that began at `challengeStart`.
  var challengeCount = 0
  var challengeStart: NetworkInstant
  /// An ICMP message said that the peer cannot be reached (RFC 5927, 5.2: only a hint).
  var wasUnreachable = false

  init(
    local: SocketAddress, remote: SocketAddress, state: TCPState, number: Int, sequence: UInt32, context: TCPContext,
    at now: NetworkInstant
  ) {
    self.local = local
    self.remote = remote
    self.state = state
    self.number = number
    self.context = context
    let first = SequenceNumber(first: sequence)
    initialSend = first
    unacknowledged = first
    sendNext = first
    sendBuffer = SendBuffer(start: first + 1)
    scoreboard = SACKScoreboard(start: first)
    peerSegmentByteCount = local.address.isIPv4 ? 536 : 1220
    segmentByteCount = peerSegmentByteCount
    congestion = CongestionControl(segmentByteCount: peerSegmentByteCount)
    windowLimit = min(context.limits.initialWindowByteCount, context.limits.receiveByteCount)
    stalledSince = now
    lastReceived = now
    lastSent = now
    keepAliveProbed = now
    challengeStart = now
  }

  deinit {
    sendBuffer.releaseAll(pool: context.pool)
    receiveBuffer.releaseAll(pool: context.pool)
  }

  var key: ConnectionKey { ConnectionKey(local: local, remote: remote) }

  /// RCV.NXT.
  var receiveNext: SequenceNumber { isPeerFinished ? receiveBuffer.end + 1 : receiveBuffer.end }

  /// What was written and not sent.
  var unsentByteCount: Int { max(0, sendBuffer.end - sendNext) }

  /// FIN is to be sent for the first time.
  var hasUnsentFin: Bool { isWritingFinished && sendNext <= sendBuffer.end }

  /// Something is to be said about what there is, so a place in the queue of those who send.
  func becomeReady() {
    guard !isReady, state != .closed, state != .timeWait else { return }
    isReady = true
    context.ready.append(number)
  }

  /// Something that an application sees has changed.
  func notify() {
    observer?.networkDidChange()
  }
}

/// What is to be sent besides data.
struct PendingOutput: OptionSet {
  var rawValue: UInt8

  /// SYN, or SYN+ACK.
  static let syn = PendingOutput(rawValue: 1)
  /// An acknowledgement now, alone if there is nothing else.
  static let acknowledgement = PendingOutput(rawValue: 2)
  /// Something that the peer must answer although it takes nothing: a probe of its window or of its existence.
  static let probe = PendingOutput(rawValue: 4)
  /// Data although it is less than a segment: the window has been small for long.
  static let smallSegment = PendingOutput(rawValue: 8)
}

/// Timestamps of a connection that has agreed on them (RFC 7323).
struct TCPTimestampState {
  /// Added to the clock.
  var offset: UInt32
  /// TS.Recent.
  var recent: UInt32
  var recentTime: NetworkInstant
}
