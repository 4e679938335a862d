import HTTP
import Synchronization

/// A listener to which nobody connects.
final class MemoryListener: ByteStreamListener {
  private struct State {
    var isClosed = false
    var waiter: CheckedContinuation<Void, Never>?
  }

  private let state = Mutex(State())

  var isClosed: Bool { state.withLock { $0.isClosed } }

  nonisolated(nonsending) func next() async -> MemoryStream? {
    await withCheckedContinuation { continuation in
      let isClosed = state.withLock { state in
        if !state.isClosed { state.waiter = continuation }
        return state.isClosed
      }
      if isClosed { continuation.resume() }
    }
    return nil
  }

  func close() {
    let waiter = state.withLock { state in
      state.isClosed = true
      defer { state.waiter = nil }
      return state.waiter
    }
    waiter?.resume()
  }
}

/// Where one task waits until another lets it go on.
final class Gate: Sendable {
  private struct State {
    var isOpen = false
    var isVisited = false
    var visitor: CheckedContinuation<Void, Never>?
    var keeper: CheckedContinuation<Void, Never>?
  }

  private let state = Mutex(State())

  nonisolated(nonsending) func pass() async {
    await withCheckedContinuation { continuation in
      let (keeper, isOpen) = state.withLock { state in
        state.isVisited = true
        if !state.isOpen { state.visitor = continuation }
        defer { state.keeper = nil }
        return (state.keeper, state.isOpen)
      }
      keeper?.resume()
      if isOpen { continuation.resume() }
    }
  }

  func waitForVisitor() async {
    await withCheckedContinuation { continuation in
      let isVisited = state.withLock { state in
        if !state.isVisited { state.keeper = continuation }
        return state.isVisited
      }
      if isVisited { continuation.resume() }
    }
  }

  func open() {
    let visitor = state.withLock { state in
      state.isOpen = true
      defer { state.visitor = nil }
      return state.visitor
    }
    visitor?.resume()
  }
}
