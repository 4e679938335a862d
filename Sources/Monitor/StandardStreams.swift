import CLinux
import KVM

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
