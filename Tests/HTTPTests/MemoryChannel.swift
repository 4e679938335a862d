import Synchronization

@testable import HTTP

/// A connection of a server in memory, with a clock that goes when the test says so.
///
/// The test writes what the client sends, piece by piece, and sees what the server wrote. A server that waits for input
/// while there is none, and will be none, has timed out.
final class MemoryChannel: ByteChannel, @unchecked Sendable {
  private struct State {
    /// What the server reads, piece by piece.
    var pieces: [[UInt8]] = []
    /// Whether nothing comes behind the pieces.
    var isFinished = false
    /// How long the client takes for each piece.
    var delay = Duration.zero
    /// The first piece is there: its time has passed.
    var hasArrived = false
    /// The time of whoever waits now is over.
    var hasExpired = false
    /// Whether what the server writes gets to the client.
    var acknowledges = true
    var acknowledgementWaiter: CheckedContinuation<Void, Never>?
    var now = Duration.seconds(1000)
    var reader: CheckedContinuation<Void, Never>?
    var written: [UInt8] = []
    var writeCount = 0
    var readTimeouts: [Duration] = []
    var ending: Ending?
    var hasFinishedWriting = false
    var observers: [CheckedContinuation<Void, Never>] = []
    var failsWrites = false
  }

  enum Ending: Equatable { case closed, aborted }

  private let state = Mutex(State())

  /// - Parameters:
  ///   - pieces: what the client sends.
  ///   - delay: how long the client takes before each piece.
  ///   - staysOpen: whether more may come, by `send`.
  init(_ pieces: [String], delay: Duration = .zero, staysOpen: Bool = false) {
    super.init()
    state.withLock { state in
      state.pieces = pieces.filter { !$0.isEmpty }.map { Array($0.utf8) }
      state.delay = delay
      state.isFinished = !staysOpen
    }
  }

  // MARK: The client

  func send(_ text: String) {
    resumeReader { $0.pieces.append(Array(text.utf8)) }
  }

  func finish() {
    resumeReader { $0.isFinished = true }
  }

  /// Lets the time pass that the server is ready to wait.
  func expire() {
    resumeReader { $0.hasExpired = true }
  }

  /// From now on nothing that the server writes gets to the client, until `acknowledge`.
  func holdBack() { state.withLock { $0.acknowledges = false } }

  func acknowledge() {
    let waiter = state.withLock { state in
      state.acknowledges = true
      defer { state.acknowledgementWaiter = nil }
      return state.acknowledgementWaiter
    }
    waiter?.resume()
  }

  func failWrites() { state.withLock { $0.failsWrites = true } }

  var written: String { state.withLock { String(decoding: $0.written, as: UTF8.self) } }
  /// How often the server has written something.
  var writeCount: Int { state.withLock { $0.writeCount } }
  /// How long the server was ready to wait, for each time that it read.
  var readTimeouts: [Duration] { state.withLock { $0.readTimeouts } }
  var ending: Ending? { state.withLock { $0.ending } }
  var hasFinishedWriting: Bool { state.withLock { $0.hasFinishedWriting } }

  /// Returns when the server waits for input or for the client to have its answer, or has ended the connection.
  func waitUntilIdle() async {
    await withCheckedContinuation { continuation in
      let isIdle = state.withLock { state in
        if state.reader != nil || state.acknowledgementWaiter != nil || state.ending != nil { return true }
        state.observers.append(continuation)
        return false
      }
      if isIdle { continuation.resume() }
    }
  }

  private func resumeReader(_ change: (inout State) -> Void) {
    let reader = state.withLock { state in
      change(&state)
      defer { state.reader = nil }
      return state.reader
    }
    reader?.resume()
  }

  private func notifyObservers() {
    let observers = state.withLock { state in
      defer { state.observers = [] }
      return state.observers
    }
    for observer in observers { observer.resume() }
  }

  // MARK: The server's side

  override var now: Duration { state.withLock { $0.now } }

  private var readTimeout: Duration = .zero

  override func setTimeouts(read: Duration, write: Duration) { readTimeout = read }

  override nonisolated(nonsending) func waitForInput() async throws(HTTPError) {
    state.withLock { $0.readTimeouts.append(readTimeout) }
    while try !arrives() { await pause() }
  }

