import CLinux
import KVM
import MachineABI

/// An image's file, open for reading, and its first page.
struct ImageFile: ~Copyable, Sendable {
  let descriptor: FileDescriptor
  /// In bytes, above zero, when it was opened.
  let size: UInt64

  /// Opens a regular file that is not empty.
  init(opening path: String) throws(ImageError) {
    let file: FileDescriptor
    do {
      // O_NONBLOCK: a FIFO without a writer must not make us wait; O_NOCTTY: nor a terminal become ours.
      file = try FileDescriptor(opening: path, flags: O_RDONLY | O_NONBLOCK | O_NOCTTY)
    } catch {
      throw ImageFile.error(opening: path, error)
    }
    let status: stat
    do {
      status = try file.status()
    } catch {
      throw ImageError(kind: .notAcceptable, path: path, reason: error.description)
    }
    if let kind = ImageFile.irregularKind(of: status) {
      throw ImageError(kind: .notAcceptable, path: path, reason: ImageFile.irregular(kind).reason)
    }
    guard status.st_size > 0 else {
      throw ImageError(
        kind: .notAcceptable, path: path, reason: Refusal("file size", "0 (empty)", expected: "an ELF image").reason)
    }
    descriptor = file
    size = UInt64(status.st_size)
  }

  private static func error(opening path: String, _ error: SystemCallError) -> ImageError {
    let words = String(cString: strerror(error.code))
    switch error.code {
    case ENOENT, ENOTDIR:
      return ImageError(kind: .notFound, path: path, reason: words)
    case ENXIO:
      // What open(2) says of a socket; the kind of the file says more.
      var status = stat()
      if stat(path, &status) == 0, let kind = irregularKind(of: status) {
        return ImageError(kind: .notAcceptable, path: path, reason: irregular(kind).reason)
      }
      return ImageError(kind: .notAcceptable, path: path, reason: words)
    default:
      return ImageError(kind: .notAcceptable, path: path, reason: words)
    }
  }

  private static func irregular(_ kind: String) -> Refusal {
    Refusal("file type", kind, expected: "a regular file")
  }

  /// What a file is that is not a regular one.
  private static func irregularKind(of status: stat) -> String? {
    switch Int32(bitPattern: status.st_mode) & S_IFMT {
    case S_IFREG: nil
    case S_IFDIR: "a directory"
    case S_IFIFO: "a FIFO"
    case S_IFSOCK: "a socket"
    case S_IFCHR: "a character device"
    case S_IFBLK: "a block device"
    default: "unknown"
    }
  }

  /// Throws unless `count` bytes at `offset` lie within the file.
  func requireRange(_ name: String, at offset: UInt64, count: UInt64) throws(Refusal) {
    guard offset <= size, count <= size - offset else {
      throw Refusal(
        name, "\(count.hexadecimal) bytes at \(offset.hexadecimal)", expected: "to lie within the file's \(size) bytes")
    }
  }

  /// Gives the open file away.
  consuming func takeDescriptor() -> FileDescriptor { descriptor }
}
