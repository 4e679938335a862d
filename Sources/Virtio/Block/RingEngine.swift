import CLinux
import CURing
import KVM

/// Operations through io_uring.
///
/// The thread that watches `eventDescriptor` submits them, not the vCPU's: completions interrupt the thread that submitted, and
/// on the vCPU's each of them would be an exit to the monitor.
final class RingEngine: BlockEngine {
  let eventDescriptor: Int32
  private let file: Int32
  private let ring: UnsafeMutablePointer<io_uring>
  private var underWay = 0
  /// What was added and is not in the ring yet.
  private var added: [BlockOperation] = []

  /// So many bytes are submitted at once. Of what comes together the kernel makes requests that are as long as the disk takes, and
  /// one that is all of a batch begins late, ends late, and has none beside it. docs/performance.md, "Disks".
  private static let submissionByteCount = 512 << 10

  /// - Parameters:
  ///   - file: stays open longer than the engine exists.
  ///   - capacity: how many operations may be under way.
  /// - Throws: EPERM or ENOSYS where io_uring is forbidden or unknown, ENOMEM where little memory may be locked.
  init(file: Int32, capacity: Int) throws(SystemCallError) {
    // In variables first: once every property has its value, throwing runs `deinit`, which would end all this a second time.
    let event = try valueOrErrno("eventfd", eventfd(0, Int32(EFD_CLOEXEC) | Int32(EFD_NONBLOCK)))
    let made = UnsafeMutablePointer<io_uring>.allocate(capacity: 1)
    made.initialize(to: io_uring())
    var result = io_uring_queue_init(UInt32(capacity), made, 0)
    if result == 0 {
      // Not the variant for asynchronous completions only: of those, it tells only what kernel workers did.
      result = io_uring_register_eventfd(made, event)
      if result < 0 { io_uring_queue_exit(made) }
    }
    guard result == 0 else {
      made.deallocate()
      close(event)
      throw SystemCallError("io_uring_setup", code: -result)
    }
    self.file = file
    eventDescriptor = event
    ring = made
  }

  deinit {
    precondition(underWay == 0, "the engine is drained before it ends")
    io_uring_queue_exit(ring)
    ring.deallocate()
    close(eventDescriptor)
  }

  func add(_ operation: BlockOperation) {
    added.append(operation)
    underWay += 1
  }

  private func prepare(_ operation: BlockOperation) {
    guard let entry = io_uring_get_sqe(ring) else { preconditionFailure("as many operations as the ring has entries") }
    let vectors = operation.vectors
    let file = operation.otherFile ?? file
    switch operation.kind {
    case .read:
      io_uring_prep_readv(entry, file, vectors.baseAddress, UInt32(vectors.count), UInt64(operation.offset))
    case .write:
      io_uring_prep_writev(entry, file, vectors.baseAddress, UInt32(vectors.count), UInt64(operation.offset))
    case .durableWrite:
      io_uring_prep_writev2(
        entry, file, vectors.baseAddress, UInt32(vectors.count), UInt64(operation.offset), linux_rwf_dsync())
    case .flush:
      io_uring_prep_fsync(entry, file, UInt32(IORING_FSYNC_DATASYNC))
    case .deallocate, .zero:
      io_uring_prep_fallocate(entry, file, operation.allocationMode, operation.offset, operation.length)
    }
    io_uring_sqe_set_data64(entry, UInt64(operation.tag))
  }

  func handOver() {
    var one: UInt64 = 1
    _ = write(eventDescriptor, &one, MemoryLayout<UInt64>.size)
  }

  func handOverHere() { submit() }

  func service(_ ended: (_ tag: Int, _ result: Int32) -> Void) {
    var count: UInt64 = 0
    _ = read(eventDescriptor, &count, MemoryLayout<UInt64>.size)
    submit()
    reap(ended)
    // What `ended` added goes with the completions, without another turn of the loop.
    submit()
  }

  func drain() {
    submit()
    while underWay > 0 {
      if io_uring_sq_ready(ring) > 0 {
        // The kernel lacks memory for these; it may have nothing under way that would end and wake us.
        _ = poll(nil, 0, 1)
      } else {
        var entry: UnsafeMutablePointer<io_uring_cqe>?
        // Interrupted by signals, and by nothing else while the ring is whole.
        _ = io_uring_wait_cqe(ring, &entry)
      }
      reap { _, _ in }
      submit()
    }
  }

  private func submit() {
    var byteCount = 0
    for operation in added {
      prepare(operation)
      for vector in operation.vectors { byteCount += vector.iov_len }
      guard byteCount >= Self.submissionByteCount else { continue }
      byteCount = 0
      submitPrepared()
    }
    added.removeAll(keepingCapacity: true)
    submitPrepared()
  }

  private func submitPrepared() {
    // More than one turn when an entry is refused: the kernel stops behind it.
    while io_uring_sq_ready(ring) > 0 {
      let result = io_uring_submit(ring)
      if result == -EINTR { continue }
      if result <= 0 {
        // The kernel lacks memory for a moment; the entries stay, and the next turn of the loop tries again.
        handOver()
        return
      }
    }
  }

  private func reap(_ ended: (_ tag: Int, _ result: Int32) -> Void) {
    var entry: UnsafeMutablePointer<io_uring_cqe>?
    while io_uring_peek_cqe(ring, &entry) == 0, let completion = entry {
      let tag = Int(io_uring_cqe_get_data64(completion))
      let result = completion.pointee.res
      io_uring_cqe_seen(ring, completion)
      underWay -= 1
      ended(tag, result)
    }
  }
}
