import CLinux

/// Why the benchmark cannot go on.
struct BenchmarkError: Error {
  let message: String

  init(_ message: String) {
    self.message = message
  }

  /// A system call failed, with `errno` saying why.
  init(call: String) {
    self.init("\(call): \(String(cString: strerror(linux_errno())))")
  }
}
