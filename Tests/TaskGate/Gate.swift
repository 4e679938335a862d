import Synchronization

/// Where one task waits until another lets it go on.
public final class Gate: Sendable {
  private struct State {
    var isOpen = false
    var visitor: CheckedContinuation<Void, Never>?
    var isVisited = false
    var keeper: CheckedContinuation<Void, Never>?
  }

  private let state = Mutex(State())

  public init() {}

  /// Waits until the gate is open.
  public nonisolated(nonsending) func pass() async {
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

  /// Returns when somebody waits at the gate.
  public func waitForVisitor() async {
    await withCheckedContinuation { continuation in
      let isVisited = state.withLock { state in
        if !state.isVisited { state.keeper = continuation }
        return state.isVisited
      }
      if isVisited { continuation.resume() }
    }
  }

  public func open() {
    let visitor = state.withLock { state in
      state.isOpen = true
      defer { state.visitor = nil }
      return state.visitor
    }
    visitor?.resume()
  }
}
