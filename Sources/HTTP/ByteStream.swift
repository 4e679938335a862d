/// A connection that bytes travel over in both directions, as HTTP needs it.
///
/// One task reads and writes, one thing at a time; any task may finish writing, close and abort.
public protocol ByteStream: AnyObject, Sendable {
  /// What goes wrong with this kind of stream.
  associatedtype Failure: ByteStreamFailure

  /// How long a `read` may take from the call on; nil: for ever.
  var readTimeout: Duration? { get set }
  /// How long a `write` may take from the call on; nil: for ever.
  var writeTimeout: Duration? { get set }

  /// Waits until `read` would not: there are bytes, or the end, or a failure. Takes no longer than `readTimeout`, and no
  /// memory for what may not come for long.
  nonisolated(nonsending) func waitForInput() async throws(Failure)

  /// Waits until there are bytes, and takes as many of them as fit.
  ///
  /// - Returns: how many; 0 at the end of the stream.
  nonisolated(nonsending) func read(into buffer: inout MutableRawSpan) async throws(Failure) -> Int

  /// Returns when all bytes are on their way, or where they are kept until they can be.
  nonisolated(nonsending) func write(_ bytes: RawSpan) async throws(Failure)

  /// Tells the other side that no more bytes come; reading goes on.
  func finishWriting() throws(Failure)

  /// Waits until the other side has got all that was written, and the end of it if that was said; no longer than
  /// `writeTimeout`. That its program has read it is not said.
  nonisolated(nonsending) func waitUntilAcknowledged() async throws(Failure)

  /// Ends the connection; what was written is still sent. A `read` that waits ends with an error, or with 0.
  func close()

  /// Ends the connection at once, and lets the other side know that something is wrong.
  func abort()
}

/// Why a stream failed.
public protocol ByteStreamFailure: Error {
  /// Whether it was `readTimeout` or `writeTimeout`.
  var isTimeout: Bool { get }
}

/// Where a server's connections come from.
public protocol ByteStreamListener: AnyObject, Sendable {
  associatedtype Stream: ByteStream

  /// Waits for the next connection; nil after `close`.
  nonisolated(nonsending) func next() async -> Stream?

  /// Takes no more connections. A `next` that waits returns nil.
  func close()
}
