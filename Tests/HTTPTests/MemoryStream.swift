import HTTP
import Synchronization

/// One end of a connection in memory; what is written to one end is read from the other.
final class MemoryStream: ByteStream {
  struct Failure: ByteStreamFailure {
    let isTimeout: Bool
  }

  /// What goes in one direction.
  private final class Pipe: Sendable {
    private struct State {
      var bytes: [UInt8] = []
      var isFinished = false
      var isBroken = false
      var reader: CheckedContinuation<Void, Never>?
    }

    private let state = Mutex(State())

    nonisolated(nonsending) func read(upTo limit: Int) async throws(Failure) -> [UInt8] {
      while true {
        let (bytes, isBroken) = state.withLock { state -> ([UInt8]?, Bool) in
          guard !state.isBroken else { return (nil, true) }
          guard !state.bytes.isEmpty else { return (state.isFinished ? [] : nil, false) }
          let taken = Array(state.bytes.prefix(limit))
          state.bytes.removeFirst(taken.count)
          return (taken, false)
        }
        if isBroken { throw Failure(isTimeout: false) }
        if let bytes { return bytes }
        await pause()
      }
    }

    nonisolated(nonsending) func waitForInput() async throws(Failure) {
      while true {
        let (isThere, isBroken) = state.withLock { (!$0.bytes.isEmpty || $0.isFinished, $0.isBroken) }
        if isBroken { throw Failure(isTimeout: false) }
        if isThere { return }
        await pause()
      }
    }

    private func pause() async {
      await withCheckedContinuation { continuation in
        let waits = state.withLock { state in
          guard state.bytes.isEmpty, !state.isFinished, !state.isBroken else { return false }
          state.reader = continuation
          return true
        }
        if !waits { continuation.resume() }
      }
    }

    func write(_ bytes: [UInt8]) throws(Failure) {
      let isBroken = change { state in
        state.bytes += bytes
        return state.isBroken
      }
      if isBroken { throw Failure(isTimeout: false) }
    }

    func finish() { change { $0.isFinished = true } }
    func `break`() { change { $0.isBroken = true } }

    @discardableResult private func change<Result: Sendable>(_ body: (inout sending State) -> Result) -> Result {
      let (result, reader) = state.withLock { state in
        let result = body(&state)
        let reader = state.reader
        state.reader = nil
        return (result, reader)
      }
      reader?.resume()
      return result
    }
  }

  private let incoming: Pipe
  private let outgoing: Pipe
  private let timeouts = Mutex<(read: Duration?, write: Duration?)>((nil, nil))

  private init(incoming: Pipe, outgoing: Pipe) {
    self.incoming = incoming
    self.outgoing = outgoing
  }

  /// Both ends of a connection.
  static func pair() -> (MemoryStream, MemoryStream) {
    let (there, back) = (Pipe(), Pipe())
    return (MemoryStream(incoming: back, outgoing: there), MemoryStream(incoming: there, outgoing: back))
  }

  var readTimeout: Duration? {
    get { timeouts.withLock { $0.read } }
    set { timeouts.withLock { $0.read = newValue } }
  }

  var writeTimeout: Duration? {
    get { timeouts.withLock { $0.write } }
    set { timeouts.withLock { $0.write = newValue } }
  }

  nonisolated(nonsending) func waitForInput() async throws(Failure) { try await incoming.waitForInput() }

  /// What is written is there.
  nonisolated(nonsending) func waitUntilAcknowledged() async throws(Failure) {}

  nonisolated(nonsending) func read(into buffer: inout MutableRawSpan) async throws(Failure) -> Int {
    let bytes = try await incoming.read(upTo: buffer.byteCount)
    buffer.withUnsafeMutableBytes { $0.copyBytes(from: bytes) }
    return bytes.count
  }

  nonisolated(nonsending) func write(_ bytes: RawSpan) async throws(Failure) {
    try outgoing.write(bytes.withUnsafeBytes { Array($0) })
  }

  func finishWriting() throws(Failure) { outgoing.finish() }

  func close() {
    outgoing.finish()
    incoming.break()
  }

  func abort() {
    outgoing.break()
    incoming.break()
  }
}
