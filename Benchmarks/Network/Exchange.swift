import BenchmarkSupport
import CLinux

/// Bytes that are sent and received over a connection at the same time, until both ends have finished, or the time is over.
///
/// Unlike `Stream` it waits for nothing without a limit: what is measured may never come to its end.
struct Exchange {
  /// From before the connection to the end of what is received.
  private(set) var nanoseconds = 0
  private(set) var receivedByteCount = 0
  /// The first bytes received, up to 64 KiB.
  private(set) var text: [UInt8] = []
  /// What this end's kernel sent again (tcp(7), `tcpi_total_retrans`).
  private(set) var resentSegments = 0
  /// Why it did not come to its end.
  private(set) var failure: String?

  private var descriptor: Int32 = -1
  private var left = 0
  private var hasFinished = false

  private static let textLimit = 64 << 10

  /// - Parameters:
  ///   - bytes: what is sent, again and again.
  ///   - total: how many bytes are sent in all; as many as there are if not given. Then this end has finished.
  init(
    with address: String, _ port: Int, sending bytes: [UInt8], total: Int? = nil, milliseconds: Int
  ) throws(BenchmarkError) {
    let stream = try Stream(descriptor: Stream.openSocket(flags: SOCK_NONBLOCK.rawValue))
    stream.set(Int32(IPPROTO_TCP), TCP_NODELAY, to: 1)
    descriptor = stream.descriptor
    left = total ?? bytes.count
    let end = try InternetEnd(address, port)
    let start = Monotonic.now()
    if end.use({ connect(descriptor, $0, $1) }) == 0 || linux_errno() == EINPROGRESS {
      run(bytes, until: start + UInt64(milliseconds) * 1_000_000)
    } else {
      fail("connect")
    }
    nanoseconds = Int(Monotonic.now() - start)
    countResentSegments()
    // What was not sent is not to go on beside what is measured next.
    if failure != nil { reset() }
  }

  private mutating func run(_ bytes: [UInt8], until giveUp: UInt64) {
    var buffer = [UInt8](repeating: 0, count: Peer.bufferSize)
    var isOpen = true
    while isOpen && failure == nil {
      let now = Monotonic.now()
      guard now < giveUp else {
        failure = "not at its end in time: \(receivedByteCount) bytes had come, \(left) were left to send"
        return
      }
      var polled = pollfd(fd: descriptor, events: Int16(hasFinished ? POLLIN : POLLIN | POLLOUT), revents: 0)
      _ = poll(&polled, 1, Int32((giveUp - now) / 1_000_000) + 1)
      if !hasFinished && polled.revents & Int16(POLLOUT) != 0 { sendSome(bytes) }
      if polled.revents & Int16(POLLIN | POLLERR | POLLHUP) != 0 { isOpen = receiveSome(&buffer) }
    }
    if failure == nil && !hasFinished { failure = "the other end finished with \(left) bytes left to send" }
  }

  private mutating func sendSome(_ bytes: [UInt8]) {
    if left > 0 {
      let count = send(descriptor, bytes, min(bytes.count, left), Int32(MSG_NOSIGNAL))
      guard count > 0 || linux_errno() == EAGAIN else { return fail("send") }
      left -= max(count, 0)
    }
    guard left == 0 else { return }
    hasFinished = true
    shutdown(descriptor, Int32(SHUT_WR))
  }

  /// - Returns: false at the end.
  private mutating func receiveSome(_ buffer: inout [UInt8]) -> Bool {
    let count = recv(descriptor, &buffer, buffer.count, 0)
    guard count >= 0 else {
      if linux_errno() != EAGAIN { fail("recv") }
      return true
    }
    receivedByteCount += count
    text += buffer.prefix(min(count, Self.textLimit - text.count))
    return count > 0
  }

  private mutating func fail(_ call: String) {
    failure = "\(BenchmarkError(call: call).message): \(receivedByteCount) bytes had come, \(left) were left to send"
  }

  private mutating func countResentSegments() {
    var info = tcp_info()
    var length = socklen_t(MemoryLayout<tcp_info>.size)
    guard getsockopt(descriptor, Int32(IPPROTO_TCP), TCP_INFO, &info, &length) == 0 else { return }
    resentSegments = Int(info.tcpi_total_retrans)
  }

  private func reset() {
    var atOnce = linger(l_onoff: 1, l_linger: 0)
    setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &atOnce, socklen_t(MemoryLayout<linger>.size))
  }
}
