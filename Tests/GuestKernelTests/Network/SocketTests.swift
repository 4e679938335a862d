import Network
import Testing

@testable import GuestKernel
@testable import Sockets

/// Sockets over two stacks with a wire between.
@Suite(.serialized) struct SocketTests {
  /// A connection between the two hosts, and who accepted it.
  static func pair(
    _ link: FakeLink, _ port: UInt16 = 80
  ) async throws -> (client: TCPConnection, server: TCPConnection, listener: TCPListener) {
    let listener = try await TCPListener(port: port, on: link.b)
    async let accepted = listener.accept()
    let client = try await TCPConnection.connect(to: SocketAddress(FakeLink.addressOfB, port: port), on: link.a)
    return (client, try await accepted, listener)
  }

  static func error(_ body: @Sendable () async throws(NetworkError) -> Void) async -> NetworkError? {
    do throws(NetworkError) {
      try await body()
      return nil
    } catch {
      return error
    }
  }

  private static func readAll(_ connection: TCPConnection) async throws(NetworkError) -> [UInt8] {
    var bytes: [UInt8] = []
    while true {
      let more = try await connection.read(upTo: 10_000)
      if more.isEmpty { return bytes }
      bytes += more
    }
  }

  @Test func bothDirectionsAndHalfClose() async throws {
    try await FakeLink.with { link in
      let (client, server, listener) = try await Self.pair(link)
      #expect(server.local == client.remote && server.remote == client.local && listener.port == 80)
      try await client.write("Hello")
      try client.finishWriting()
      #expect(try await Self.readAll(server) == Array("Hello".utf8))
      try await server.write("Good bye")
      server.close()
      var buffer = [UInt8](repeating: 0, count: 4)
      var count = 0
      do {
        var elements = buffer.mutableSpan
        var span = elements.mutableBytes
        count = try await client.read(into: &span)
      }
      #expect(buffer[..<count].elementsEqual("Good".utf8.prefix(count)))
      #expect(try await Self.readAll(client) == Array("Good bye".utf8.dropFirst(count)))
      #expect(try await client.read(upTo: 1) == [], "it is still the end")
      let closedError = await Self.error { () throws(NetworkError) in try await client.write("x") }
      #expect(closedError?.reason == .closed)
    }
  }

