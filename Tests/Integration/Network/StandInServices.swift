import CLinux

/// The services of a stand-in, all in one thread.
struct StandInServices: ~Copyable {
  enum Service {
    case echo, sink, hold, stop
    case source(byteCount: Int)
  }

  private enum Role {
    case listener(Service)
    case connection(StandInConnection)
    case datagrams
  }

  private let poller: Int32
  private var roles: [Int32: Role] = [:]

  init() throws(Verdict) {
    poller = epoll_create1(Int32(EPOLL_CLOEXEC))
    guard poller >= 0 else { throw Verdict(call: "epoll_create1") }
  }

  /// Listens at a port of all addresses.
  mutating func add(_ service: Service, port: Int) throws(Verdict) {
    let listener = try Self.bind(SOCK_STREAM, port)
    guard listen(listener, 1024) == 0 else { throw Verdict(call: "listen at \(port)") }
    roles[listener] = .listener(service)
    linux_epoll_set(poller, Int32(EPOLL_CTL_ADD), listener, 1, 0)
  }

  mutating func addDatagramEcho(port: Int) throws(Verdict) {
    let descriptor = try Self.bind(SOCK_DGRAM, port)
    roles[descriptor] = .datagrams
    linux_epoll_set(poller, Int32(EPOLL_CTL_ADD), descriptor, 1, 0)
  }

  /// Until somebody connects to `stop`, or at once if there is nothing to serve.
  mutating func serve() throws(Verdict) {
    while !roles.isEmpty {
      var ready = [Int32](repeating: 0, count: 16)
      let count = linux_epoll_wait(poller, &ready, 16, -1)
      guard count >= 0 || linux_errno() == EINTR else { throw Verdict(call: "epoll_wait") }
      for descriptor in ready.prefix(Int(max(count, 0))) {
        guard let role = roles[descriptor] else { continue }
        switch role {
        case .listener(.stop): return
        case .listener(let service): accept(at: descriptor, service)
        case .connection(var connection):
          roles[descriptor] = nil
          if connection.proceed() {
            linux_epoll_set(
              poller, Int32(EPOLL_CTL_MOD), descriptor, connection.wantsInput ? 1 : 0, connection.hasOutput ? 1 : 0)
            roles[descriptor] = .connection(connection)
          } else {
            close(descriptor)
          }
        case .datagrams: Self.echoDatagrams(at: descriptor)
        }
      }
    }
  }

  private mutating func accept(at listener: Int32, _ service: Service) {
    let descriptor = CLinux.accept(listener, nil, nil)
    guard descriptor >= 0 else { return }
    var isNonblocking: Int32 = 1
    _ = linux_ioctl_pointer(descriptor, UInt(FIONBIO), &isNonblocking)
    let connection = StandInConnection(descriptor, service)
    roles[descriptor] = .connection(connection)
    linux_epoll_set(poller, Int32(EPOLL_CTL_ADD), descriptor, 1, connection.hasOutput ? 1 : 0)
  }

  private static func bind(_ kind: __socket_type, _ port: Int) throws(Verdict) -> Int32 {
    // All addresses of both families (ipv6(7), IPV6_V6ONLY is off).
    let end = try SocketEnd("::", port)
    let descriptor = socket(AF_INET6, Int32(kind.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue), 0)
    var isReusable: Int32 = 1
    setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &isReusable, 4)
    guard descriptor >= 0, end.use({ CLinux.bind(descriptor, $0, $1) }) == 0 else {
      throw Verdict(call: "bind \(port)")
    }
    return descriptor
  }

  private static func echoDatagrams(at descriptor: Int32) {
    withUnsafeTemporaryAllocation(byteCount: 1 << 16, alignment: 1) { buffer in
      var peer = sockaddr_storage()
      withUnsafeMutablePointer(to: &peer) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { peer in
          var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
          let count = recvfrom(descriptor, buffer.baseAddress, buffer.count, 0, peer, &length)
          if count >= 0 { sendto(descriptor, buffer.baseAddress, count, 0, peer, length) }
        }
      }
    }
  }
}

/// A connection to a service of a stand-in.
struct StandInConnection {
  private let descriptor: Int32
  private let service: StandInServices.Service
  private var pending: [UInt8] = []
  private var sent = 0
  private var stream = ExpectedStream()
  private var remaining = 0
  private var received = 0
  private var hash = StreamHash()
  private var hasEnded = false

  /// More is not kept for a peer that does not read.
  private static let pendingLimit = 1 << 18

  init(_ descriptor: Int32, _ service: StandInServices.Service) {
    self.descriptor = descriptor
    self.service = service
    if case .source(let byteCount) = service { remaining = byteCount }
  }

  var hasOutput: Bool { sent < pending.count || remaining > 0 }
  var wantsInput: Bool { !hasEnded && pending.count - sent < Self.pendingLimit }

  /// Reads and writes what can be.
  ///
  /// - Returns: whether the connection goes on.
  mutating func proceed() -> Bool {
    guard !wantsInput || read(), write() else { return false }
    guard !hasOutput else { return true }
    // A source has said all, and waits until the other side has it.
    if case .source = service {
      shutdown(descriptor, Int32(SHUT_WR))
    }
    return !hasEnded
  }

  /// - Returns: false if the connection is broken.
  private mutating func read() -> Bool {
    withUnsafeTemporaryAllocation(byteCount: 1 << 16, alignment: 1) { buffer in
      let count = recv(descriptor, buffer.baseAddress, buffer.count, 0)
      guard count > 0 else {
        guard count == 0 else { return linux_errno() == EAGAIN }
        hasEnded = true
        if case .sink = service { pending += Array("\(received) \(hash.text)\n".utf8) }
        return true
      }
      let bytes = UnsafeRawBufferPointer(rebasing: buffer[..<count])
      switch service {
      case .echo, .hold: pending.append(contentsOf: bytes)
      case .sink:
        received += count
        hash.add(bytes)
      case .source, .stop: break
      }
      return true
    }
  }

  private mutating func write() -> Bool {
    while hasOutput {
      if sent == pending.count {
        let count = min(remaining, 1 << 16)
        pending = stream.next(count)
        remaining -= count
        sent = 0
      }
      let count = pending.withUnsafeBytes {
        send(descriptor, $0.baseAddress! + sent, $0.count - sent, Int32(MSG_NOSIGNAL))
      }
      guard count >= 0 else { return linux_errno() == EAGAIN }
      sent += count
    }
    pending.removeAll(keepingCapacity: true)
    sent = 0
    return true
  }
}
