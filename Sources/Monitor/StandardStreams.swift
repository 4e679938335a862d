import CLinux
import KVM

/// The three descriptors that every process starts with.
enum StandardStreams {
  /// Points those that are closed at /dev/null: else the next file opened would get the number, and the guest's output.
  static func open() {
    var streams = InlineArray<3, pollfd> { pollfd(fd: Int32($0), events: 0, revents: 0) }
    var span = streams.mutableSpan
    _ = span.withUnsafeMutableBufferPointer { poll($0.baseAddress, nfds_t($0.count), 0) }
    for index in 0..<3 where Int32(streams[index].revents) & POLLNVAL != 0 {
      _ = linux_open("/dev/null", O_RDWR, 0)  // the lowest number that is free
    }
  }
}

/// What the monitor itself says.
enum StandardError {
  /// Writes all of `text` at once, so that the lines of monitors running side by side stay whole.
  static func write(_ text: String) {
    // Nobody is left to tell if this fails.
    _ = writeAll(text, to: STDERR_FILENO)
  }
}

enum StandardOutput {
  /// Writes all of `text`; false, with a line on standard error, if that failed.
  static func write(_ text: String) -> Bool {
    guard let error = writeAll(text, to: STDOUT_FILENO) else { return true }
    StandardError.write("needletail: standard output: \(error.description)\n")
    return false
  }
}

private func writeAll(_ text: String, to descriptor: Int32) -> SystemCallError? {
  var text = text
  return text.withUTF8 { bytes in
    do throws(SystemCallError) {
      try FileDescriptor.writeAll(UnsafeRawBufferPointer(bytes), to: descriptor)
      return nil
    } catch {
      return error
    }
  }
}
