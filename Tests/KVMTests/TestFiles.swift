import CLinux
import Glibc
import KVM

/// A file without a name that holds `bytes`.
func temporaryFile(_ bytes: [UInt8]) throws -> FileDescriptor {
  var template = Array("/tmp/needletail-test-XXXXXX".utf8CString)
  let descriptor = mkstemp(&template)
  guard descriptor >= 0 else { throw SystemCallError("mkstemp") }
  let file = FileDescriptor(owning: descriptor)
  unlink(template)
  try bytes.withUnsafeBytes { try FileDescriptor.writeAll($0, to: descriptor) }
  return file
}

/// An open descriptor that closes when somebody takes it over as a `FileDescriptor`, and not before.
struct PipeEnd {
  let rawValue: Int32
}

func pipe() throws -> (readEnd: PipeEnd, writeEnd: PipeEnd) {
  var ends: [Int32] = [0, 0]
  guard pipe2(&ends, O_CLOEXEC) == 0 else { throw SystemCallError("pipe2") }
  return (PipeEnd(rawValue: ends[0]), PipeEnd(rawValue: ends[1]))
}

func isClosedOnExec(_ descriptor: Int32) -> Bool {
  let flags = fcntl(descriptor, F_GETFD)
  return flags >= 0 && flags & FD_CLOEXEC != 0
}

func makeNonblocking(_ descriptor: Int32) throws {
  guard fcntl(descriptor, F_SETFL, O_NONBLOCK) == 0 else { throw SystemCallError("fcntl") }
}

/// Takes over the reading end of a pipe and reads it to its end, on a thread of its own.
final class Reader: @unchecked Sendable {
  private let end: PipeEnd
  private var thread = pthread_t()
  /// Belongs to the thread until it is joined.
  private var bytes: [UInt8] = []

  init(of end: PipeEnd) {
    self.end = end
    let argument = Unmanaged.passRetained(self).toOpaque()
    let result = pthread_create(
      &thread, nil,
      { argument in
        Unmanaged<Reader>.fromOpaque(argument!).takeRetainedValue().readToEnd()
        return nil
      }, argument)
    precondition(result == 0, "no thread")
  }

  /// All that came, once nobody writes any more.
  func join() -> [UInt8] {
    pthread_join(thread, nil)
    return bytes
  }

  private func readToEnd() {
    let file = FileDescriptor(owning: end.rawValue)
    var buffer = [UInt8](repeating: 0, count: 4096)
    while true {
      let count = read(file.rawValue, &buffer, buffer.count)
      if count < 0 && errno == EINTR { continue }
      guard count > 0 else { return }
      bytes += buffer[..<count]
    }
  }
}
