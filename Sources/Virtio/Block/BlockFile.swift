import CLinux
import KVM

/// A regular file or block device that is a guest's disk: open, locked, and of a size that does not change for the guest.
public struct BlockFile: ~Copyable, Sendable {
  /// The unit of everything about virtio's disks, in bytes (virtio-1.2 §5.2.4).
  public static let sectorSize = 512
  /// What direct access asks of memory and offsets where the kernel does not say: a page, which every device takes.
  static let assumedAlignment = 4096

  let descriptor: FileDescriptor
  /// Bytes, a multiple of `sectorSize`: as it was when the file was opened.
  public let size: UInt64
  /// Whether nothing may be written to it.
  public let isReadOnly: Bool
  /// The alignments that direct access needs, in bytes; nil for access through the page cache.
  let direct: DirectAlignment?
  /// The same file through the page cache, for requests that are not as aligned as direct access needs; nil if there are
  /// none: every request is whole sectors.
  ///
  /// A driver may write a sector where the device can only write eight of them, although BLK_SIZE says so (virtio-1.2
  /// §5.2.5: "does not affect the units used in the protocol"). Reading the block, changing it and writing it back is then
  /// somebody's to do, one request after the other, and the page cache does just that. It does not go stale: direct access
  /// writes out and drops what is cached of its range, and a request that shares a block with another is misaligned like
  /// that, so both come here. Flushing either opening flushes the file.
  let buffered: FileDescriptor?
  /// Whether the file is memory itself (tmpfs), so that no access to it waits for a disk.
  let isInMemory: Bool
  /// The smallest unit that the file is well accessed in, in bytes: a power of two from 512 on.
  let preferredBlockSize: Int

  /// Powers of two, in bytes.
  struct DirectAlignment: Sendable {
    var memory: Int
    var offset: Int
  }

  /// Opens and locks a file.
  ///
  /// The lock is one of the open file description (fcntl(2)), shared for a reader: of all openings of a file, in one process or
  /// several, there may be one that writes or any number that read. A block device that is to be written is opened exclusively
  /// as well, so that it is refused while it is mounted.
  ///
  /// - Parameters:
  ///   - isReadOnly: a file that is not read-only must be writable.
  ///   - isDirect: past the page cache (O_DIRECT).
  public init(opening path: String, isReadOnly: Bool, isDirect: Bool = false) throws(BlockFileError) {
    try self.init(opening: path, isReadOnly: isReadOnly, isDirect: isDirect, alignment: nil)
  }

  /// - Parameter alignment: what direct access is taken to need; nil to ask the kernel.
  init(
    opening path: String, isReadOnly: Bool, isDirect: Bool, alignment: DirectAlignment?
  ) throws(BlockFileError) {
    // Looked at before it is opened: opening a pipe would wait, and only block devices are opened exclusively.
    var facts = stat()
    guard stat(path, &facts) == 0 else { throw .system(SystemCallError("stat", path: path)) }
    guard Self.isDisk(facts) else { throw .kind(path: path) }
    var flags = isReadOnly ? O_RDONLY : O_RDWR
    if isDirect { flags |= linux_o_direct() }
    if !isReadOnly, Self.isBlockDevice(facts) { flags |= O_EXCL }
    let opened = try Self.open(path, flags: flags, isReadOnly: isReadOnly)
    guard fstat(opened.rawValue, &facts) == 0 else { throw .system(SystemCallError("fstat", path: path)) }
    guard Self.isDisk(facts) else { throw .kind(path: path) }
    try Self.lock(opened, path: path, isReadOnly: isReadOnly)

    var bytes = UInt64(clamping: facts.st_size)
    var logicalBlockSize = Int32(Self.sectorSize)
    if Self.isBlockDevice(facts) {
      guard linux_ioctl_pointer(opened.rawValue, linux_blkgetsize64(), &bytes) == 0,
        linux_ioctl_pointer(opened.rawValue, linux_blksszget(), &logicalBlockSize) == 0
      else { throw .system(SystemCallError("ioctl BLKGETSIZE64", path: path)) }
    }
    guard bytes > 0, bytes % UInt64(Self.sectorSize) == 0, bytes <= UInt64(Int64.max) else {
      throw .size(path: path, bytes: bytes)
    }
    // A write past the limit would be answered with a signal, SIGXFSZ, that ends the process.
    var limit = rlimit()
    if !isReadOnly, Self.isRegular(facts), linux_getrlimit_file_size(&limit) == 0, limit.rlim_cur < bytes {
      throw .sizeLimit(path: path, bytes: bytes, limit: UInt64(limit.rlim_cur))
    }
    let direct = isDirect ? alignment ?? Self.alignment(of: opened.rawValue) : nil
    let hasParts = direct.map { $0.offset > Self.sectorSize } ?? false
    let buffered = hasParts ? try Self.reopen(opened, path: path, isReadOnly: isReadOnly) : nil
    self.isReadOnly = isReadOnly
    size = bytes
    isInMemory = linux_is_in_memory(opened.rawValue) != 0
    self.direct = direct
    self.buffered = buffered
    preferredBlockSize = Self.powerOfTwo(max(Int(facts.st_blksize), Int(logicalBlockSize)))
    descriptor = opened
  }

