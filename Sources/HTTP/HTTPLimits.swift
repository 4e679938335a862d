/// What a server or a client puts up with. Every limit stops somebody who costs the other side more than himself.
///
/// A limit that cannot be meant is taken for the nearest that can: below 0 for 0, `Int.max` for as much as can be counted.
public struct HTTPLimits: Sendable {
  /// Of a request line or a status line, in bytes without its end. Stops: a target that fills the memory. RFC 9112, 3, wants
  /// 8000 at least.
  public var startLineByteCount = 8192
  /// Of all header fields together, and of all trailer fields, in bytes without line ends. Stops: the same with fields.
  public var fieldsByteCount = 16 << 10
  /// How many header fields, and how many trailer fields. Stops: many small ones, whose bookkeeping is larger than they are.
  public var fieldCount = 100
  /// How many empty lines may come before a request line; RFC 9112, 2.2, asks for one. Stops: a request that never begins.
  public var emptyLineCount = 2
  /// Of a body, in bytes. Stops: an upload without an end.
  public var bodyByteCount = 64 << 20
  /// Of all chunk extensions of one message, in bytes, and of the zeros in front of chunks' sizes that have more than 16 digits.
  /// Stops: bodies that are mostly extensions, which are work for nothing (CVE-2023-39326).
  public var chunkExtensionByteCount = 4096
  /// How much of a body that nobody reads is taken in for the sake of the next request; beyond that the connection is closed.
  /// Stops: uploads that were refused and come all the same.
  public var discardedByteCount = 64 << 10
  /// How many requests of one connection are answered in a row before other tasks have a turn. Stops: a client that
  /// pipelines without an end, and has the processor for itself.
  public var pipelinedRequestCount = 16
  /// How many connections a server serves at once; one more is answered with 503. Stops: connections that fill the memory.
  public var connectionCount = 12_000

  /// How many connections keep their memory while they wait for the next request. While there are more, each gives it back
  /// as soon as it is idle, and takes it again for a request. Stops: idle connections that fill the memory.
  public var bufferedConnectionCount = 256

  /// How long a connection may wait for the next request. Stops: connections that are open for nothing.
  public var idleTimeout = Duration.seconds(75)
  /// After how much of that a connection gives its memory back, however few there are.
  public var bufferedTimeout = Duration.seconds(1)
  /// How long a request's head may take from its first byte on. Stops: "slowloris", a byte every other second.
  public var headTimeout = Duration.seconds(10)
  /// How long the other side may take to send a body, besides a second for every `bodyBytesPerSecond` of it. The time in
  /// which nobody asks for the body does not count. Stops: slowloris with bodies.
  public var bodyTimeout = Duration.seconds(20)
  /// See `bodyTimeout`; 1 or more.
  public var bodyBytesPerSecond = 512
  /// How long the other side may take to make room for more of what it is sent. Stops: a client that asks for much and reads
  /// nothing.
  public var writeTimeout = Duration.seconds(30)
  /// How long, and for how many bytes, the server goes on listening after the last answer of a connection, so that the client
  /// reads it before it learns that nobody reads what it sends (RFC 9112, 9.6). Stops: clients that go on all the same.
  public var lingerTimeout = Duration.seconds(2)
  /// See `lingerTimeout`.
  public var lingerByteCount = 256 << 10

  public init() {}
}

/// The limits that all connections of a server have in common. Each part of a connection looks at them, and a copy in each
/// would be more than most of them are.
final class SharedLimits: Sendable {
  let values: HTTPLimits

  init(_ values: HTTPLimits) { self.values = values.countable }
}

extension HTTPLimits {
  /// These, where what is counted with is small enough for it. The others are only compared.
  fileprivate var countable: HTTPLimits {
    var limits = self
    limits.startLineByteCount = min(max(startLineByteCount, 0), Self.mostHeadBytes)
    limits.fieldsByteCount = min(max(fieldsByteCount, 0), Self.mostHeadBytes)
    limits.bodyByteCount = max(bodyByteCount, 0)
    limits.bodyBytesPerSecond = max(bodyBytesPerSecond, 1)
    limits.idleTimeout = idleTimeout.countable
    limits.bufferedTimeout = bufferedTimeout.countable
    limits.headTimeout = headTimeout.countable
    limits.bodyTimeout = bodyTimeout.countable
    limits.writeTimeout = writeTimeout.countable
    limits.lingerTimeout = lingerTimeout.countable
    return limits
  }

  /// Of a start line, and of fields: both together have offsets that fit into 31 bits (`HTTPFields`).
  private static var mostHeadBytes: Int { 1 << 29 }
}

extension Duration {
  /// This, if it is a time to wait for: not negative, and no more than 136 years, so that clocks can count with it.
  var countable: Duration { min(max(self, .zero), .seconds(Int64(UInt32.max))) }
}
