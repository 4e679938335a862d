import CLinux

/// An open file, closed when its owner is done with it.
public struct FileDescriptor: ~Copyable, Sendable {
  /// The number that the kernel knows the file by; valid as long as this value lives.
  public let rawValue: Int32

  /// Takes ownership of an open descriptor.
  public init(owning rawValue: Int32) {
    self.rawValue = rawValue
  }

  deinit {
    // The result is of no use: Linux has released the descriptor even if it reports an error (close(2), "Dealing with error returns").
    _ = close(rawValue)
  }

  /// Opens a file. The corresponding C function is `open`; `O_CLOEXEC` is always added.
  public init(opening path: String, flags: Int32) throws(SystemCallError) {
    var result: Int32
    repeat {
      result = linux_open(path, flags | O_CLOEXEC, 0)
    } while result < 0 && linux_errno() == EINTR
    self.rawValue = try valueOrErrno("open", path: path, result)
  }

  /// Creates or truncates a file for writing, with permissions 0666 less the umask.
  public init(creating path: String) throws(SystemCallError) {
    let result = linux_open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o666)
    self.rawValue = try valueOrErrno("open", path: path, result)
  }

  /// What `fstat` says of the file.
  public func status() throws(SystemCallError) -> stat {
    var status = stat()
    _ = try valueOrErrno("fstat", fstat(rawValue, &status))
    return status
  }

  /// Reads at `offset` until `buffer` is full or the file ends; returns how many bytes were read.
  public func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws(SystemCallError) -> Int {
    var done = 0
    while done < buffer.count {
      let count = pread(rawValue, buffer.baseAddress! + done, buffer.count - done, offset + done)
      if count < 0 {
        let code = linux_errno()
        if code == EINTR { continue }
        throw SystemCallError("read", code: code)
      }
      if count == 0 { break }
      done += count
    }
    return done
  }

  /// Writes all of `bytes` to an open descriptor that stays the caller's, such as standard output.
  ///
  /// - Parameter stopFlag: a byte that a signal handler sets to end the writing: it then throws EINTR.
  public static func writeAll(
    _ bytes: UnsafeRawBufferPointer, to descriptor: Int32, stopFlag: UnsafePointer<UInt8>? = nil
  ) throws(SystemCallError) {
    var done = 0
    while done < bytes.count {
      let count = write(descriptor, bytes.baseAddress! + done, bytes.count - done)
      if count < 0 {
        let code = linux_errno()
        if code == EINTR, stopFlag == nil || stopFlag!.pointee == 0 { continue }
        if code == EAGAIN {
          // Somebody made the descriptor non-blocking (a terminal shared with another program): wait as a blocking one would.
          var ready = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
          _ = poll(&ready, 1, -1)
          if let stopFlag, stopFlag.pointee != 0 { throw SystemCallError("write", code: EINTR) }
          continue
        }
        throw SystemCallError("write", code: code)
      }
      done += count
    }
  }
}
