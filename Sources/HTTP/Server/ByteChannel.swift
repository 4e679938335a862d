import GuestKernel
import Synchronization

/// A byte stream of whatever kind, and what the two halves of a connection have in common.
///
/// Invariant: one task has the channel to itself, except for `finishWriting`, `close`, `abort`, and `life`.
class ByteChannel: @unchecked Sendable {
  /// Where the connection is between two requests.
  let life = ConnectionLife()
  /// Where the server has it in its list.
  var position = 0
  /// Whether the client waits for a `100 (Continue)`, and nothing was sent that makes it pointless.
  var owesContinue = false

  /// A time that never goes back, which timeouts are measured with.
  var now: Duration { ContinuousClock.Instant.now - Self.start }
  private static let start = ContinuousClock.Instant.now

  /// See `ByteStream`.
  func setTimeouts(read: Duration, write: Duration) {}
  nonisolated(nonsending) func waitForInput() async throws(HTTPError) {}
  nonisolated(nonsending) func read(into buffer: inout MutableRawSpan) async throws(HTTPError) -> Int { 0 }
  nonisolated(nonsending) func write(_ bytes: RawSpan) async throws(HTTPError) {}
  nonisolated(nonsending) func waitUntilAcknowledged() async throws(HTTPError) {}
  func finishWriting() throws(HTTPError) {}
  func close() {}
  func abort() {}
}

/// The one that there is outside of tests. So everything else need not know the kind of stream, and is compiled once.
final class StreamChannel<Stream: ByteStream>: ByteChannel, @unchecked Sendable {
  private let stream: Stream
  private var readTimeout: Duration?
  private var writeTimeout: Duration?

  /// The most that is written at once: the timeout is for that much, however much there is to be written.
  private static var pieceByteCount: Int { 64 << 10 }

  init(_ stream: Stream) { self.stream = stream }

  override func setTimeouts(read: Duration, write: Duration) {
    if readTimeout != read {
      readTimeout = read
      stream.readTimeout = read
    }
    if writeTimeout != write {
      writeTimeout = write
      stream.writeTimeout = write
    }
  }

  override nonisolated(nonsending) func waitForInput() async throws(HTTPError) {
    do throws(Stream.Failure) { try await stream.waitForInput() } catch { throw HTTPError(error) }
  }

  override nonisolated(nonsending) func read(into buffer: inout MutableRawSpan) async throws(HTTPError) -> Int {
    do throws(Stream.Failure) { return try await stream.read(into: &buffer) } catch { throw HTTPError(error) }
  }

  override nonisolated(nonsending) func write(_ bytes: RawSpan) async throws(HTTPError) {
    var start = 0
    do throws(Stream.Failure) {
      while start < bytes.byteCount {
        let end = min(start + Self.pieceByteCount, bytes.byteCount)
        try await stream.write(bytes.extracting(start..<end))
        start = end
      }
    } catch {
      throw HTTPError(error)
    }
  }

  override nonisolated(nonsending) func waitUntilAcknowledged() async throws(HTTPError) {
    do throws(Stream.Failure) { try await stream.waitUntilAcknowledged() } catch { throw HTTPError(error) }
  }

  override func finishWriting() throws(HTTPError) {
    do throws(Stream.Failure) { try stream.finishWriting() } catch { throw HTTPError(error) }
  }

  override func close() { stream.close() }
  override func abort() { stream.abort() }
}

extension HTTPError {
  fileprivate init(_ failure: some ByteStreamFailure) {
    self = failure.isTimeout ? .timedOut : .disconnected
  }
}

/// Between two requests, a connection can be closed at any moment; within one, only when it is answered.
final class ConnectionLife: Sendable {
  private let state = Atomic<UInt8>(idle)
  private static var idle: UInt8 { 0 }
  private static var busy: UInt8 { 1 }
  /// This request, if there is one, is the last.
  private static var ending: UInt8 { 2 }

  var isEnding: Bool { state.load(ordering: .relaxed) == Self.ending }

  /// Returns whether a request that comes in is still to be answered.
  func beginRequest() -> Bool {
    state.compareExchange(expected: Self.idle, desired: Self.busy, ordering: .acquiringAndReleasing).exchanged
  }

  /// Returns whether there may be another request.
  func endRequest() -> Bool {
    state.compareExchange(expected: Self.busy, desired: Self.idle, ordering: .acquiringAndReleasing).exchanged
  }

  /// Lets no further request begin. Returns whether none is under way.
  func end() -> Bool {
    state.exchange(Self.ending, ordering: .acquiringAndReleasing) == Self.idle
  }
}
