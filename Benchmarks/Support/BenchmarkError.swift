import CLinux

/// Why the benchmark cannot go on.
package struct BenchmarkError: Error {
  package let message: String

  package init(_ message: String) {
    self.message = message
  }

  /// A system call failed, with `errno` saying why.
  package init(call: String) {
    self.init("\(call): \(String(cString: strerror(linux_errno())))")
  }
}
