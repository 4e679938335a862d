import KVM

/// Why a file cannot be a block device.
public enum BlockFileError: Error {
  /// Opening or examining it failed.
  case system(SystemCallError)
  /// It is neither a regular file nor a block device.
  case kind(path: String)
  /// It holds this many bytes, which is not a whole number of sectors, or none.
  case size(path: String, bytes: UInt64)
  /// Somebody else has it open: as a writer, or at all if this was to write.
  case locked(path: String, isReadOnly: Bool)
  /// The process may not write as far as the file reaches (RLIMIT_FSIZE); both in bytes.
  case sizeLimit(path: String, bytes: UInt64, limit: UInt64)
  /// Direct access (O_DIRECT) is not possible.
  case notDirect(path: String)

  /// One line.
  public var description: String {
    switch self {
    case .system(let error): error.description
    case .kind(let path): "\(path): is neither a regular file nor a block device"
    case .size(let path, let bytes):
      "\(path): size is \(bytes) bytes; expected a multiple of \(BlockFile.sectorSize), and not 0"
    case .locked(let path, let isReadOnly):
      isReadOnly
        ? "\(path): in use by a writer; expected readers only for it to be read"
        : "\(path): in use; expected nobody else for it to be written"
    case .sizeLimit(let path, let bytes, let limit):
      "\(path): size is \(bytes) bytes; this process may write up to \(limit) bytes of a file (ulimit -f)"
    case .notDirect(let path): "\(path): cannot be accessed directly (O_DIRECT)"
    }
  }
}
