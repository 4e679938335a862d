import CLinux
import KVM
import MachineABI

/// A second thread for a batch of large reads that the page cache can answer: copying is all there is to them, and two
/// processors copy more than one.
///
/// Who has the batch and the partner both take reads from it, one at a time, until none is left. So nothing waits for the
/// partner to wake, and where no processor is free for it, it takes nothing. It never takes the device lock.
final class ReadPartner: @unchecked Sendable {
  /// Reads into memory that stays, and is nobody else's to free, until `perform` has returned.
  struct Read {
    var offset: Int
    var vectors: UnsafeMutableBufferPointer<iovec>
    /// How many bytes were read; not positive where none were.
    var count = 0
  }

  private let file: Int32
  private let lock: UnsafeMutablePointer<pthread_mutex_t>
  /// There are reads to take, or the end.
  private let wake: UnsafeMutablePointer<pthread_cond_t>
  /// The partner has done the read that it took.
  private let idle: UnsafeMutablePointer<pthread_cond_t>
  // Guarded by `lock`.
  /// Those before `taken` have been taken, by whoever it was, who alone uses them from then on.
  private var reads: UnsafeMutableBufferPointer<Read> = .init(start: nil, count: 0)
  private var taken = 0
  private var flags: Int32 = 0
  /// The partner works on a read.
  private var isBusy = false
  private var isAwaited = false
  private var isEnding = false
  // Set once, before anybody else can know this object.
  private var thread = pthread_t()

  /// - Parameter file: stays open longer than this exists.
  /// - Throws: EAGAIN where there are too many threads.
  init(file: Int32) throws(SystemCallError) {
    self.file = file
    lock = .allocate(capacity: 1)
    pthread_mutex_init(lock, nil)
    wake = .allocate(capacity: 1)
    pthread_cond_init(wake, nil)
    idle = .allocate(capacity: 1)
    pthread_cond_init(idle, nil)
    // The thread holds no reference: it ends before this object does.
    let result = linux_start_thread(
      &thread,
      { argument in
        Unmanaged<ReadPartner>.fromOpaque(argument!).takeUnretainedValue().run()
        return nil
      }, Unmanaged.passUnretained(self).toOpaque())
    guard result == 0 else {
      isEnding = true
      throw SystemCallError("pthread_create", code: result)
    }
  }

  deinit {
    if !isEnding {
      locked {
        isEnding = true
        pthread_cond_signal(wake)
      }
      pthread_join(thread, nil)
    }
    pthread_cond_destroy(idle)
    idle.deallocate()
    pthread_cond_destroy(wake)
    wake.deallocate()
    pthread_mutex_destroy(lock)
    lock.deallocate()
  }

  /// Does reads with the partner's help; all of them are done when it returns.
  ///
  /// - Parameter flags: preadv2(2)'s.
  /// - Returns: false if the partner was kept from its processor, and had to be waited for: others want it.
  func perform(_ reads: UnsafeMutableBufferPointer<Read>, flags: Int32) -> Bool {
    locked {
      self.reads = reads
      self.flags = flags
      taken = 0
      pthread_cond_signal(wake)
    }
    while let index = locked({ takeRead() }) { perform(&reads[index], flags) }
    return awaitPartner()
  }

  /// Returns when the partner works on nothing any more; false if that took long.
  private func awaitPartner() -> Bool {
    // What it has taken is done soon, if it has a processor: sooner than this thread would sleep and wake again.
    for _ in 0..<Self.looksBeforeSleep {
      guard locked({ isBusy }) else { return true }
      for _ in 0..<Self.pausesBetweenLooks { virtq_pause() }
    }
    locked {
      isAwaited = true
      while isBusy { pthread_cond_wait(idle, lock) }
      isAwaited = false
    }
    return false
  }

  /// Together some 300 µs, several times what reading 128 KiB takes on a processor of one's own. Not to look all the time
  /// leaves the lock to the partner.
  private static let looksBeforeSleep = 300
  private static let pausesBetweenLooks = 16

  private func run() {
    while let index = locked({ awaitRead() }) {
      // Nobody changes these while the partner has a read of theirs.
      perform(&reads[index], flags)
      locked {
        isBusy = false
        if isAwaited { pthread_cond_signal(idle) }
      }
    }
  }

  /// With the lock held, on the partner's thread: the next read for it; nil at the end.
  private func awaitRead() -> Int? {
    while !isEnding {
      if let index = takeRead() {
        isBusy = true
        return index
      }
      pthread_cond_wait(wake, lock)
    }
    return nil
  }

  /// With the lock held.
  private func takeRead() -> Int? {
    guard taken < reads.count else { return nil }
    taken += 1
    return taken - 1
  }

  private func perform(_ read: inout Read, _ flags: Int32) {
    read.count = preadv2(file, read.vectors.baseAddress, Int32(read.vectors.count), read.offset, flags)
  }

  private func locked<Result>(_ body: () -> Result) -> Result {
    pthread_mutex_lock(lock)
    defer { pthread_mutex_unlock(lock) }
    return body()
  }
}
