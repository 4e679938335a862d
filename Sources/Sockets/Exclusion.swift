#if !hasFeature(Embedded)
  import Glibc
  import GuestKernel

  /// A lock that is taken and given back in two places, which `Mutex` does not allow. Never held across a suspension.
  final class Exclusion: @unchecked Sendable {
    // Where it is must not change.
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)

    init() { pthread_mutex_init(mutex, nil) }

    deinit {
      pthread_mutex_destroy(mutex)
      mutex.deallocate()
    }

    func lock() { pthread_mutex_lock(mutex) }
    func unlock() { pthread_mutex_unlock(mutex) }
  }
#endif
