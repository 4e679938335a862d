import CLinux
import SeededRandom

/// Connections that are open and idle.
struct HeldConnections: ~Copyable {
  private var descriptors: [Int32] = []

  deinit {
    for descriptor in descriptors { close(descriptor) }
  }

  mutating func open(_ address: String, port: Int) throws(Verdict) {
    var connection = try InternetSocket.connected(to: address, port: port)
    descriptors.append(connection.release())
  }

  /// Has a request answered by the example `http` on each, and keeps them open.
  func expectGreetings() throws(Verdict) {
    for (number, descriptor) in descriptors.enumerated() {
      let request = Array("GET / HTTP/1.1\r\nHost: a\r\n\r\n".utf8)
      guard send(descriptor, request, request.count, Int32(MSG_NOSIGNAL)) == request.count else {
        throw Verdict(call: "send on connection \(number)")
      }
      var answer: [UInt8] = []
      while !answer.suffix(7).elementsEqual("world!\n".utf8) {
        var polled = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        var bytes = [UInt8](repeating: 0, count: 1024)
        guard poll(&polled, 1, 60_000) == 1, case let count = recv(descriptor, &bytes, bytes.count, 0), count > 0 else {
          throw .failed("connection \(number) of \(descriptors.count) is not answered")
        }
        answer += bytes[..<count]
      }
    }
  }

  /// Sends a byte on each, and expects it back.
  func expectAnswers() throws(Verdict) {
    for (number, descriptor) in descriptors.enumerated() {
      let sent = UInt8(truncatingIfNeeded: number)
      guard withUnsafeBytes(of: sent, { send(descriptor, $0.baseAddress, 1, Int32(MSG_NOSIGNAL)) }) == 1 else {
        throw Verdict(call: "send on connection \(number)")
      }
    }
    for (number, descriptor) in descriptors.enumerated() {
      var polled = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
      var answer: UInt8 = 0
      guard poll(&polled, 1, 60_000) == 1, recv(descriptor, &answer, 1, 0) == 1,
        answer == UInt8(truncatingIfNeeded: number)
      else { throw .failed("connection \(number) of \(descriptors.count) does not answer") }
    }
  }
}

/// Connections that all send to `echo` and take what comes back, at once.
struct EchoExchange: ~Copyable {
  private struct Lane {
    let descriptor: Int32
    let bytes: [UInt8]
    var sent = 0
    var received = 0
  }

  private var lanes: [Lane] = []

  init(count: Int, byteCount: Int, address: String, port: Int) throws(Verdict) {
    for number in 0..<count {
      var random = SeededGenerator(seed: UInt64(number))
      var connection = try InternetSocket.connected(to: address, port: port)
      lanes.append(Lane(descriptor: connection.release(), bytes: random.bytes(count: byteCount)))
    }
  }

  deinit {
    for lane in lanes { close(lane.descriptor) }
  }

  /// Until everything has come back on all of them.
  mutating func run() throws(Verdict) {
    while lanes.contains(where: { $0.received < $0.bytes.count }) {
      var polled = lanes.map {
        pollfd(fd: $0.descriptor, events: Int16($0.sent < $0.bytes.count ? POLLIN | POLLOUT : POLLIN), revents: 0)
      }
      guard poll(&polled, nfds_t(polled.count), 60_000) > 0 else { throw .failed("nothing came back for 60 s") }
      for index in polled.indices where polled[index].revents != 0 { try proceed(index) }
    }
  }

  private mutating func proceed(_ index: Int) throws(Verdict) {
    let lane = lanes[index]
    let sent = lane.bytes.withUnsafeBytes {
      send(
        lane.descriptor, $0.baseAddress! + lane.sent, min($0.count - lane.sent, 1 << 14),
        Int32(MSG_NOSIGNAL | MSG_DONTWAIT))
    }
    lanes[index].sent += max(sent, 0)
    var count = 0
    let received = [UInt8](unsafeUninitializedCapacity: 1 << 16) { buffer, initialized in
      count = recv(lane.descriptor, buffer.baseAddress, buffer.count, Int32(MSG_DONTWAIT))
      initialized = max(count, 0)
    }
    guard count != 0, count > 0 || linux_errno() == EAGAIN else {
      throw .failed("connection \(index) ended after \(lane.received) of \(lane.bytes.count) bytes")
    }
    guard lane.bytes[lane.received...].starts(with: received) else {
      throw .failed("connection \(index) got other bytes than it sent, after \(lane.received)")
    }
    lanes[index].received += received.count
  }
}
