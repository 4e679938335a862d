import Network
import Testing

@testable import GuestKernel
@testable import Sockets

// What a program says of how a connection is kept.
extension SocketTests {
  @Test func howAConnectionIsKeptIsItsOwn() async throws {
    try await FakeLink.with { link in
      let (client, server, _) = try await Self.pair(link)
      for connection in [client, server] {
        #expect(connection.keepAlive == nil && connection.noDelay && connection.userTimeout == nil)
      }
      client.keepAlive = TCPKeepAlive(time: .seconds(Int64.max), interval: .seconds(Int64.min), probes: .max)
      #expect(
        client.keepAlive == TCPKeepAlive(time: .seconds(32_767), interval: .milliseconds(1), probes: 127))
      client.userTimeout = .seconds(Int64.max)
      #expect(client.userTimeout == .milliseconds(Int32.max))
      client.userTimeout = .seconds(Int64.min)
      #expect(client.userTimeout == .milliseconds(1))
      client.noDelay = false
      #expect(!client.noDelay && server.noDelay && server.keepAlive == nil && server.userTimeout == nil)
      client.keepAlive = nil
      client.userTimeout = nil
      #expect(client.keepAlive == nil && client.userTimeout == nil)
      client.close()
      client.keepAlive = TCPKeepAlive()
      client.noDelay = true
      client.userTimeout = .seconds(1)
    }
  }

  @Test func keepAliveFindsOutThatThePeerIsGone() async throws {
    try await FakeLink.with { link in
      let (client, server, _) = try await Self.pair(link)
      client.keepAlive = TCPKeepAlive(time: .milliseconds(1), interval: .seconds(60), probes: 1)
      while link.a.tcpStatistics.keepAliveProbes < 5 { await Task.yield() }
      try await server.write("I am")
      #expect(try await client.read(upTo: 10) == Array("I am".utf8), "it answered")
      link.cut()
      client.keepAlive = TCPKeepAlive(time: .milliseconds(1), interval: .milliseconds(1), probes: 3)
      let error = await Self.error { () throws(NetworkError) in try await client.waitForInput() }
      #expect(error == nil, "the end is something to look at")
      let gone = await Self.error { () throws(NetworkError) in _ = try await client.read(upTo: 1) }
      #expect(gone?.reason == .timedOut)
    }
  }

  @Test func aUserTimeoutEndsTheConnection() async throws {
    try await FakeLink.with { link in
      let (client, _, _) = try await Self.pair(link)
      client.userTimeout = .milliseconds(1)
      link.cut()
      let error = await Self.error { () throws(NetworkError) in
        try await client.write("x")
        try await client.waitUntilAcknowledged()
      }
      #expect(error?.reason == .timedOut)
      #expect(link.a.tcpStatistics.connectionCount == 0)
    }
  }

  @Test func withoutNoDelaySmallWritesWait() async throws {
    try await FakeLink.with { link in
      let (client, _, _) = try await Self.pair(link)
      link.cut()
      client.noDelay = false
      try await client.write("a")
      try await client.write("b")
      #expect(link.a.tcpStatistics.bytesSent == 1)
      client.noDelay = true
      #expect(link.a.tcpStatistics.bytesSent == 2)
      try await client.write("c")
      #expect(link.a.tcpStatistics.bytesSent == 3)
    }
  }
}
