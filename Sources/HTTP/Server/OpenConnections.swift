import Synchronization
import _Concurrency

/// The connections that a server serves now.
final class OpenConnections: Sendable {
  private let state = Guarded(State())
  private let limit: Int
  /// How many have memory for a request.
  private let served = Atomic<Int>(0)

  private struct State {
    var channels: [ByteChannel] = []
    var isEnding = false
    var waiters: [UnsafeContinuation<Void, Never>] = []
  }

  init(limit: Int) { self.limit = limit }

  var count: Int { state.withLock { $0.channels.count } }

  /// Returns whether there is room for one more, and the server goes on.
  func insert(_ channel: ByteChannel) -> Bool {
    state.withLock { state in
      guard !state.isEnding, state.channels.count < limit else { return false }
      channel.position = state.channels.count
      state.channels.append(channel)
      return true
    }
  }

  /// How many are served now: a request is under way, or one was answered just now.
  var servedCount: Int { served.load(ordering: .relaxed) }

  func beginService() { served.wrappingAdd(1, ordering: .relaxed) }

  func endService() { served.wrappingSubtract(1, ordering: .relaxed) }

  func remove(_ channel: ByteChannel) {
    let waiters = state.withLock { state in
      let last = state.channels.removeLast()
      if last !== channel {
        state.channels[channel.position] = last
        last.position = channel.position
      }
      guard state.channels.isEmpty else { return [UnsafeContinuation<Void, Never>]() }
      defer { state.waiters = [] }
      return state.waiters
    }
    for waiter in waiters { waiter.resume() }
  }

  /// Lets every connection end after the request that it is busy with; tells the other side of those that are not that
  /// nothing more comes, upon which it closes.
  func end() {
    let channels = state.withLock { state in
      state.isEnding = true
      return state.channels
    }
    for channel in channels where channel.life.end() { try? channel.finishWriting() }
  }

  /// Ends every connection at once.
  func abort() {
    for channel in state.withLock({ $0.channels }) { channel.abort() }
  }

  /// Returns when there is no connection.
  nonisolated(nonsending) func waitUntilEmpty() async {
    await withUnsafeContinuation { continuation in
      let isEmpty = state.withLock { state in
        if !state.channels.isEmpty { state.waiters.append(continuation) }
        return state.channels.isEmpty
      }
      if isEmpty { continuation.resume() }
    }
  }
}
