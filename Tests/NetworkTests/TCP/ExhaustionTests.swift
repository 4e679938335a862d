import Testing

@testable import Network

/// More connections than there is memory for what each of them sent.
@Suite struct ExhaustionTests {
  private static let chunkLimit = 64
  private static var limits: TCPLimits {
    var limits = TCPLimits()
    limits.bufferByteCount = chunkLimit * BufferPool.chunkByteCount
    return limits
  }

  private static func request(_ number: Int) -> [UInt8] { Array("request \(number)".utf8) }
  private static func answer(_ number: Int) -> [UInt8] { [UInt8](repeating: UInt8(number % 251), count: 5000) }

  /// A small request on each of many connections: those that there is memory for are there, the others wait with those who
  /// sent them. No connection is lost by it, new ones come to be, and when the application reads, every request comes and is
  /// answered. Nothing is ever beyond the bound.
  @Test func manySmallRequestsWaitForMemory() throws {
    let network = NetworkSimulator(seed: 7, faults: NetworkSimulator.Faults(), secondLimits: Self.limits)
    let server = network.ends[1]
    let listener = try server.listen(on: nil, port: 80, backlog: 1000)
    let remote = SocketAddress(network.addresses[1], port: 80)
    let deadline = network.now.advanced(byMilliseconds: 300_000)
    func connect() throws -> TCPSocket {
      try network.ends[0].connect(to: remote, from: network.addresses[0], at: network.now)
    }
    func run(until isDone: () -> Bool) {
      while !isDone() {
        guard network.step(), network.now < deadline else { return }
        #expect(server.statistics.bufferByteCount <= Self.limits.bufferByteCount)
      }
    }

    var clients = try (0..<300).map { _ in try connect() }
    run { clients.allSatisfy { $0.state == .established } }
    for (number, client) in clients.enumerated() {
      #expect(client.write(Self.request(number), at: network.now) == Self.request(number).count)
    }
    var served: [TCPSocket] = []
    // Nobody reads, for as long as requests are sent again and again.
    let end = network.now.advanced(byMilliseconds: 5000)
    run { network.now >= end }
    while let socket = listener.accept() { served.append(socket) }
    #expect(served.count == clients.count)
    #expect(served.count { $0.readableByteCount > 0 } == Self.chunkLimit)
    #expect(server.statistics.segmentsRefused >= UInt64(clients.count - Self.chunkLimit))
    // There is no memory to answer with, either, and none is needed for a connection.
    #expect(served.allSatisfy { $0.writableByteCount == 0 })
    clients.append(try connect())
    run { clients.last?.state == .established }
    _ = clients.last?.write(Self.request(300), at: network.now)

    var requests = [[UInt8]](repeating: [], count: clients.count)
    var answers = [[UInt8]](repeating: [], count: clients.count)
    var answered = [Int](repeating: 0, count: clients.count)
    run {
      while let socket = listener.accept() { served.append(socket) }
      for (index, socket) in served.enumerated() {
        requests[index] += socket.read(at: network.now)
        guard !requests[index].isEmpty else { continue }
        let rest = Self.answer(index)[answered[index]...]
        answered[index] += socket.write(Array(rest), at: network.now)
      }
      for (index, client) in clients.enumerated() { answers[index] += client.read(at: network.now) }
      return answers.allSatisfy { $0.count == Self.answer(0).count }
    }
    // The order in which connections were accepted is not that in which they were made.
    let numbers = Dictionary(uniqueKeysWithValues: clients.enumerated().map { ($1.local.port, $0) })
    for (index, socket) in served.enumerated() {
      let number = try #require(numbers[socket.remote.port])
      #expect(requests[index] == Self.request(number))
      #expect(answers[number] == Self.answer(index))
    }
    #expect(server.statistics.resetConnections == 0 && network.ends[0].statistics.resetConnections == 0)
    run { served.allSatisfy { $0.isEverythingAcknowledged } }
    #expect(network.now < deadline)
    #expect(server.statistics.bufferByteCount == 0)
  }

  /// Connections that come, find no memory to write to, and go: the list of those that wait for it does not grow.
  @Test func whoWaitsForMemoryIsListedOnce() throws {
    let peer = ScriptedPeer(limits: Self.limits)
    let listener = try peer.tcp.listen(on: nil, port: peer.local.port, backlog: 8)
    var full: [TCPSocket] = []
    for number in 0..<8 {
      peer.remote.port = UInt16(6000 + number)
      full.append(try #require(peer.accepted(by: listener)))
      for _ in 0..<8 { peer.send(.ack, [UInt8](repeating: 1, count: BufferPool.chunkByteCount)) }
    }
    #expect(peer.tcp.statistics.bufferByteCount == Self.limits.bufferByteCount)
    for number in 0..<100 {
      peer.remote.port = UInt16(7000 + number)
      let socket = try #require(peer.accepted(by: listener))
      for _ in 0..<3 { #expect(socket.write([1], at: peer.now) == 0) }
      #expect(peer.tcp.context.starved.count == 1)
      socket.close(at: peer.now)
      socket.abort(at: peer.now)
      _ = peer.output()
      #expect(peer.tcp.context.starved.isEmpty)
    }
    // Who waits when memory comes back is told.
    peer.remote.port = 8000
    let socket = try #require(peer.accepted(by: listener))
    let observer = CountingObserver()
    socket.observer = observer
    #expect(socket.write([1], at: peer.now) == 0)
    for socket in full { while !socket.read(at: peer.now).isEmpty {} }
    _ = peer.output()
    #expect(observer.count == 1)
    #expect(socket.write([1], at: peer.now) == 1)
    socket.observer = nil
  }
}
