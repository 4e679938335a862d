/// Why there is no connection, or no more.
public enum TCPError: Error, Equatable, Sendable {
  /// The peer answered the request for a connection with RST: nobody listens there.
  case refused
  /// The peer ended the connection with RST.
  case reset
  /// The peer did not answer in time.
  case timedOut
  /// A router or the peer says that there is no way to the peer (ICMP), and it was so for good.
  case unreachable
  /// This end gave the connection up by `abort`.
  case aborted
  /// There is a connection between the two addresses, or somebody who listens on the port.
  case addressInUse
  /// All ephemeral ports towards the peer are taken.
  case noPorts
  /// There are as many connections as `TCPLimits` allows.
  case tooManyConnections
  /// The two addresses are of two families, or not such as a connection can have.
  case badAddress
}

extension TCPError: CustomStringConvertible {
  /// A few words.
  public var description: String {
    switch self {
    case .refused: "connection refused"
    case .reset: "connection reset by the peer"
    case .timedOut: "the peer does not answer"
    case .unreachable: "the peer cannot be reached"
    case .aborted: "connection aborted"
    case .addressInUse: "the address is in use"
    case .noPorts: "no port is left for a connection to there"
    case .tooManyConnections: "too many connections"
    case .badAddress: "there can be no connection between such addresses"
    }
  }
}
