import CLinux
import KVM
import MachineABI

/// Where the guest's output goes.
struct ConsoleOutput {
  let descriptor: Int32
  /// Bytes written so far.
  private(set) var byteCount = 0

  init(descriptor: Int32) {
    self.descriptor = descriptor
  }

  /// What became of the bytes.
  enum Delivery {
    case written
    /// Nobody reads the other end any more.
    case closed
    /// The machine was told to stop while nobody read the other end.
    case stopped
  }

  /// Writes out what waits in the shared page and empties it.
  ///
  /// - Parameter stopFlag: a byte that is set when the machine is to stop; then nothing here waits for a reader.
  mutating func drain(
    _ page: UnsafeMutablePointer<SharedPage>, stopFlag: UnsafePointer<UInt8>
  ) throws(SystemCallError) -> Delivery {
    // The guest can write anything here: read once, bound, use.
    let length = min(Int(page.pointee.console_length), Int(NEEDLETAIL_CONSOLE_BUFFER_SIZE))
    page.pointee.console_length = 0
    guard length > 0 else { return .written }
    if stopFlag.pointee != 0, !isReady() { return .stopped }
    do throws(SystemCallError) {
      try FileDescriptor.writeAll(
        UnsafeRawBufferPointer(start: needletail_shared_console(page), count: length), to: descriptor,
        stopFlag: stopFlag)
    } catch {
      switch error.code {
      case EPIPE: return .closed
      case EINTR: return .stopped
      default: throw error
      }
    }
    byteCount += length
    return .written
  }

  /// Whether a buffer's worth can be written without waiting: a pipe that is ready takes PIPE_BUF bytes, 4096 (pipe(7)).
  private func isReady() -> Bool {
    var ready = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
    return poll(&ready, 1, 0) == 1
  }
}
