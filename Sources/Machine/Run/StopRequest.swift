import CLinux

/// Stops a machine from another thread than the one that it runs on, as the devices' thread does for a network that is required.
///
/// What stops a machine is its flag (KVM API, 5, `immediate_exit`) and a signal that interrupts whatever its thread waits in.
final class StopRequest: @unchecked Sendable {
  // Guarded by `lock`.
  private let lock: UnsafeMutablePointer<pthread_mutex_t>
  private var isMade = false
  private var target: (thread: pthread_t, flag: UnsafeMutablePointer<UInt8>)?

  init() {
    lock = .allocate(capacity: 1)
    pthread_mutex_init(lock, nil)
  }

  deinit {
    pthread_mutex_destroy(lock)
    lock.deallocate()
  }

  /// Asks for the stop, on any thread. A machine that does not run yet stops as soon as it does.
  func make() {
    locked {
      isMade = true
      guard let target else { return }
      target.flag.pointee = 1
      pthread_kill(target.thread, linux_stop_signal())
    }
  }

  /// The calling thread runs a machine from here to `release()`.
  ///
  /// - Parameter flag: stops it when it is set.
  func serve(settingFlag flag: UnsafeMutablePointer<UInt8>) {
    // Without SA_RESTART: what waits is to return.
    _ = linux_sigaction(linux_stop_signal(), { _ in }, 0)
    locked {
      target = (pthread_self(), flag)
      if isMade { flag.pointee = 1 }
    }
  }

  /// The machine has ended.
  ///
  /// - Returns: whether the stop was asked for.
  func release() -> Bool {
    locked {
      target = nil
      return isMade
    }
  }

  private func locked<Result>(_ body: () -> Result) -> Result {
    pthread_mutex_lock(lock)
    defer { pthread_mutex_unlock(lock) }
    return body()
  }
}
