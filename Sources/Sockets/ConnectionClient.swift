import GuestKernel
import Network

/// A connection as `TCPConnection` uses it: each function is one use of the stack.
final class ConnectionClient: StackClient, TCPReader {
  let socket: TCPSocket
  var readTimeout: Duration?
  var writeTimeout: Duration?
  /// This end has closed it: it is the stack's alone from then on.
  private var isClosed = false
  private var hasFinishedWriting = false
  /// `changeCount` when there was nothing to read.
  private var seenInput: UInt = 0
  /// `changeCount` when there was no room to write.
  private var seenOutput: UInt = 0
  /// The memory of a reader that waits.
  private var posted = PostedRead()

  /// How much room there must be before a writer goes on that waits for it: one that is woken for each acknowledgement
  /// would write little pieces.
  private static var leastRoom: Int { 16 << 10 }

  init(_ socket: TCPSocket, _ interface: NetworkInterface) {
    self.socket = socket
    super.init(interface)
    socket.observer = self
  }

  static func connect(
    to address: SocketAddress, on interface: NetworkInterface
  ) throws(NetworkError) -> ConnectionClient {
    interface.lock()
    defer { interface.unlock() }
    guard let local = interface.stack.sourceAddress(for: address.address) else {
      throw NetworkError(.connect, address.description, .unreachable)
    }
    do throws(TCPError) {
      return ConnectionClient(try interface.stack.tcp.connect(to: address, from: local, at: interface.now), interface)
    } catch {
      throw NetworkError(.connect, address.description, NetworkError.Reason(error))
    }
  }

  func synchronized<Result>(_ body: (ConnectionClient) -> Result) -> Result {
    interface.lock()
    defer { interface.unlock() }
    return body(self)
  }

  override var hasInput: Bool {
    posted.byteCount > 0 || socket.readableByteCount > 0 || socket.isEndOfStream || hasEnded
  }
  override var hasRoom: Bool {
    guard !isConnecting, !hasEnded else { return hasEnded }
    let room = socket.writableByteCount
    return room >= Self.leastRoom || socket.isEverythingAcknowledged
  }
  var isConnecting: Bool { socket.state == .synSent || socket.state == .synReceived }
  private var hasEnded: Bool { isClosed || socket.error != nil || socket.state == .closed }

  private func failure(_ operation: NetworkError.Operation) -> NetworkError {
    NetworkError(operation, socket.remote.description, isClosed ? .closed : NetworkError.Reason(socket.error))
  }

  /// Looks at a connection that has not ended.
  func look(
    _ operation: NetworkError.Operation, _ condition: (ConnectionClient) -> Bool
  ) throws(NetworkError) -> Bool {
    interface.lock()
    defer { interface.unlock() }
    if hasEnded { throw failure(operation) }
    seenOutput = changeCount
    return condition(self)
  }

  /// - Returns: whether there is something to read, or never will be.
  func lookForInput() throws(NetworkError) -> Bool {
    interface.lock()
    defer { interface.unlock() }
    guard !isClosed else { throw failure(.read) }
    seenInput = changeCount
    return hasInput
  }

  /// - Returns: whether the peer has all that was written.
  func lookForAcknowledgement() throws(NetworkError) -> Bool {
    interface.lock()
    defer { interface.unlock() }
    // A connection that both ends have finished is closed, and has delivered everything.
    if isClosed || socket.error != nil { throw failure(.write) }
    seenOutput = changeCount
    return socket.isEverythingAcknowledged
  }

  /// - Returns: nil: there is nothing to read now.
  func read(into buffer: inout MutableRawSpan) throws(NetworkError) -> Int? {
    interface.lock()
    defer { interface.unlock() }
    guard !isClosed else { throw failure(.read) }
    let count = socket.read(into: &buffer, at: interface.now)
    if count > 0 || socket.isEndOfStream { return count }
    if hasEnded { throw failure(.read) }
    seenInput = changeCount
    return nil
  }

  /// Suspends the task until there is something to read. What comes meanwhile goes to `buffer` at once.
  ///
  /// - Returns: how many bytes are there; 0: it is to be looked for. Those that have come are told of whatever else there is.
  nonisolated(nonsending) func waitToRead(
    into buffer: inout MutableRawSpan, until deadline: UInt64?
  ) async throws(NetworkError) -> Int {
    guard post(&buffer) else {
      try await pause(.read, for: .input, until: deadline)
      return 0
    }
    do throws(NetworkError) {
      try await pause(.read, for: .input, until: deadline)
    } catch {
      let count = takeBack()
      guard count > 0 else { throw error }
      return count
    }
    return takeBack()
  }

  private func post(_ buffer: inout MutableRawSpan) -> Bool {
    interface.lock()
    defer { interface.unlock() }
    // What has come since the task looked is to be read first.
    guard !hasInput, posted.post(&buffer) else { return false }
    socket.reader = self
    return true
  }

  private func takeBack() -> Int {
    interface.lock()
    defer { interface.unlock() }
    socket.reader = nil
    return posted.takeBack()
  }

  func take(_ bytes: RawSpan) -> Int { posted.take(bytes) }

  /// - Returns: nil: there is nothing to read now.
  func read(upTo limit: Int) throws(NetworkError) -> [UInt8]? {
    interface.lock()
    defer { interface.unlock() }
    guard !isClosed else { throw failure(.read) }
    let available = min(limit, socket.readableByteCount)
    if available > 0 {
      return [UInt8](unsafeUninitializedCapacity: available) { bytes, count in
        var span = UnsafeMutableRawBufferPointer(bytes).mutableBytes
        count = socket.read(into: &span, at: interface.now)
      }
    }
    if socket.isEndOfStream { return [] }
    if hasEnded { throw failure(.read) }
    seenInput = changeCount
    return nil
  }

  /// - Returns: how many bytes there was room for.
  func write(_ bytes: RawSpan) throws(NetworkError) -> Int {
    interface.lock()
    defer { interface.unlock() }
    if hasEnded || hasFinishedWriting { throw failure(.write) }
    seenOutput = changeCount
    return socket.write(bytes, at: interface.now)
  }

  func finishWriting() throws(NetworkError) {
    interface.lock()
    defer { interface.unlock() }
    if hasEnded { throw failure(.write) }
    guard !hasFinishedWriting else { return }
    hasFinishedWriting = true
    socket.finishWriting(at: interface.now)
    // Who waits for room waits in vain.
    wakeAll()
  }

  func close() { end { $0.close(at: $1) } }

  func abort() { end { $0.abort(at: $1) } }

  private func end(_ body: (TCPSocket, NetworkInstant) -> Void) {
    interface.lock()
    defer { interface.unlock() }
    guard !isClosed else { return }
    isClosed = true
    socket.observer = nil
    body(socket, interface.now)
    wakeAll()
  }

  var readDeadline: UInt64? { synchronized { $0.interface.deadline(in: $0.readTimeout) } }
  var writeDeadline: UInt64? { synchronized { $0.interface.deadline(in: $0.writeTimeout) } }

  /// Suspends the task until the connection has changed since the task looked.
  nonisolated(nonsending) func pause(
    _ operation: NetworkError.Operation, for side: Side, until deadline: UInt64?
  ) async throws(NetworkError) {
    switch await wait(for: side, since: side == .input ? seenInput : seenOutput, until: deadline) {
    case .changed: return
    case .timedOut: throw NetworkError(operation, socket.remote.description, .timedOut)
    case .cancelled: throw NetworkError(operation, socket.remote.description, .cancelled)
    }
  }
}
