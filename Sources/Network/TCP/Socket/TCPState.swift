/// The state of a connection (RFC 9293, 3.3.2). LISTEN is a `TCPListenSocket`.
public enum TCPState: Sendable {
  case synSent
  case synReceived
  case established
  case finWait1
  case finWait2
  case closeWait
  case closing
  case lastAck
  case timeWait
  case closed

  /// Whether both ends have agreed on the sequence numbers: the "synchronized states" of RFC 9293.
  var isSynchronized: Bool {
    switch self {
    case .synSent, .synReceived, .closed: false
    default: true
    }
  }
}
