import CLinux

/// The standard streams of what is measured: nothing to read, standard output to nobody or through a pipe, standard error
/// through a pipe.
package final class Streams {
  private let null: Int32
  package let output: Pipe?
  package let errors: Pipe
  private var actions = posix_spawn_file_actions_t()

  /// - Parameter outputWaits: whether reading standard output, if it is captured, waits for some.
  package init(capturesOutput: Bool = false, outputWaits: Bool = true) throws(BenchmarkError) {
    null = linux_open("/dev/null", O_RDWR | O_CLOEXEC, 0)
    guard null >= 0 else { throw BenchmarkError(call: "open /dev/null") }
    // Not blocking, because what comes out is read after the process's end, when there may be nothing.
    errors = try Pipe(flags: O_CLOEXEC | O_NONBLOCK)
    output = capturesOutput ? try Pipe(flags: outputWaits ? O_CLOEXEC : O_CLOEXEC | O_NONBLOCK) : nil
    posix_spawn_file_actions_init(&actions)
    posix_spawn_file_actions_adddup2(&actions, null, STDIN_FILENO)
    posix_spawn_file_actions_adddup2(&actions, output?.writeEnd ?? null, STDOUT_FILENO)
    posix_spawn_file_actions_adddup2(&actions, errors.writeEnd, STDERR_FILENO)
  }

  deinit {
    posix_spawn_file_actions_destroy(&actions)
    close(null)
    errors.close()
    output?.close()
  }

  package func withActions(_ body: (UnsafePointer<posix_spawn_file_actions_t>) -> Int32) -> Int32 {
    body(&actions)
  }

  /// What ended processes have written to standard output since the last call, up to what a pipe holds. Only for output that
  /// does not wait.
  package func takeOutput() -> [UInt8] {
    guard let output else { return [] }
    return Self.take(from: output, limit: 1 << 16)
  }

  /// What ended processes have written to standard error since the last call, up to 8 KiB: a report has 1 KiB, and what this
  /// process has resident is the least that it sees of a child's peak.
  package func takeErrors() -> [UInt8] {
    Self.take(from: errors, limit: 8192)
  }

  private static func take(from pipe: Pipe, limit: Int) -> [UInt8] {
    var bytes: [UInt8] = []
    withUnsafeTemporaryAllocation(byteCount: limit, alignment: 1) { buffer in
      let count = read(pipe.readEnd, buffer.baseAddress, buffer.count)
      if count > 0 { bytes.append(contentsOf: UnsafeRawBufferPointer(rebasing: buffer[..<count])) }
    }
    return bytes
  }
}

/// Both ends of a pipe.
package struct Pipe {
  package let readEnd: Int32
  package let writeEnd: Int32

  package init(flags: Int32) throws(BenchmarkError) {
    var ends: (Int32, Int32) = (0, 0)
    let result = withUnsafeMutableBytes(of: &ends) {
      pipe2($0.baseAddress!.assumingMemoryBound(to: Int32.self), flags)
    }
    guard result == 0 else { throw BenchmarkError(call: "pipe2") }
    (readEnd, writeEnd) = ends
  }

  package func close() {
    _ = CLinux.close(readEnd)
    _ = CLinux.close(writeEnd)
  }
}
