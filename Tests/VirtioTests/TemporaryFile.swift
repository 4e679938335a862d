import CLinux
import KVM

/// A file that is gone when its owner is.
final class TemporaryFile {
  let path: String
  /// Open for reading and writing, from the start.
  let descriptor: Int32

  convenience init(_ content: [UInt8] = []) throws {
    var name = Array("/tmp/needletail-virtio-XXXXXX".utf8CString)
    self.init(descriptor: try valueOrErrno("mkstemp", mkstemp(&name)), path: name)
    try content.withUnsafeBytes { try FileDescriptor.writeAll($0, to: descriptor) }
    lseek(descriptor, 0, SEEK_SET)
  }

  private init(descriptor: Int32, path: [CChar]) {
    self.descriptor = descriptor
    self.path = path.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
  }

  deinit {
    close(descriptor)
    unlink(path)
  }

  /// The first `limit` bytes of it, or all that there are.
  func bytes(limit: Int = 1 << 20) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: limit)
    let count = pread(descriptor, &bytes, limit, 0)
    return Array(bytes[..<max(count, 0)])
  }
}
