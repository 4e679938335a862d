import CLinux
import KVM

/// Writes a console's output to a descriptor, waiting for whoever reads it: that is the guest's own time.
struct ConsoleTransmitter {
  /// The most bytes that one write gets: between two, the machine can be stopped even if nothing interrupts a write.
  private static let writeLimit = 1 << 20
  /// What a pipe takes without waiting if poll says that it is ready (pipe(7), PIPE_BUF).
  private static let readyLimit = 4096

  let descriptor: Int32
  /// A byte that is set when the machine is to stop. Invariant: it stays valid as long as this value lives.
  private let stopFlag: UnsafePointer<UInt8>

  init(descriptor: Int32, stopFlag: UnsafePointer<UInt8>) {
    self.descriptor = descriptor
    self.stopFlag = stopFlag
  }

  /// Writes all of `buffers`, each byte of which goes straight from guest memory to the kernel.
  ///
  /// A machine that was told to stop writes on as long as that does not make it wait.
  func write(_ buffers: [UnsafeRawBufferPointer]) -> ConsoleDevice.Delivery {
    var index = 0
    // Where `buffers[index]` goes on.
    var offset = 0
    while true {
      let isStopping = stopFlag.pointee != 0
      var vectors = IOVectors(byteLimit: isStopping ? Self.readyLimit : Self.writeLimit)
      for next in index..<buffers.count {
        vectors.append(UnsafeRawBufferPointer(rebasing: buffers[next][(next == index ? offset : 0)...]))
      }
      guard vectors.byteCount > 0 else { return .written }
      if isStopping, !isReady(timeout: 0) { return .stopped }
      let count = vectors.withPointer { writev(descriptor, $0, $1) }
      if count < 0 {
        switch linux_errno() {
        // Whether it was the signal to stop is seen above.
        case EINTR: break
        // Somebody made the descriptor non-blocking (a terminal shared with another program): wait as a blocking one would.
        case EAGAIN: _ = isReady(timeout: -1)
        case EPIPE: return .closed
        case let code: return .failed(SystemCallError("write", code: code))
        }
        continue
      }
      offset += count
      while index < buffers.count, offset >= buffers[index].count {
        offset -= buffers[index].count
        index += 1
      }
    }
  }

  private func isReady(timeout: Int32) -> Bool {
    var ready = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
    return poll(&ready, 1, timeout) == 1
  }
}
