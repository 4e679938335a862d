import CLinux

/// A range of the monitor's own address space, unmapped when its owner is done with it.
public struct MemoryMapping: ~Copyable, @unchecked Sendable {
  /// The first byte. Valid for `byteCount` bytes as long as this value lives.
  public let baseAddress: UnsafeMutableRawPointer
  /// The size in bytes.
  public let byteCount: Int
  /// How much is mapped, in bytes, in front of `baseAddress` and behind the end; nobody may touch it.
  private let slack: (before: Int, behind: Int)

  /// The size of what `preferHugePages` asks for, in bytes: one entry of a page directory (Intel SDM volume 3, 4.5.4).
  public static let hugePageSize = 2 << 20

  /// Maps zeroed private memory that takes no pages until it is touched. The corresponding C function is `mmap`.
  ///
  /// - Parameter byteCount: a multiple of the page size, above zero.
  public init(anonymous byteCount: Int) throws(SystemCallError) {
    baseAddress = try Self.map(byteCount, PROT_READ | PROT_WRITE, Self.anonymous, -1)
    self.byteCount = byteCount
    slack = (0, 0)
  }

  /// Maps memory for a guest: where it is at a multiple of `hugePageSize` for the guest, it is at one here, so that a huge page
  /// of the one can be a huge page of the other.
  ///
  /// - Parameters:
  ///   - byteCount: a multiple of the page size, above zero.
  ///   - guestAddress: where the guest has the first byte; a multiple of the page size.
  public init(anonymous byteCount: Int, at guestAddress: UInt64) throws(SystemCallError) {
    let (wholeCount, isTooLarge) = byteCount.addingReportingOverflow(Self.hugePageSize)
    guard !isTooLarge else { throw SystemCallError("mmap", code: ENOMEM) }
    let whole = try Self.map(wholeCount, PROT_NONE, Self.anonymous, -1)
    let wanted = Int(guestAddress % UInt64(Self.hugePageSize))
    let before = (wanted - Int(bitPattern: whole)) & (Self.hugePageSize - 1)
    guard mprotect(whole + before, byteCount, PROT_READ | PROT_WRITE) == 0 else {
      let error = SystemCallError("mprotect")
      munmap(whole, wholeCount)
      throw error
    }
    baseAddress = whole + before
    self.byteCount = byteCount
    slack = (before, Self.hugePageSize - before)
  }

  /// MAP_NORESERVE: a guest's memory is a limit, not a promise; the pages that it never touches cost nothing.
  private static let anonymous = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE

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

  /// Asks for huge pages from an offset on, where the host has transparent ones for who asks. The corresponding C function is
  /// `madvise` with MADV_HUGEPAGE; where there are none, nothing changes.
  public func preferHugePages(from offset: Int) {
    precondition(offset >= 0 && offset <= byteCount)
    _ = madvise(baseAddress + offset, byteCount - offset, linux_huge_pages())
  }

  /// Maps memory that a kernel object shares with us, such as a vCPU's `kvm_run`.
  public init(sharing descriptor: borrowing FileDescriptor, byteCount: Int) throws(SystemCallError) {
    baseAddress = try Self.map(byteCount, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor.rawValue)
    self.byteCount = byteCount
    slack = (0, 0)
  }

  private static func map(
    _ byteCount: Int, _ access: Int32, _ flags: Int32, _ descriptor: Int32
  ) throws(SystemCallError) -> UnsafeMutableRawPointer {
    let address = mmap(nil, byteCount, access, flags, descriptor, 0)
    guard let address, address != linux_map_failed() else { throw SystemCallError("mmap") }
    return address
  }

  deinit {
    munmap(baseAddress - slack.before, slack.before + byteCount + slack.behind)
  }
}