  override nonisolated(nonsending) func read(into buffer: inout MutableRawSpan) async throws(HTTPError) -> Int {
    state.withLock { $0.readTimeouts.append(readTimeout) }
    while try !arrives() { await pause() }
    return take(into: &buffer)
  }

  private func pause() async {
    await withCheckedContinuation { continuation in
      let waits = state.withLock { state in
        if !state.pieces.isEmpty || state.isFinished || state.hasExpired || state.ending != nil { return false }
        state.reader = continuation
        return true
      }
      if !waits { continuation.resume() } else { notifyObservers() }
    }
  }

  /// Whether there is a piece, or the end.
  private func arrives() throws(HTTPError) -> Bool {
    let result: Result<Bool, HTTPError> = state.withLock { state in
      if state.ending != nil { return .failure(.disconnected) }
      if state.pieces.isEmpty, !state.isFinished, !state.hasExpired { return .success(false) }
      let isLate = !state.pieces.isEmpty && !state.hasArrived && state.delay > readTimeout
      if state.hasExpired || isLate {
        state.hasExpired = false
        state.now += readTimeout
        return .failure(.timedOut)
      }
      if !state.pieces.isEmpty, !state.hasArrived { state.now += state.delay }
      state.hasArrived = true
      return .success(true)
    }
    return try result.get()
  }

  private func take(into buffer: inout MutableRawSpan) -> Int {
    let limit = buffer.byteCount
    let piece = state.withLock { state -> [UInt8] in
      state.hasArrived = false
      guard let first = state.pieces.first else { return [] }
      let piece = Array(first.prefix(limit))
      state.pieces[0].removeFirst(piece.count)
      if state.pieces[0].isEmpty { state.pieces.removeFirst() }
      return piece
    }
    buffer.copyToFront(piece.span)
    return piece.count
  }

  override nonisolated(nonsending) func waitUntilAcknowledged() async throws(HTTPError) {
    await withCheckedContinuation { continuation in
      let waits = state.withLock { state in
        if !state.acknowledges { state.acknowledgementWaiter = continuation }
        return !state.acknowledges
      }
      if waits { notifyObservers() } else { continuation.resume() }
    }
  }

  override nonisolated(nonsending) func write(_ bytes: RawSpan) async throws(HTTPError) {
    let array = bytes.withUnsafeBytes { Array($0) }
    let isLost = state.withLock { state in
      state.written += array
      state.writeCount += 1
      return state.failsWrites || state.ending != nil
    }
    if isLost { throw .disconnected }
  }

  override func finishWriting() throws(HTTPError) { state.withLock { $0.hasFinishedWriting = true } }

  override func close() {
    resumeReader { $0.ending = $0.ending ?? .closed }
    notifyObservers()
  }

  override func abort() {
    resumeReader { $0.ending = $0.ending ?? .aborted }
    notifyObservers()
  }
}

extension HTTPServer {
  /// Serves one connection to its end.
  func serveAlone(_ channel: MemoryChannel) async {
    accept(channel)
    await connections.waitUntilEmpty()
  }
}

/// What a server writes to a client that sends these pieces and no more. Each `Date` line is left out.
func answers(
  to pieces: String..., limits: HTTPLimits = HTTPLimits(), handler: @escaping HTTPHandler = answerWithPath
) async -> String {
  let channel = MemoryChannel(pieces)
  await HTTPServer(limits: limits, handler: handler).serveAlone(channel)
  return withoutDates(channel.written)
}

func withoutDates(_ text: String) -> String {
  var lines: [Substring] = []
  for line in text.split(separator: "\r\n", omittingEmptySubsequences: false) where !line.hasPrefix("Date: ") {
    lines.append(line)
  }
  return lines.joined(separator: "\r\n")
}

/// Answers with the method and the path.
let answerWithPath: HTTPHandler = { request, response throws(HTTPError) in
  try await response.send("\(request.method.name) \(request.path)\n")
}

/// The status codes of the responses in a text.
func statuses(_ text: String) -> [Int] {
  text.split(separator: "HTTP/1.1 ").compactMap { Int($0.prefix(3)) }
}
