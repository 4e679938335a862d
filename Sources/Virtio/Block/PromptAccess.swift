import CLinux
import KVM

/// Reads and writes that end at once, on the thread that asks: what the page cache has or takes. For cached data this is cheaper
/// than any way of asking somebody else, and the driver finds the answer when its notification returns.
///
/// What is left of a request afterwards has to wait for the disk, and is an engine's.
struct PromptAccess {
  /// A write that took longer than this, in nanoseconds, waited: for the disk to catch up, or for the file system's journal.
  static let slowWrite: UInt64 = 1_000_000
  /// How many writes after a slow one go to the engine: the machine is not held up again soon.
  static let writesAfterSlow = 64

  /// How many bytes are moved promptly for one notification; what is more goes to the engine. Without it, one notification
  /// of a hostile driver could name a terabyte of cached data, copied while nothing else happens and no signal is heard.
  static let budgetLimit = 16 << 20
  private var budget = 0

  /// Flags of preadv2(2); nil if reads may wait.
  private var readFlags: Int32?
  /// Flags of pwritev2(2); nil if writes are never prompt.
  private var writeFlags: Int32?
  private var writesToEngine = 0

  private var large = LargeReads()

  /// Everything is left to the engine.
  static var none: PromptAccess { PromptAccess() }

  private init() {}

  init(to file: borrowing BlockFile) {
    // Past the page cache everything waits.
    guard file.direct == nil else { return }
    readFlags = file.isInMemory ? 0 : linux_rwf_nowait()
    writeFlags = linux_rwf_nowait()
  }

  /// A notification begins.
  mutating func begin() { budget = Self.budgetLimit }

  /// Whether a request is small enough for what is left to this notification; then it counts.
  private mutating func takeBudget(for request: BlockRequest) -> Bool {
    guard request.remaining <= budget else { return false }
    budget -= request.remaining
    return true
  }

  /// Whether a read is one of those that `read(_:from:)` for many may share with another processor.
  func isLarge(_ request: BlockRequest) -> Bool { readFlags != nil && request.remaining >= LargeReads.leastByteCount }

  /// Reads what is cached, of many requests that are large.
  mutating func read(_ requests: [BlockRequest], from file: borrowing BlockFile) {
    if let flags = readFlags, requests.count > 1 {
      let byteCount = requests.reduce(0) { $0 + $1.remaining }
      if byteCount <= budget, large.read(requests, byteCount: byteCount, from: file, flags: flags) {
        budget -= byteCount
      }
    }
    // What is left of them, if that was not all.
    for request in requests { read(request, from: file) }
  }

  /// Nothing is read any more before `begin`.
  mutating func stop() { large.partner = nil }

  /// Reads what is cached.
  mutating func read(_ request: BlockRequest, from file: borrowing BlockFile) {
    guard readFlags != nil, takeBudget(for: request) else { return }
    while request.remaining > 0, let flags = readFlags {
      let memory = request.memory
      let count = preadv2(file.descriptor.rawValue, memory.baseAddress, Int32(memory.count), request.offset, flags)
      if count > 0 {
        request.advance(by: count)
        continue
      }
      if count < 0, linux_errno() == EOPNOTSUPP { readFlags = nil }
      // Also at the file's end or after an error: the engine meets that again, and reports it.
      return
    }
  }

  /// Writes what the page cache takes.
  mutating func write(_ request: BlockRequest, to file: borrowing BlockFile) {
    if writesToEngine > 0 {
      writesToEngine -= 1
      return
    }
    guard writeFlags != nil, takeBudget(for: request) else { return }
    while request.remaining > 0, let flags = writeFlags {
      let start = ThreadTime.nanoseconds(CLOCK_MONOTONIC)
      let memory = request.memory
      let count = pwritev2(file.descriptor.rawValue, memory.baseAddress, Int32(memory.count), request.offset, flags)
      if count > 0 {
        request.advance(by: count)
        if ThreadTime.nanoseconds(CLOCK_MONOTONIC) - start > Self.slowWrite {
          writesToEngine = Self.writesAfterSlow
          return
        }
        continue
      }
      // Not every file system can say that it would have to wait; then it may, and what that costs is watched.
      guard count < 0, linux_errno() == EOPNOTSUPP, flags != 0 else { return }
      writeFlags = 0
    }
  }
}