  /// The unit in which the guest should access the disk, in bytes: what works at all, for direct access.
  var blockSize: Int { direct.map { Self.powerOfTwo($0.offset) } ?? Self.sectorSize }

  private static func open(_ path: String, flags: Int32, isReadOnly: Bool) throws(BlockFileError) -> FileDescriptor {
    do throws(SystemCallError) { return try FileDescriptor(opening: path, flags: flags) } catch {
      switch error.code {
      case EINVAL where flags & linux_o_direct() != 0: throw .notDirect(path: path)
      case EBUSY: throw .locked(path: path, isReadOnly: isReadOnly)
      default: throw .system(error)
      }
    }
  }

  /// Opens a file that is open already, whatever its path leads to by now; for access through the page cache.
  private static func reopen(
    _ file: borrowing FileDescriptor, path: String, isReadOnly: Bool
  ) throws(BlockFileError) -> FileDescriptor {
    do throws(SystemCallError) {
      let opened = try FileDescriptor(
        opening: "/proc/self/fd/\(file.rawValue)", flags: isReadOnly ? O_RDONLY : O_RDWR)
      // Nothing is read ahead: it would only be more to drop.
      _ = posix_fadvise(opened.rawValue, 0, 0, POSIX_FADV_RANDOM)
      return opened
    } catch {
      throw .system(SystemCallError("open", path: path, code: error.code))
    }
  }

  private static func lock(_ file: borrowing FileDescriptor, path: String, isReadOnly: Bool) throws(BlockFileError) {
    for attempt in 0... {
      guard linux_lock_file(file.rawValue, isReadOnly ? 0 : 1) != 0 else { return }
      let code = linux_errno()
      guard code == EAGAIN || code == EACCES else {
        throw .system(SystemCallError("fcntl F_OFD_SETLK", path: path, code: code))
      }
      guard attempt < lockPatience else { throw .locked(path: path, isReadOnly: isReadOnly) }
      _ = poll(nil, 0, 1)
    }
  }

  /// For how many milliseconds to try to lock a file. When a machine is killed, the kernel ends its requests after the
  /// process is gone, and they hold the file and its lock meanwhile (io_uring(7)).
  private static let lockPatience = 500

  /// The file for an operation that direct access refuses; nil if it does not.
  func bufferedFile(forOffset offset: Int, count: Int) -> Int32? {
    guard let direct, (offset | count) % direct.offset != 0 else { return nil }
    return switch buffered {
    case .some(let file): file.rawValue
    case nil: nil
    }
  }

  private static func isDisk(_ facts: stat) -> Bool { isRegular(facts) || isBlockDevice(facts) }
  private static func isRegular(_ facts: stat) -> Bool { facts.st_mode & UInt32(S_IFMT) == UInt32(S_IFREG) }
  private static func isBlockDevice(_ facts: stat) -> Bool { facts.st_mode & UInt32(S_IFMT) == UInt32(S_IFBLK) }

  private static func alignment(of descriptor: Int32) -> DirectAlignment {
    var memory: UInt32 = 0
    var offset: UInt32 = 0
    linux_direct_alignment(descriptor, &memory, &offset)
    guard memory > 0, offset > 0 else { return DirectAlignment(memory: assumedAlignment, offset: assumedAlignment) }
    return DirectAlignment(memory: powerOfTwo(Int(memory)), offset: powerOfTwo(Int(offset)))
  }

  /// The greatest power of two up to `value`, but from a sector to a page.
  private static func powerOfTwo(_ value: Int) -> Int {
    var result = sectorSize
    while result * 2 <= min(value, assumedAlignment) { result *= 2 }
    return result
  }
}
