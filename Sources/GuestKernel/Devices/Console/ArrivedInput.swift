/// What has arrived on a console, and the tasks that wait for more of it; for the driver that brings it.
final class ArrivedInput {
  var lines: LineBuffer
  /// Called when a task begins to wait.
  var willWait: () -> Void = {}
  /// The tasks that wait for input, the last one first.
  private var waiting: InputWaiter?

  /// - Parameters:
  ///   - maximumLineLength: in bytes.
  ///   - isTerminal: the guest echoes and edits.
  init(maximumLineLength: Int, isTerminal: Bool) {
    lines = LineBuffer(maximumLength: maximumLineLength, isTerminal: isTerminal)
  }

  var isAwaited: Bool { waiting != nil }

  /// Bytes have arrived.
  func append(_ bytes: UnsafeRawBufferPointer) {
    lines.append(bytes)
    resumeAll()
  }

  /// No more will come.
  func end() {
    lines.end()
    resumeAll()
  }

  private func resumeAll() {
    var resumed = waiting
    waiting = nil
    while let waiter = resumed {
      waiter.resume()
      resumed = waiter.next
    }
  }

  /// Returns when something has arrived, the input has ended, or the task is cancelled.
  nonisolated(nonsending) func wait() async {
    // All of it happens in one thread, the cancellation handler included.
    nonisolated(unsafe) let waiter = InputWaiter()
    nonisolated(unsafe) let input = self
    await withTaskCancellationHandler {
      await withUnsafeContinuation { (continuation: UnsafeContinuation<Void, Never>) in
        if waiter.isCancelled || input.lines.hasInput {
          continuation.resume()
        } else {
          waiter.continuation = continuation
          waiter.next = input.waiting
          input.waiting = waiter
          input.willWait()
        }
      }
    } onCancel: {
      waiter.isCancelled = true
      input.remove(waiter)
      waiter.resume()
    }
  }

  private func remove(_ removed: InputWaiter) {
    guard waiting !== removed else {
      waiting = removed.next
      return
    }
    var waiter = waiting
    while let current = waiter {
      if current.next === removed { current.next = removed.next }
      waiter = current.next
    }
  }
}

/// A task that waits for input.
final class InputWaiter {
  var next: InputWaiter?
  var continuation: UnsafeContinuation<Void, Never>?
  var isCancelled = false

  func resume() {
    guard let continuation else { return }
    self.continuation = nil
    continuation.resume()
  }
}
