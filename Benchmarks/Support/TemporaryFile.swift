import CLinux

/// A file that is gone when its owner is done with it.
package final class TemporaryFile {
  package let path: String

  package init(_ content: [UInt8]) throws(BenchmarkError) {
    var template = Array("/tmp/needletail-benchmark.XXXXXX\0".utf8)
    var descriptor: Int32 = -1
    path = template.withUnsafeMutableBytes { bytes in
      let name = bytes.baseAddress!.assumingMemoryBound(to: CChar.self)
      descriptor = mkstemp(name)
      return String(cString: name)
    }
    guard descriptor >= 0 else { throw BenchmarkError(call: "mkstemp") }
    defer { close(descriptor) }
    let count = content.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
    guard count == content.count else { throw BenchmarkError(call: "write \(path)") }
  }

  deinit {
    unlink(path)
  }
}
