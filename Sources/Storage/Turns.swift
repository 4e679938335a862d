import _Concurrency

/// Lets one task after the other through, in the order in which they came.
///
/// Has one user: the actor that owns it. It is not part of the actor because the compiler checks closures that are
/// isolated to an actor at run time, with functions that Embedded Swift's runtime lacks.
final class Turns {
  private var isTaken = false
  private var waiting: [UnsafeContinuation<Void, Never>] = []

  /// Returns when it is the task's turn, which lasts until it calls `end`.
  nonisolated(nonsending) func begin() async {
    guard isTaken else {
      isTaken = true
      return
    }
    await withUnsafeContinuation { waiting.append($0) }
  }

  func end() {
    if waiting.isEmpty { isTaken = false } else { waiting.removeFirst().resume() }
  }
}
