/// A port that takes connections.
public final class TCPListenSocket {
  /// nil: any address of this machine.
  public let address: IPAddress?
  public let port: UInt16
  /// Told when a connection can be accepted. Not kept alive: see `TCPSocket.observer`.
  public unowned(unsafe) var observer: (any NetworkObserver)?

  private let backlog: Int
  private var connections = FirstInFirstOut<TCPSocket>()
  private(set) var isClosed = false
  /// Cookies sent since then are still good.
  var cookiesSent: NetworkInstant?

  init(address: IPAddress?, port: UInt16, backlog: Int) {
    self.address = address
    self.port = port
    self.backlog = max(1, backlog)
  }

  /// How many were not accepted yet.
  var waitingCount: Int { connections.count }

  /// Whether a connection more would be too many.
  var isFull: Bool { connections.count >= backlog }

  /// The oldest connection that was not accepted yet. It may have ended meanwhile.
  public func accept() -> TCPSocket? { connections.popFirst() }

  /// Takes no more connections, and resets those that nobody accepted.
  public func close(at now: NetworkInstant) {
    isClosed = true
    observer = nil
    while let connection = connections.popFirst() {
      connection.abort(at: now)
      connection.close(at: now)
    }
  }

  func add(_ connection: TCPSocket) {
    connections.append(connection)
    observer?.networkDidChange()
  }
}
