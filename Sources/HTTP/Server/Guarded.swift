#if !hasFeature(Embedded)
  import Synchronization
#endif

/// A value that any task may change, one after the other.
///
/// A machine has one processor and no preemption: nothing comes between the lines of `withLock` there. An ordinary process
/// has threads.
final class Guarded<Value>: @unchecked Sendable {
  #if hasFeature(Embedded)
    private var value: Value

    init(_ value: Value) { self.value = value }

    func withLock<Result>(_ body: (inout Value) -> Result) -> Result { body(&value) }
  #else
    private let value: Mutex<Value>

    init(_ value: sending Value) { self.value = Mutex(value) }

    func withLock<Result>(_ body: (inout Value) -> Result) -> Result {
      value.withLock { value in
        // Nothing leaves that the caller would not have from elsewhere.
        nonisolated(unsafe) let result = body(&value)
        return result
      }
    }
  #endif
}
