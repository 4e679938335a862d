import CLinux
import KVM

/// Operations on a few threads, for hosts where io_uring is forbidden, as it is in many containers.
final class ThreadEngine: BlockEngine, @unchecked Sendable {
  /// How many threads there are at most: enough to keep a disk's own queue busy, few enough to cost little.
  static let threadLimit = 4

  private struct Completion {
    var tag: Int
    var result: Int32
  }

  let eventDescriptor: Int32
  private let file: Int32
  // Guarded by `lock`, from here on; the device lock may be held when it is taken, never the other way round.
  private let lock: UnsafeMutablePointer<pthread_mutex_t>
  /// There is work, or the end.
  private let wake: UnsafeMutablePointer<pthread_cond_t>
  /// Nothing is under way any more.
  private let idle: UnsafeMutablePointer<pthread_cond_t>
  /// A ring of the operations that no thread has taken yet.
  private var pending: [BlockOperation?]
  private var firstPending = 0
  private var pendingCount = 0
  private var underWay = 0
  private var completions: [Completion] = []
  private var isEnding = false
  // The device lock guards these.
  private var threads: [pthread_t] = []
  private var added = 0

  /// - Parameters:
  ///   - file: stays open longer than the engine exists.
  ///   - capacity: how many operations may be under way.
  init(file: Int32, capacity: Int) throws(SystemCallError) {
    self.file = file
    eventDescriptor = try valueOrErrno("eventfd", eventfd(0, Int32(EFD_CLOEXEC) | Int32(EFD_NONBLOCK)))
    lock = .allocate(capacity: 1)
    pthread_mutex_init(lock, nil)
    wake = .allocate(capacity: 1)
    pthread_cond_init(wake, nil)
    idle = .allocate(capacity: 1)
    pthread_cond_init(idle, nil)
    pending = [BlockOperation?](repeating: nil, count: capacity)
    completions.reserveCapacity(capacity)
  }

  deinit {
    // The threads hold no reference: they end here, before what they use does.
    locked {
      precondition(underWay == 0, "the engine is drained before it ends")
      isEnding = true
      pthread_cond_broadcast(wake)
    }
    for thread in threads { pthread_join(thread, nil) }
    pthread_cond_destroy(idle)
    idle.deallocate()
    pthread_cond_destroy(wake)
    wake.deallocate()
    pthread_mutex_destroy(lock)
    lock.deallocate()
    close(eventDescriptor)
  }

  func add(_ operation: BlockOperation) {
    added += 1
    locked {
      precondition(pendingCount < pending.count, "no more operations than the engine's capacity")
      pending[(firstPending + pendingCount) % pending.count] = operation
      pendingCount += 1
      underWay += 1
    }
  }

  func handOver() {
    while threads.count < min(added, Self.threadLimit), startThread() {}
    added = 0
    if threads.isEmpty {
      // No thread is to be had: the work is done here, and its caller waits.
      while let operation = locked({ takePending() }) { finish(operation, perform(operation)) }
      return
    }
    locked { _ = pthread_cond_broadcast(wake) }
  }

  func service(_ ended: (_ tag: Int, _ result: Int32) -> Void) {
    var count: UInt64 = 0
    _ = read(eventDescriptor, &count, MemoryLayout<UInt64>.size)
    var batch: [Completion] = []
    batch.reserveCapacity(pending.count)
    locked { swap(&batch, &completions) }
    for completion in batch { ended(completion.tag, completion.result) }
    if added > 0 { handOver() }
  }

  func drain() {
    if added > 0 { handOver() }
    locked {
      while underWay > 0 { pthread_cond_wait(idle, lock) }
      completions.removeAll(keepingCapacity: true)
    }
  }

  // MARK: On the threads

  private func run() {
    while true {
      var taken: BlockOperation?
      locked {
        taken = takePending()
        while taken == nil, !isEnding {
          pthread_cond_wait(wake, lock)
          taken = takePending()
        }
      }
      guard let operation = taken else { return }
      finish(operation, perform(operation))
    }
  }

  private func finish(_ operation: BlockOperation, _ result: Int32) {
    var isFirst = false
    locked {
      isFirst = completions.isEmpty
      completions.append(Completion(tag: operation.tag, result: result))
      underWay -= 1
      // One tells enough for all until they are taken.
      if isFirst {
        var one: UInt64 = 1
        _ = write(eventDescriptor, &one, MemoryLayout<UInt64>.size)
      }
      if underWay == 0 { pthread_cond_broadcast(idle) }
    }
  }

  /// Does one operation, for as long as it takes; returns what it moved or the negated error number.
  private func perform(_ operation: BlockOperation) -> Int32 {
    let vectors = UnsafePointer(operation.vectors.baseAddress)
    let count = Int32(operation.vectors.count)
    let file = operation.otherFile ?? file
    while true {
      let result =
        switch operation.kind {
        case .read: preadv2(file, vectors, count, operation.offset, 0)
        case .write: pwritev2(file, vectors, count, operation.offset, 0)
        case .durableWrite: pwritev2(file, vectors, count, operation.offset, linux_rwf_dsync())
        case .flush: Int(fdatasync(file))
        case .deallocate, .zero: Int(fallocate(file, operation.allocationMode, operation.offset, operation.length))
        }
      if result >= 0 { return Int32(clamping: result) }
      let code = linux_errno()
      if code != EINTR { return -code }
    }
  }

  // MARK:

  /// With the lock held.
  private func takePending() -> BlockOperation? {
    guard pendingCount > 0 else { return nil }
    let operation = pending[firstPending]
    pending[firstPending] = nil
    firstPending = (firstPending + 1) % pending.count
    pendingCount -= 1
    return operation
  }

  private func startThread() -> Bool {
    var created = pthread_t()
    let result = linux_start_thread(
      &created,
      { argument in
        Unmanaged<ThreadEngine>.fromOpaque(argument!).takeUnretainedValue().run()
        return nil
      }, Unmanaged.passUnretained(self).toOpaque())
    if result == 0 { threads.append(created) }
    return result == 0
  }

  private func locked<Result>(_ body: () -> Result) -> Result {
    pthread_mutex_lock(lock)
    defer { pthread_mutex_unlock(lock) }
    return body()
  }
}
