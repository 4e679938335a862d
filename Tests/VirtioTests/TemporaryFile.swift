import CLinux
import KVM

/// A file that is gone when its owner is.
struct TemporaryFile: ~Copyable {
  let path: String
  /// Open for reading and writing, from the start.
  let descriptor: Int32

  init(_ content: [UInt8] = []) throws {
    var name = Array("/tmp/needletail-virtio-XXXXXX".utf8CString)
    descriptor = try valueOrErrno("mkstemp", mkstemp(&name))
    path = name.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
    try content.withUnsafeBytes { try FileDescriptor.writeAll($0, to: descriptor) }
    lseek(descriptor, 0, SEEK_SET)
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