  @Test("a writer is no faster than the reader, and nothing is lost")
  func backPressure() async throws {
    try await FakeLink.with { link in
      let (client, server, _) = try await Self.pair(link)
      let bytes = (0..<2_000_000).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ $0 >> 10) }
      async let writing: Void = {
        try await client.write(bytes)
        try client.finishWriting()
      }()
      #expect(try await Self.readAll(server) == bytes)
      try await writing
    }
  }

  private static func read(_ connection: TCPConnection, _ limit: Int) async throws(NetworkError) -> [UInt8] {
    var buffer = [UInt8](repeating: 0xee, count: limit)
    var elements = buffer.mutableSpan
    var span = elements.mutableBytes
    let count = try await connection.read(into: &span)
    return Array(buffer[..<count])
  }

  @Test("what comes while a reader waits is in its memory, and what is behind that is read next")
  func readersThatWait() async throws {
    try await FakeLink.with { link in
      let (client, server, _) = try await Self.pair(link)
      let bytes = (0..<1_000_000).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ $0 >> 10) }
      async let reading: [UInt8] = {
        var all: [UInt8] = []
        while case let more = try await Self.read(server, 5000), !more.isEmpty { all += more }
        return all
      }()
      for start in stride(from: 0, to: bytes.count, by: 7919) {
        try await client.write(Array(bytes[start..<min(start + 7919, bytes.count)]))
        // So that the reader has to wait now and then.
        try await client.waitUntilAcknowledged()
      }
      try client.finishWriting()
      #expect(try await reading == bytes)
    }
  }

  @Test("readers of one connection get all of it between them, whoever has posted its memory")
  func severalReadersThatWait() async throws {
    try await FakeLink.with { link in
      let (client, server, _) = try await Self.pair(link)
      async let first = Self.read(server, 10)
      async let second = Self.read(server, 10)
      try await client.write("a")
      try await client.waitUntilAcknowledged()
      try await client.write("b")
      try client.finishWriting()
      // Of two that were woken for the same bytes one reads both, and the other the end.
      #expect((try await [first, second]).flatMap { $0 }.sorted() == Array("ab".utf8))
    }
  }

  @Test func cancelledReadsLoseNothing() async throws {
    try await FakeLink.with { link in
      let (client, server, listener) = try await Self.pair(link)
      let reading = Task { await Self.error { () throws(NetworkError) in _ = try await server.read(upTo: 10) } }
      await Task.yield()
      reading.cancel()
      #expect(await reading.value?.reason == .cancelled)
      try await client.write("kept")
      #expect(try await server.read(upTo: 4) == Array("kept".utf8))
      // A reader whose memory has been filled when it is told to stop.
      let filling = Task { try await Self.read(server, 10) }
      await Task.yield()
      try await client.write("kept")
      try await client.waitUntilAcknowledged()
      filling.cancel()
      let filled = await filling.result
      if case .success(let bytes) = filled {
        #expect(bytes == Array("kept".utf8))
      } else {
        #expect(try await server.read(upTo: 10) == Array("kept".utf8))
      }
      let accepting = Task { await listener.next() }
      accepting.cancel()
      #expect(await accepting.value == nil)
    }
  }

  @Test("what was written is acknowledged, or the reason is told why it is not")
  func acknowledgements() async throws {
    try await FakeLink.with { link in
      let (client, server, listener) = try await Self.pair(link)
      try await client.waitUntilAcknowledged()
      try await client.write([UInt8](repeating: 1, count: 300_000))
      async let received = Self.readAll(server)
      try await client.waitUntilAcknowledged()
      #expect(link.a.tcpStatistics.unacknowledgedByteCount == 0)
      try client.finishWriting()
      try await client.waitUntilAcknowledged()
      #expect(try await received.count == 300_000)
      // Both ends have finished, this one last: its connection is closed, and everything was delivered.
      try await server.write("end")
      try server.finishWriting()
      try await server.waitUntilAcknowledged()
      server.close()
      let closed = await Self.error { () throws(NetworkError) in try await server.waitUntilAcknowledged() }
      #expect(closed?.reason == .closed && closed?.operation == .write)

      async let accepted = listener.accept()
      let second = try await TCPConnection.connect(to: SocketAddress(FakeLink.addressOfB, port: 80), on: link.a)
      let other = try await accepted
      try await second.write("x")
      try await second.waitUntilAcknowledged()
      other.abort()
      // Until the reset has come: there is nothing that could be read before it.
      try await second.waitForInput()
      let reset = await Self.error { () throws(NetworkError) in try await second.waitUntilAcknowledged() }
      #expect(reset?.reason == .reset)
    }
  }

  @Test("who waits for acknowledgements that do not come gives up in time, and when told to")
  func acknowledgementsThatDoNotCome() async throws {
    try await FakeLink.with { link in
      let (client, _, _) = try await Self.pair(link)
      link.cut()
      try await client.write("lost")
      #expect(link.a.tcpStatistics.unacknowledgedByteCount == 4)
      client.writeTimeout = .milliseconds(5)
      let timedOut = await Self.error { () throws(NetworkError) in try await client.waitUntilAcknowledged() }
      #expect(timedOut?.reason == .timedOut && timedOut?.operation == .write)
      client.writeTimeout = nil
      let waiting = Task {
        await Self.error { () throws(NetworkError) in try await client.waitUntilAcknowledged() }
      }
      await Task.yield()
      waiting.cancel()
      #expect(await waiting.value?.reason == .cancelled)
      let interrupted = Task {
        await Self.error { () throws(NetworkError) in try await client.waitUntilAcknowledged() }
      }
      await Task.yield()
      client.close()
      #expect(await interrupted.value?.reason == .closed)
    }
  }

  @Test func inputIsAnnouncedWithoutBeingTaken() async throws {
    try await FakeLink.with { link in
      let (client, server, _) = try await Self.pair(link)
      server.readTimeout = .milliseconds(5)
      let timedOut = await Self.error { () throws(NetworkError) in try await server.waitForInput() }
      #expect(timedOut?.reason == .timedOut && timedOut?.operation == .read)
      server.readTimeout = nil
      async let announced: Void = server.waitForInput()
      try await client.write("here")
      try await announced
      try await server.waitForInput()
      #expect(link.b.tcpStatistics.unreadByteCount == 4)
      #expect(try await server.read(upTo: 10) == Array("here".utf8))
      #expect(link.b.tcpStatistics.unreadByteCount == 0)
      // The end is something to read as well.
      client.close()
      try await server.waitForInput()
      #expect(try await server.read(upTo: 10) == [])
      server.close()
      let closed = await Self.error { () throws(NetworkError) in try await server.waitForInput() }
      #expect(closed?.reason == .closed)
    }
  }

  @Test func queuesTellWhoWaits() async throws {
    try await FakeLink.with { link in
      let (client, server, listener) = try await Self.pair(link)
      #expect(link.b.queueStatistics.waitingTaskCount == 0)
      let reading = Task { try await server.read(upTo: 1) }
      while link.b.queueStatistics.waitingTaskCount == 0 { await Task.yield() }
      #expect(link.b.queueStatistics == NetworkQueueStatistics(waitingTaskCount: 1))
      client.close()
      #expect(try await reading.value == [])
      #expect(link.b.queueStatistics.waitingTaskCount == 0)
      let waiting = try await TCPConnection.connect(to: SocketAddress(FakeLink.addressOfB, port: 80), on: link.a)
      while link.b.tcpStatistics.unacceptedCount == 0 { await Task.yield() }
      _ = try await listener.accept()
      #expect(link.b.tcpStatistics.unacceptedCount == 0)
      waiting.close()
    }
  }

  @Test func timeouts() async throws {
    try await FakeLink.with { link in
      let (client, server, _) = try await Self.pair(link)
      server.readTimeout = .milliseconds(5)
      let timedOut = await Self.error { () throws(NetworkError) in _ = try await server.read(upTo: 10) }
      #expect(timedOut?.reason == .timedOut)
      #expect(timedOut?.description == "reading from \(client.local): timed out")
      server.readTimeout = nil
      try await client.write("late")
      #expect(try await server.read(upTo: 4) == Array("late".utf8))

      client.writeTimeout = .milliseconds(5)
      let bytes = [UInt8](repeating: 1, count: 1 << 20)
      var error: NetworkError?
      while error == nil { error = await Self.error { () throws(NetworkError) in try await client.write(bytes) } }
      #expect(error?.reason == .timedOut)

      link.cut()
      let address = SocketAddress(FakeLink.addressOfB, port: 81)
      let connecting = await Self.error { () throws(NetworkError) in
        _ = try await TCPConnection.connect(to: address, timeout: .milliseconds(5), on: link.a)
      }
      #expect(connecting?.reason == .timedOut && connecting?.operation == .connect)
    }
  }

  @Test func closingWakesThoseWhoWait() async throws {
    try await FakeLink.with { link in
      let (client, server, listener) = try await Self.pair(link)
      let reading = Task { await Self.error { () throws(NetworkError) in _ = try await server.read(upTo: 10) } }
      let accepting = Task { await listener.next() }
      await Task.yield()
      server.close()
      listener.close()
      #expect(await reading.value?.reason == .closed)
      #expect(await accepting.value == nil)
      #expect(try await Self.readAll(client) == [])
      let acceptError = await Self.error { () throws(NetworkError) in _ = try await listener.accept() }
      #expect(acceptError?.reason == .closed)
    }
  }

  @Test func refusalsAndResets() async throws {
    try await FakeLink.with { link in
      let nobody = SocketAddress(FakeLink.addressOfB, port: 9)
      let refused = await Self.error { () throws(NetworkError) in
        _ = try await TCPConnection.connect(to: nobody, on: link.a)
      }
      #expect(refused?.reason == .refused && refused?.description == "connecting to 10.0.0.2:9: connection refused")

      let ends = try await Self.pair(link)
      let client = ends.client, server = ends.server
      client.abort()
      let resetError = await Self.error { () throws(NetworkError) in _ = try await server.read(upTo: 1) }
      #expect(resetError?.reason == .reset)
      let abortedError = await Self.error { () throws(NetworkError) in _ = try await client.read(upTo: 1) }
      #expect(abortedError?.reason == .closed)
      let second = await Self.error { () throws(NetworkError) in _ = try await TCPListener(port: 80, on: link.b) }
      #expect(second?.reason == .addressInUse && second?.operation == .listen)
      ends.listener.close()
      _ = try await TCPListener(port: 80, on: link.b)

      let nowhere = SocketAddress(.v4(IPv4Address(192, 0, 2, 1)), port: 9)
      let unreachable = await Self.error { () throws(NetworkError) in
        _ = try await TCPConnection.connect(to: nowhere, on: link.a)
      }
      #expect(unreachable?.reason == .unreachable)
    }
  }

  @Test func connectionsThatNobodyKeepsClose() async throws {
    try await FakeLink.with { link in
      let (client, _, _) = try await Self.pair(link)
      #expect(try await Self.readAll(client) == [])
    }
  }

  @Test func manyConnectionsAtOnce() async throws {
    try await FakeLink.with { link in
      let listener = try await TCPListener(port: 7, on: link.b)
      let serving = Task {
        for await connection in listener.connections {
          Task {
            let bytes = try await Self.readAll(connection)
            try await connection.write(bytes)
            connection.close()
          }
        }
      }
      try await withThrowingTaskGroup(of: Bool.self) { group in
        for number in 0..<50 {
          group.addTask {
            let bytes = [UInt8](repeating: UInt8(number), count: 1000 * number)
            let connection = try await TCPConnection.connect(to: "10.0.0.2", port: 7, on: link.a)
            try await connection.write(bytes)
            try connection.finishWriting()
            return try await Self.readAll(connection) == bytes
          }
        }
        for try await isRight in group { #expect(isRight) }
      }
      listener.close()
      await serving.value
    }
  }

  @Test func datagrams() async throws {
    try await FakeLink.with { link in
      let server = try await UDPSocket(port: 53, on: link.b)
      let client = try await UDPSocket(on: link.a)
      let address = SocketAddress(FakeLink.addressOfB, port: 53)
      try await client.send(Array("question".utf8), to: address)
      let question = try await server.receive()
      #expect(question.payload == Array("question".utf8) && question.source.port == client.port)
      try await server.send(Array("answer".utf8), to: question.source)
      #expect(try await client.receive().payload == Array("answer".utf8))

      let tooLong = await Self.error { () throws(NetworkError) in
        try await client.send([UInt8](repeating: 0, count: 65508), to: address)
      }
      #expect(tooLong?.reason == .tooLong)
      let receiving = Task {
        await Self.error { () throws(NetworkError) in _ = try await server.receive() }
      }
      await Task.yield()
      server.close()
      #expect(await receiving.value?.reason == .closed)
      let second = await Self.error { () throws(NetworkError) in _ = try await UDPSocket(port: client.port, on: link.a)
      }
      #expect(second?.reason == .addressInUse)
    }
  }

  @Test func names() async throws {
    #expect(try await Sockets.Network.resolve("10.0.0.7") == [.v4(IPv4Address(10, 0, 0, 7))])
    #expect(try await Sockets.Network.resolve("::1") == [.v6(IPv6Address(high: 0, low: 1))])
    try await FakeLink.with { link in
      let failed = await Self.error { () throws(NetworkError) in
        _ = try await Sockets.Network.resolve("example.org", on: link.a)
      }
      #expect(failed?.reason == .nameServerFailed && failed?.operation == .resolve)
    }
  }
}
