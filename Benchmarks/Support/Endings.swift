import CLinux

/// Writes a file of results.
package func write(_ text: String, to path: String) throws(BenchmarkError) {
  let descriptor = linux_open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o666)
  guard descriptor >= 0 else { throw BenchmarkError(call: "open \(path)") }
  defer { close(descriptor) }
  var text = text
  let isWritten = text.withUTF8 { CLinux.write(descriptor, $0.baseAddress, $0.count) == $0.count }
  guard isWritten else { throw BenchmarkError(call: "write \(path)") }
}

/// Says what is wrong, and ends the process.
package func fail(_ program: String, _ error: BenchmarkError, status: Int32) -> Never {
  var text = "\(program): \(error.message)\n"
  text.withUTF8 { _ = CLinux.write(STDERR_FILENO, $0.baseAddress, $0.count) }
  exit(status)
}
