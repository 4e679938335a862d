/// One question to the name servers on its way: a name and a type. It asks one server after the other over UDP, each time
/// from another port and with another number (RFC 5452, 9.2), and over TCP where an answer is cut off (RFC 7766, 5).
struct DNSQuestion {
  enum Result: Equatable {
    /// Perhaps none.
    case addresses([IPAddress], seconds: UInt32)
    case failure(DNSError)
  }

  /// What the question was asked for.
  let name: DNSName
  let type: DNSMessage.RecordType
  /// nil until it is answered.
  private(set) var result: Result?
  /// When it goes on, if no answer comes.
  private(set) var deadline: NetworkInstant?

  /// What is asked for now: `name`, or what that is an alias for.
  private var current: DNSName
  private var aliasCount = 0
  private var seconds = UInt32.max
  /// How many servers were asked for what is asked for now.
  private var tries = 0
  private var query: [UInt8] = []
  private var port: UDPPort?
  private var connection: TCPSocket?
  /// Of the question over TCP, that is to be written yet; then of the answer, as far as it came.
  private var unwritten: [UInt8] = []
  private var received: [UInt8] = []
  private var lastCode: UInt8?

  init(_ name: DNSName, _ type: DNSMessage.RecordType) {
    self.name = name
    self.type = type
    current = name
  }

  /// Goes on as far as it can now.
  mutating func advance(_ resolver: Resolver, _ stack: NetworkStack, at now: NetworkInstant) {
    guard result == nil else { return }
    if port == nil, connection == nil {
      ask(resolver, stack, at: now)
    } else if port != nil {
      readDatagrams(resolver, stack, at: now)
    } else {
      readConnection(resolver, stack, at: now)
    }
    if result == nil, let deadline, deadline <= now { ask(resolver, stack, at: now) }
  }

  /// Gives up what it has open.
  mutating func close(at now: NetworkInstant) {
    port?.observer = nil
    port?.close()
    port = nil
    connection?.observer = nil
    connection?.abort(at: now)
    connection = nil
    received = []
    deadline = nil
  }

  private mutating func finish(_ result: Result, at now: NetworkInstant) {
    close(at: now)
    self.result = result
  }

  // MARK: Over UDP

  /// Asks the next server.
  private mutating func ask(_ resolver: Resolver, _ stack: NetworkStack, at now: NetworkInstant) {
    close(at: now)
    let servers = stack.nameServers
    guard !servers.isEmpty else { return finish(.failure(.noServers), at: now) }
    while tries < servers.count * ResolverLimits.roundCount {
      let server = SocketAddress(servers[tries % servers.count], port: DNSMessage.port)
      let isFirstRound = tries < servers.count
      tries += 1
      let id = UInt16(truncatingIfNeeded: resolver.random.next())
      query = DNSMessage.query(id: id, current, type, random: &resolver.random)
      guard stack.sourceAddress(for: server.address) != nil, let port = try? stack.udp.bind(),
        (try? port.send(query.span.bytes, to: server)) != nil
      else { continue }
      port.observer = resolver
      self.port = port
      let milliseconds = ResolverLimits.answerMilliseconds / (isFirstRound ? 1 : 2)
      deadline = now.advanced(byMilliseconds: milliseconds)
      return
    }
    finish(.failure(lastCode.map { .serverFailure($0) } ?? .timedOut), at: now)
  }

  private mutating func readDatagrams(_ resolver: Resolver, _ stack: NetworkStack, at now: NetworkInstant) {
    while let port, result == nil, let datagram = port.receive() {
      // RFC 5452, 9.1: from where it was sent to.
      guard datagram.source == port.lastDestination else { continue }
      take(datagram.payload.span.bytes, from: datagram.source, isWhole: false, resolver, stack, at: now)
    }
    // Nobody listens there, or there is no way: the next one need not wait.
    if let port, port.takeFailure() != nil { ask(resolver, stack, at: now) }
  }

  private mutating func take(
    _ message: RawSpan, from server: SocketAddress, isWhole: Bool, _ resolver: Resolver, _ stack: NetworkStack,
    at now: NetworkInstant
  ) {
    switch DNSMessage.answer(message, to: query.span.bytes, current, type) {
    case .foreign: if isWhole { ask(resolver, stack, at: now) }
    case .truncated:
      if isWhole { ask(resolver, stack, at: now) } else { connect(to: server, resolver, stack, at: now) }
    case .noSuchName: finish(.failure(.nameNotFound), at: now)
    case .failure(let code):
      lastCode = code
      ask(resolver, stack, at: now)
    case .addresses(let addresses, let seconds):
      finish(.addresses(addresses, seconds: min(seconds, self.seconds)), at: now)
    case .alias(let target, let steps):
      aliasCount += steps
      guard aliasCount <= ResolverLimits.aliasCount else { return finish(.failure(.serverFailure(0)), at: now) }
      // The server did not follow it, so the target is asked for. How long the alias is good is not known any more.
      current = target
      seconds = 0
      tries = 0
      ask(resolver, stack, at: now)
    }
  }

  // MARK: Over TCP

  private mutating func connect(
    to server: SocketAddress, _ resolver: Resolver, _ stack: NetworkStack, at now: NetworkInstant
  ) {
    close(at: now)
    guard let source = stack.sourceAddress(for: server.address),
      let connection = try? stack.tcp.connect(to: server, from: source, at: now)
    else { return ask(resolver, stack, at: now) }
    connection.observer = resolver
    self.connection = connection
    // RFC 1035, 4.2.2: the length in two bytes, and the message.
    unwritten = [UInt8(query.count >> 8), UInt8(truncatingIfNeeded: query.count)] + query
    deadline = now.advanced(byMilliseconds: ResolverLimits.tcpMilliseconds)
  }

  private mutating func readConnection(_ resolver: Resolver, _ stack: NetworkStack, at now: NetworkInstant) {
    guard let connection else { return }
    if !unwritten.isEmpty, connection.state == .established {
      unwritten.removeFirst(connection.write(unwritten.span.bytes, at: now))
    }
    // The length's two bytes, and as many as they say: no more is taken in.
    while true {
      let wanted = received.count < 2 ? 2 : 2 + Int(received[0]) << 8 + Int(received[1])
      guard received.count < wanted else { break }
      var piece = [UInt8](repeating: 0, count: min(wanted - received.count, 4096))
      var span = piece.mutableSpan
      var bytes = span.mutableBytes
      let count = connection.read(into: &bytes, at: now)
      guard count > 0 else {
        if connection.isEndOfStream || connection.state == .closed { ask(resolver, stack, at: now) }
        return
      }
      received += piece[..<count]
    }
    let server = connection.remote
    let message = Array(received[2...])
    connection.observer = nil
    connection.close(at: now)
    self.connection = nil
    take(message.span.bytes, from: server, isWhole: true, resolver, stack, at: now)
  }
}
