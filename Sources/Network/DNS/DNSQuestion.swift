/// One question to the name servers on its way: a name and a type. It asks one server after the other over UDP, each time
/// from another port and with another number (RFC 5452, 9.2), and over TCP where an answer is cut off (RFC 7766, 5). A server
/// whose time is over may answer still, as long as nobody else has.
struct DNSQuestion {
  /// A server that was asked over UDP, and may answer yet.
  private struct Attempt {
    var port: UDPPort
    var query: [UInt8]
  }

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
  /// Over UDP, the latest last.
  private var attempts: [Attempt] = []
  /// Over TCP, and what was sent there.
  private var connection: TCPSocket?
  private var query: [UInt8] = []
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
    guard deadline != nil else { return ask(resolver, stack, at: now) }
    readDatagrams(resolver, stack, at: now)
    if result == nil { readConnection(resolver, stack, at: now) }
    if result == nil, let deadline, deadline <= now { ask(resolver, stack, at: now) }
  }

  /// Gives up what it has open.
  mutating func close(at now: NetworkInstant) {
    while let attempt = attempts.popLast() { Self.close(attempt) }
    closeConnection(at: now)
    deadline = nil
  }

  private static func close(_ attempt: Attempt) {
    attempt.port.observer = nil
    attempt.port.close()
  }

  private mutating func closeConnection(at now: NetworkInstant) {
    connection?.observer = nil
    connection?.abort(at: now)
    connection = nil
    received = []
  }

  private mutating func finish(_ result: Result, at now: NetworkInstant) {
    close(at: now)
    self.result = result
  }

  // MARK: Over UDP

  /// Asks the next server.
  private mutating func ask(_ resolver: Resolver, _ stack: NetworkStack, at now: NetworkInstant) {
    closeConnection(at: now)
    // A domain that DHCP tells, or an alias, may lead to one.
    guard current.special == nil else { return finish(.failure(.nameNotFound), at: now) }
    let servers = stack.nameServers
    guard !servers.isEmpty else { return finish(.failure(.noServers), at: now) }
    while tries < servers.count * ResolverLimits.roundCount {
      let server = SocketAddress(servers[tries % servers.count], port: DNSMessage.port)
      tries += 1
      guard stack.sourceAddress(for: server.address) != nil, let port = try? stack.udp.bind() else { continue }
      let id = UInt16(truncatingIfNeeded: resolver.random.next())
      let attempt = Attempt(port: port, query: DNSMessage.query(id: id, current, type, random: &resolver.random))
      guard (try? port.send(attempt.query.span.bytes, to: server)) != nil else {
        Self.close(attempt)
        continue
      }
      port.observer = resolver
      attempts.append(attempt)
      if attempts.count > ResolverLimits.openPortCount { Self.close(attempts.removeFirst()) }
      deadline = now.advanced(byMilliseconds: ResolverLimits.answerMilliseconds)
      return
    }
    finish(.failure(lastCode.map { .serverFailure($0) } ?? .timedOut), at: now)
  }

  private mutating func readDatagrams(_ resolver: Resolver, _ stack: NetworkStack, at now: NetworkInstant) {
    for attempt in attempts {
      while result == nil, let datagram = attempt.port.receive() {
        // RFC 5452, 9.1: from where it was sent to.
        guard datagram.source == attempt.port.lastDestination else { continue }
        take(datagram, of: attempt, resolver, stack, at: now)
      }
      // Nobody listens there, or there is no way: the next one need not wait.
      if result == nil, attempt.port.takeFailure() != nil { giveUp(attempt, resolver, stack, at: now) }
    }
  }

  private mutating func take(
    _ datagram: Datagram, of attempt: Attempt, _ resolver: Resolver, _ stack: NetworkStack, at now: NetworkInstant
  ) {
    let answer = DNSMessage.answer(
      datagram.payload.span.bytes, to: attempt.query.span.bytes, current, type, isOverTCP: false)
    switch answer {
    case .foreign: break
    case .truncated:
      remove(attempt)
      if connection == nil { connect(to: datagram.source, attempt.query, resolver, stack, at: now) }
    case .failure(let code):
      lastCode = code
      giveUp(attempt, resolver, stack, at: now)
    default: take(answer, resolver, stack, at: now)
    }
  }

  /// Listens no more to a server that has nothing to say. If it was the one that is waited for, the next is asked.
  private mutating func giveUp(
    _ attempt: Attempt, _ resolver: Resolver, _ stack: NetworkStack, at now: NetworkInstant
  ) {
    let isLatest = connection == nil && attempts.last?.port === attempt.port
    remove(attempt)
    if isLatest { ask(resolver, stack, at: now) }
  }

  private mutating func remove(_ attempt: Attempt) {
    Self.close(attempt)
    attempts.removeAll { $0.port === attempt.port }
  }

  // MARK: Answers

  /// Takes an answer, over UDP or TCP, that is one.
  private mutating func take(
    _ answer: DNSMessage.Answer, _ resolver: Resolver, _ stack: NetworkStack, at now: NetworkInstant
  ) {
    switch answer {
    case .foreign, .truncated: ask(resolver, stack, at: now)
    case .failure(let code):
      lastCode = code
      ask(resolver, stack, at: now)
    case .noSuchName: finish(.failure(.nameNotFound), at: now)
    case .addresses(let addresses, let seconds):
      finish(.addresses(addresses, seconds: min(seconds, self.seconds)), at: now)
    case .alias(let target, let steps):
      aliasCount += steps
      guard aliasCount <= ResolverLimits.aliasCount else { return finish(.failure(.serverFailure(0)), at: now) }
      // The server did not follow it, so the target is asked for. How long the alias is good is not known any more.
      close(at: now)
      current = target
      seconds = 0
      tries = 0
      ask(resolver, stack, at: now)
    }
  }

  // MARK: Over TCP

  private mutating func connect(
    to server: SocketAddress, _ query: [UInt8], _ resolver: Resolver, _ stack: NetworkStack, at now: NetworkInstant
  ) {
    guard let source = stack.sourceAddress(for: server.address),
      let connection = try? stack.tcp.connect(to: server, from: source, at: now)
    else { return ask(resolver, stack, at: now) }
    connection.observer = resolver
    self.connection = connection
    self.query = query
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
    let message = Array(received[2...])
    connection.observer = nil
    connection.close(at: now)
    self.connection = nil
    received = []
    let answer = DNSMessage.answer(message.span.bytes, to: query.span.bytes, current, type, isOverTCP: true)
    take(answer, resolver, stack, at: now)
  }
}
