import CLinux
import KVM

/// Where a console's input comes from: any descriptor, read without ever waiting and without changing its flags, which
/// belong to everybody who has it open.
public struct ConsoleInput: ~Copyable {
  /// What came of reading.
  public enum Reading: Equatable {
    /// So many bytes, at least one.
    case bytes(Int)
    /// Nothing yet.
    case nothing
    /// There will not be any more: the input's end, or an error, for which a console has no words.
    case end
    /// A signal came to stop the machine.
    case stopped
  }

  /// How not to wait.
  private enum Way {
    /// The kernel is told not to (preadv2(2), RWF_NOWAIT).
    case withoutWaiting
    /// For terminals, of which the kernel cannot tell: an opening of our own that does not wait (O_NONBLOCK).
    case byOwnOpening
    /// For other files of which the kernel cannot tell. Should another process take the bytes between poll and read,
    /// then this does wait, with the devices' lock held.
    case afterPolling
    /// There is nothing to wait for: a regular file.
    case atOnce
  }

  /// The most bytes that one read takes. Without it, a guest whose buffers are all of its memory, several times over, could
  /// keep the monitor in one system call for seconds.
  static let readLimit = 64 << 10

  public let descriptor: Int32
  private var way: Way = .withoutWaiting
  private var ownOpening: FileDescriptor?
  /// A byte that is set when the machine is to stop. Invariant: it stays valid as long as this value lives.
  private let stopFlag: UnsafePointer<UInt8>

  /// - Parameters:
  ///   - descriptor: stays the caller's.
  ///   - stopFlag: a byte that is set when the machine is to stop, valid as long as this value lives.
  public init(descriptor: Int32, stopFlag: UnsafePointer<UInt8>) {
    self.descriptor = descriptor
    self.stopFlag = stopFlag
  }

  /// Whether somebody else who reads the same input can make this wait.
  var mayWait: Bool { way == .afterPolling }

  /// From here on takes the file for one that epoll does not wait for, because it is always readable (epoll_ctl(2), EPERM);
  /// false if it was that already.
  public mutating func readAtOnce() -> Bool {
    guard way != .atOnce else { return false }
    way = .atOnce
    return true
  }

  /// Reads what is there, as far as there is room.
  ///
  /// - Parameter buffers: at least one byte in all.
  public mutating func read(into buffers: [UnsafeMutableRawBufferPointer]) -> Reading {
    var vectors = IOVectors(byteLimit: Self.readLimit)
    for buffer in buffers { vectors.append(UnsafeRawBufferPointer(buffer)) }
    while true {
      if way == .afterPolling, !isReady() { return .nothing }
      let source =
        switch ownOpening {
        case .some(let file): file.rawValue
        case nil: descriptor
        }
      let count = vectors.withPointer {
        way == .withoutWaiting ? linux_readv_without_waiting(source, $0, $1) : readv(source, $0, $1)
      }
      if count > 0 { return .bytes(count) }
      if count == 0 { return .end }
      switch linux_errno() {
      case EINTR: if stopFlag.pointee != 0 { return .stopped }
      case EAGAIN: return .nothing
      case EOPNOTSUPP where way == .withoutWaiting:
        ownOpening = openTerminal()
        way = ownOpening == nil ? .afterPolling : .byOwnOpening
      default: return .end
      }
    }
  }

  /// The terminal that is the input, opened once more; nil if it is none, or belongs to somebody else.
  private func openTerminal() -> FileDescriptor? {
    // Whoever opens the keyboard's side of a pseudoterminal gets a new one (pts(4)).
    guard isatty(descriptor) == 1, linux_is_pseudoterminal_master(descriptor) == 0 else { return nil }
    return try? FileDescriptor(opening: "/proc/self/fd/\(descriptor)", flags: O_RDONLY | O_NONBLOCK | O_NOCTTY)
  }

  /// Whether reading does not wait. It is ready as well if reading fails.
  private func isReady() -> Bool {
    var ready = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    return poll(&ready, 1, 0) == 1
  }
}
