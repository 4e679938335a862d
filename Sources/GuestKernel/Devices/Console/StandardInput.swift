#if !hasFeature(Embedded)
  import Glibc
  import Synchronization

  /// Standard input as the console of the hosted build. A terminal edits and echoes by itself there.
  final class StandardInput: Sendable {
    private struct State {
      var lines: LineBuffer
      /// A thread is reading.
      var isReading = false
      var waiting: [Waiter] = []
    }

    private final class Waiter: Sendable {
      let continuation = Mutex<UnsafeContinuation<Void, Never>?>(nil)

      func resume() {
        continuation.withLock { continuation in
          defer { continuation = nil }
          return continuation
        }?.resume()
      }
    }

    private let state: Mutex<State>
    private let descriptor: Int32

    init(descriptor: Int32, maximumLineLength: Int) {
      self.descriptor = descriptor
      state = Mutex(State(lines: LineBuffer(maximumLength: maximumLineLength, isTerminal: false)))
    }

    func withLines<Result: Sendable>(_ body: (inout LineBuffer) -> Result) -> Result {
      state.withLock { body(&$0.lines) }
    }

    /// Returns when something has arrived, the input has ended, or the task is cancelled.
    nonisolated(nonsending) func wait() async {
      let waiter = Waiter()
      await withTaskCancellationHandler {
        await withUnsafeContinuation { (continuation: UnsafeContinuation<Void, Never>) in
          waiter.continuation.withLock { $0 = continuation }
          let mustWait = state.withLock { state in
            // A cancellation that came before this line found no continuation; one that comes later finds it.
            guard !state.lines.hasInput, !Task.isCancelled else { return false }
            state.waiting.append(waiter)
            return true
          }
          if mustWait { startReading() } else { waiter.resume() }
        }
      } onCancel: {
        state.withLock { $0.waiting.removeAll { $0 === waiter } }
        waiter.resume()
      }
    }

    /// Reads once, on a thread of its own: read(2) cannot be awaited, and must not hold up other tasks.
    private func startReading() {
      let isReading = state.withLock { state in
        defer { state.isReading = true }
        return state.isReading
      }
      guard !isReading else { return }
      var thread = pthread_t()
      let result = pthread_create(
        &thread, nil,
        { argument in
          Unmanaged<StandardInput>.fromOpaque(argument!).takeRetainedValue().readOnce()
          return nil
        }, Unmanaged.passRetained(self).toOpaque())
      guard result == 0 else { fatalError("pthread_create: error \(result)") }
      pthread_detach(thread)
    }

    private func readOnce() {
      withUnsafeTemporaryAllocation(byteCount: 4096, alignment: 1) { buffer in
        var count: Int
        repeat { count = read(descriptor, buffer.baseAddress, buffer.count) } while count < 0 && errno == EINTR
        let waiting = state.withLock { state in
          if count > 0 {
            state.lines.append(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
          } else {
            state.lines.end()
          }
          state.isReading = false
          defer { state.waiting = [] }
          return state.waiting
        }
        for waiter in waiting { waiter.resume() }
      }
    }
  }

  extension Console {
    private static let input = StandardInput(descriptor: STDIN_FILENO, maximumLineLength: maximumLineLength)

    /// Whether somebody at a terminal is waiting for an answer: whether a prompt makes sense.
    public static var isInteractive: Bool { isatty(STDIN_FILENO) == 1 }

    static func takeLine() -> LineBuffer.Outcome {
      input.withLines { $0.takeLine { _ in } }
    }

    static func take(into bytes: UnsafeMutableRawBufferPointer) -> (count: Int, hasEnded: Bool) {
      nonisolated(unsafe) let bytes = bytes
      return input.withLines { lines in (lines.take(into: bytes), lines.hasEnded) }
    }

    static nonisolated(nonsending) func waitForInput() async {
      await input.wait()
    }
  }
#endif
