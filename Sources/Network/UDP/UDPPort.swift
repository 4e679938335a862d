/// An open UDP port (RFC 768). It stays open until `close`, whether or not somebody refers to it.
public final class UDPPort {
  /// The only address of ours whose datagrams are received, and the one that is sent from; nil: all, and whichever fits.
  public let address: IPAddress?
  public let port: UInt16
  /// Told when a datagram or a failure came, or when there is room to send again. Not kept alive: see
  /// `TCPSocket.observer`.
  public unowned(unsafe) var observer: (any NetworkObserver)?
  /// Datagrams dropped because nobody read those before.
  public private(set) var droppedDatagrams: UInt64 = 0

  private let udp: UDP
  private var received = Queue<Datagram>()
  private var receivedByteCount = 0
  private var failure: UDPFailure?
  var isWaitingToSend = false
  /// Where the latest datagram went.
  var lastDestination: SocketAddress?
  public private(set) var isClosed = false

  init(address: IPAddress?, port: UInt16, udp: UDP) {
    self.address = address
    self.port = port
    self.udp = udp
  }

  /// Whether `receive` has a datagram.
  public var isReadable: Bool { !received.isEmpty }

  /// The next datagram; nil: none now.
  public func receive() -> Datagram? {
    guard let datagram = received.popFirst() else { return nil }
    receivedByteCount -= datagram.payload.count
    return datagram
  }

  /// Takes a datagram to be sent. Whether what is sent arrives is not known.
  ///
  /// - Throws: `queueFull` when too much waits; the observer is told when there is room.
  public func send(_ payload: RawSpan, to destination: SocketAddress) throws(UDPError) {
    guard !isClosed else { throw .closed }
    try udp.send(payload, from: self, to: destination)
  }

  /// The network's last answer to what was sent, once.
  public func takeFailure() -> UDPFailure? { failure.take() }

  /// Datagrams that wait to be read are dropped; those that wait to be sent are sent.
  public func close() {
    guard !isClosed else { return }
    isClosed = true
    received.removeAll()
    udp.remove(self)
  }

  /// - Returns: whether there was room.
  func take(_ payload: RawSpan, from source: SocketAddress, to destination: SocketAddress) -> Bool {
    guard received.count < UDPLimits.queuedDatagramCount,
      receivedByteCount + payload.byteCount <= UDPLimits.queuedByteCount
    else {
      droppedDatagrams += 1
      return false
    }
    receivedByteCount += payload.byteCount
    received.append(Datagram(payload: payload.copy(), source: source, destination: destination))
    observer?.networkDidChange()
    return true
  }

  func failed(_ failure: UDPFailure) {
    guard !isClosed else { return }
    self.failure = failure
    observer?.networkDidChange()
  }

  func canSendAgain() {
    isWaitingToSend = false
    observer?.networkDidChange()
  }
}
