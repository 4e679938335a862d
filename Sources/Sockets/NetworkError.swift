import GuestKernel
import Network

/// Why the network did not do what it was asked for.
public struct NetworkError: Error, Equatable, Sendable, CustomStringConvertible {
  /// What was asked for.
  public enum Operation: Equatable, Sendable {
    case open, resolve, listen, accept, connect, read, write, bind, send, receive
  }

  /// What stood in the way.
  public enum Reason: Equatable, Sendable {
    /// It took longer than it may: the peer or a server does not answer.
    case timedOut
    /// Nobody listens there.
    case refused
    /// The peer ended the connection without having read everything.
    case reset
    /// There is no way to the peer.
    case unreachable
    /// This end closed the connection, the listener or the socket, or finished writing.
    case closed
    /// The task was cancelled.
    case cancelled
    /// Somebody has this port already.
    case addressInUse
    /// The address is none that can be listened on or sent to.
    case badAddress
    /// There is no such host, or it has no address.
    case nameNotFound
    /// No name server is known, or each of them failed.
    case nameServerFailed
    /// The datagram is longer than any can be.
    case tooLong
    /// A limit on connections, ports or lookups is reached.
    case tooMany
    /// The image declares several interfaces, and none was named.
    case ambiguousInterface
    /// The interface's device.
    case device(DeviceError)
    /// A word among the arguments.
    case configuration(NetworkConfigurationError)
  }

  /// What was asked for.
  public let operation: Operation
  /// The address, the host or the interface that it was about.
  public let subject: String
  /// What stood in the way.
  public let reason: Reason

  package init(_ operation: Operation, _ subject: String, _ reason: Reason) {
    self.operation = operation
    self.subject = subject
    self.reason = reason
  }

  /// One line: what, where, and why not.
  public var description: String {
    switch reason {
    case .device(let error): error.description
    case .configuration(let error): "network '\(subject)': \(error.description)"
    default: "\(words) \(subject): \(explanation)"
    }
  }

  private var words: String {
    switch operation {
    case .open: "opening network"
    case .resolve: "resolving"
    case .listen: "listening on"
    case .accept: "accepting on"
    case .connect: "connecting to"
    case .read: "reading from"
    case .write: "writing to"
    case .bind: "binding"
    case .send: "sending to"
    case .receive: "receiving on"
    }
  }

  private var explanation: String {
    switch reason {
    case .timedOut: operation == .open ? "no address within the time given" : "timed out"
    case .refused: "connection refused"
    case .reset: "connection reset by the peer"
    case .unreachable: "unreachable"
    case .closed: "closed"
    case .cancelled: "cancelled"
    case .addressInUse: "the port is in use"
    case .badAddress: "no such address can be used for that"
    case .nameNotFound: "no such host"
    case .nameServerFailed: "no name server answers that"
    case .tooLong: "the datagram is too long"
    case .tooMany: "too many at once"
    case .ambiguousInterface: "there are several; say which"
    case .device, .configuration: ""
    }
  }
}

extension NetworkError.Reason {
  /// How a connection ended; nil: by both ends closing it, and this end knows.
  init(_ error: TCPError?) {
    switch error {
    case .refused: self = .refused
    case .reset: self = .reset
    case .timedOut: self = .timedOut
    case .unreachable: self = .unreachable
    case .aborted, nil: self = .closed
    case .addressInUse: self = .addressInUse
    case .noPorts, .tooManyConnections: self = .tooMany
    case .badAddress: self = .badAddress
    }
  }

  init(_ error: UDPError) {
    switch error {
    case .addressInUse: self = .addressInUse
    case .noFreePort, .queueFull: self = .tooMany
    case .tooLong: self = .tooLong
    case .badAddress: self = .badAddress
    case .closed: self = .closed
    }
  }

  init(_ error: DNSError) {
    switch error {
    case .badName, .nameNotFound, .noAddresses: self = .nameNotFound
    case .noServers, .serverFailure: self = .nameServerFailed
    case .timedOut: self = .timedOut
    case .tooManyLookups: self = .tooMany
    case .cancelled: self = .cancelled
    }
  }
}
