import CLinux

/// Runs work that hostile input could make endless or huge in a child process with limits, and takes over its words.
///
/// libdw is such work: small crafted images make it allocate without bound, run for hours, or end the process.
enum ConfinedChild {
  /// Processor seconds after which the child is killed.
  private static let processorLimit: UInt = 2
  /// Milliseconds without a word from the child after which it is killed: it may wait for what never comes, such as a file
  /// system that does not answer.
  private static let silenceLimit: Int32 = 10_000
  /// How much more memory than at the start the child may map, in bytes.
  private static let memoryLimit: UInt = 1 << 30
  /// As much as a child's words may be, in bytes: a backtrace of the longest names fits.
  private static let textLimit = 1 << 20

  /// What `work` returned; nil if the child ended in any other way than by returning it.
  static func run(_ work: () -> String) -> String? {
    var ends: (Int32, Int32) = (0, 0)
    let made = withUnsafeMutableBytes(of: &ends) {
      pipe2($0.baseAddress!.assumingMemoryBound(to: Int32.self), O_CLOEXEC)
    }
    guard made == 0 else { return nil }
    let child = fork()
    guard child != 0 else {
      close(ends.0)
      confine()
      var text = work()
      let isComplete = text.withUTF8 { writeAll($0, to: ends.1) }
      _exit(isComplete ? 0 : 1)
    }
    close(ends.1)
    defer { close(ends.0) }
    guard child > 0 else { return nil }
    let text = read(from: ends.0)
    // It may still be writing, if it had more to say than is taken.
    if text == nil { kill(child, SIGKILL) }
    var status: Int32 = 0
    var ended: pid_t
    repeat { ended = waitpid(child, &status, 0) } while ended < 0 && linux_errno() == EINTR
    // Words that were cut short are none.
    return ended == child && status == 0 ? text : nil
  }

  private static func confine() {
    for signal in [SIGINT, SIGTERM, SIGPIPE] { _ = linux_default_signal(signal) }
    // libdw says on standard error what our caller says better.
    close(STDERR_FILENO)
    var processor = rlimit(rlim_cur: processorLimit, rlim_max: processorLimit)
    linux_setrlimit_cpu(&processor)
    let mapped = mappedBytes() + memoryLimit
    var memory = rlimit(rlim_cur: mapped, rlim_max: mapped)
    linux_setrlimit_address_space(&memory)
  }

  /// The size of this process's address space: the first number in /proc/self/statm, in pages (proc(5)).
  private static func mappedBytes() -> UInt {
    let descriptor = linux_open("/proc/self/statm", O_RDONLY | O_CLOEXEC, 0)
    defer { close(descriptor) }
    var pages: UInt = 0
    withUnsafeTemporaryAllocation(byteCount: 64, alignment: 1) { buffer in
      let count = CLinux.read(descriptor, buffer.baseAddress, buffer.count)
      for byte in buffer.prefix(max(count, 0)) {
        guard 0x30...0x39 ~= byte else { break }
        pages = pages &* 10 &+ UInt(byte - 0x30)
      }
    }
    return pages &* 4096
  }

  private static func writeAll(_ bytes: UnsafeBufferPointer<UInt8>, to descriptor: Int32) -> Bool {
    var done = 0
    while done < bytes.count {
      let count = write(descriptor, bytes.baseAddress! + done, bytes.count - done)
      if count < 0 && linux_errno() != EINTR { return false }
      done += max(count, 0)
    }
    return true
  }

  /// All that comes; nil if that is nothing, or more than the limit.
  private static func read(from descriptor: Int32) -> String? {
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: textLimit, alignment: 1)
    defer { buffer.deallocate() }
    var length = 0
    while length < textLimit {
      var ready = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
      let isReady = poll(&ready, 1, silenceLimit)
      if isReady == 0 { return nil }
      if isReady < 0 && linux_errno() == EINTR { continue }
      let count = CLinux.read(descriptor, buffer.baseAddress! + length, textLimit - length)
      if count < 0 && linux_errno() == EINTR { continue }
      if count <= 0 { break }
      length += count
    }
    guard length > 0, length < textLimit else { return nil }
    return String(decoding: UnsafeRawBufferPointer(rebasing: buffer[..<length]), as: UTF8.self)
  }
}
