import CLinux

/// A system call or ioctl that failed.
public struct SystemCallError: Error {
  /// What was being done, in the words of its manual page: `open`, `KVM_CREATE_VM`.
  public let operation: StaticString
  /// The file it was done to, where there is one.
  public let path: String?
  /// The `errno` value that it left.
  public let code: Int32

  /// - Parameter code: as it is now in `errno`, unless said otherwise.
  public init(_ operation: StaticString, path: String? = nil, code: Int32 = linux_errno()) {
    self.operation = operation
    self.path = path
    self.code = code
  }

  /// One line: operation, file, and the system's own words.
  public var description: String {
    let reason = String(cString: strerror(code))
    guard let path else { return "\(operation): \(reason)" }
    return "\(operation) \(path): \(reason)"
  }
}

/// Returns what a system call returned, or throws its `errno` if that was negative.
@inlinable
public func valueOrErrno(
  _ operation: StaticString, path: @autoclosure () -> String? = nil, _ result: Int32
) throws(SystemCallError) -> Int32 {
  if result < 0 {
    let code = linux_errno()  // before anything else can change it
    throw SystemCallError(operation, path: path(), code: code)
  }
  return result
}
