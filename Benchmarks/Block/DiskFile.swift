import BenchmarkSupport
import CLinux

/// The file that is the disk.
final class DiskFile {
  private let descriptor: Int32
  let byteCount: Int

  init(_ path: String) throws(BenchmarkError) {
    descriptor = linux_open(path, O_RDWR | O_CLOEXEC, 0)
    guard descriptor >= 0 else { throw BenchmarkError(call: "open \(path)") }
    let end = lseek(descriptor, 0, SEEK_END)
    // Both sides then have whole blocks of every size.
    byteCount = Int(end) & ~(Self.unit - 1)
    guard byteCount > 0 else { throw BenchmarkError("\(path) has \(end) bytes; expected some 100 MiB") }
  }

  deinit { close(descriptor) }

  private static let unit = 1 << 20

  /// Nothing is left to be written, and all of it is in the page cache, or nothing.
  func prepare(isCached: Bool) throws(BenchmarkError) {
    guard fdatasync(descriptor) == 0 else { throw BenchmarkError(call: "fdatasync") }
    guard isCached else {
      _ = posix_fadvise(descriptor, 0, 0, POSIX_FADV_DONTNEED)
      return
    }
    var offset = 0
    while offset < byteCount {
      let count = withUnsafeTemporaryAllocation(byteCount: Self.unit, alignment: 1) {
        pread(descriptor, $0.baseAddress, $0.count, offset)
      }
      guard count > 0 else { throw BenchmarkError(call: "read the disk") }
      offset += count
    }
  }
}

/// A small file's contents, up to 64 KiB.
func readFile(_ path: String) throws(BenchmarkError) -> [UInt8] {
  let descriptor = linux_open(path, O_RDONLY | O_CLOEXEC, 0)
  guard descriptor >= 0 else { throw BenchmarkError(call: "open \(path)") }
  defer { close(descriptor) }
  return [UInt8](unsafeUninitializedCapacity: 1 << 16) { buffer, count in
    count = max(read(descriptor, buffer.baseAddress, buffer.count), 0)
  }
}
