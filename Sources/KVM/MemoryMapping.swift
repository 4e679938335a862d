import CLinux

/// A range of the monitor's own address space, unmapped when its owner is done with it.
public struct MemoryMapping: ~Copyable, @unchecked Sendable {
  /// The first byte. Valid for `byteCount` bytes as long as this value lives.
  public let baseAddress: UnsafeMutableRawPointer
  /// The size in bytes.
  public let byteCount: Int

  /// Maps zeroed private memory that takes no pages until it is touched. The corresponding C function is `mmap`.
  ///
  /// - Parameter byteCount: a multiple of the page size, above zero.
  public init(anonymous byteCount: Int) throws(SystemCallError) {
    // MAP_NORESERVE: a guest's memory is a limit, not a promise; the pages that it never touches cost nothing.
    try self.init(byteCount: byteCount, flags: MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, descriptor: -1, offset: 0)
  }

  /// Replaces part of this range by part of a file, privately: what is written here never reaches the file.
  ///
  /// - Parameters:
  ///   - fileOffset: where in the file, in bytes; a multiple of the page size.
  ///   - offset: where in this range; a multiple of the page size.
  ///   - byteCount: a multiple of the page size; the part must lie inside this range.
  public func overlay(
    _ file: borrowing FileDescriptor, at fileOffset: Int, on offset: Int, byteCount: Int
  ) throws(SystemCallError) {
    precondition(offset >= 0 && byteCount > 0 && offset <= self.byteCount && byteCount <= self.byteCount - offset)
    let address = mmap(
      baseAddress + offset, byteCount, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, file.rawValue, fileOffset)
    guard address != linux_map_failed() else { throw SystemCallError("mmap") }
  }

  /// Takes away the right to write to part of this range, ours and that of a guest whose memory it is. The corresponding C
  /// function is `mprotect`.
  public func makeReadOnly(offset: Int, byteCount: Int) throws(SystemCallError) {
    precondition(offset >= 0 && byteCount >= 0 && offset <= self.byteCount && byteCount <= self.byteCount - offset)
    _ = try valueOrErrno("mprotect", mprotect(baseAddress + offset, byteCount, PROT_READ))
  }

  /// Gives part of this range its pages now, in one system call instead of a page fault for each. The corresponding C
  /// function is `madvise` with MADV_POPULATE_WRITE; a kernel that lacks it (before 5.14) leaves the pages to be faulted in.
  public func populate(offset: Int, byteCount: Int) {
    precondition(offset >= 0 && byteCount >= 0 && offset <= self.byteCount && byteCount <= self.byteCount - offset)
    _ = madvise(baseAddress + offset, byteCount, linux_populate_write())
  }

  /// Maps memory that a kernel object shares with us, such as a vCPU's `kvm_run`.
  public init(sharing descriptor: borrowing FileDescriptor, byteCount: Int) throws(SystemCallError) {
    try self.init(byteCount: byteCount, flags: MAP_SHARED, descriptor: descriptor.rawValue, offset: 0)
  }

  private init(byteCount: Int, flags: Int32, descriptor: Int32, offset: Int) throws(SystemCallError) {
    let address = mmap(nil, byteCount, PROT_READ | PROT_WRITE, flags, descriptor, offset)
    guard let address, address != linux_map_failed() else { throw SystemCallError("mmap") }
    self.baseAddress = address
    self.byteCount = byteCount
  }

  deinit {
    munmap(baseAddress, byteCount)
  }
}
