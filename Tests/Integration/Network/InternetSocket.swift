import CLinux

/// A socket of this program, in the namespace that it is in. What would wait for longer than the watchdog has failed.
struct InternetSocket: ~Copyable {
  enum Kind {
    case stream
    case datagram

    fileprivate var number: Int32 {
      switch self {
      case .stream: Int32(SOCK_STREAM.rawValue)
      case .datagram: Int32(SOCK_DGRAM.rawValue)
      }
    }
  }

  private(set) var descriptor: Int32
  /// Of a connection's start that failed at once: the `errno`.
  private var startError: Int32 = 0

  /// How long something may take, in seconds; it decides nothing else.
  private static let watchdogSeconds = 60

  private init(descriptor: Int32, startError: Int32 = 0) {
    self.descriptor = descriptor
    self.startError = startError
  }

  /// A socket that was connected otherwise.
  init(owning descriptor: Int32) {
    self.init(descriptor: descriptor)
  }

  deinit {
    if descriptor >= 0 { CLinux.close(descriptor) }
  }

  /// A socket that is bound to a port of this side; 0 is any.
  static func bound(_ kind: Kind, to address: String, port: Int = 0) throws(Verdict) -> InternetSocket {
    let end = try SocketEnd(address, port)
    let made = InternetSocket(descriptor: try Self.open(end, kind))
    made.set(SOL_SOCKET, SO_REUSEADDR, to: 1)
    let descriptor = made.descriptor
    guard end.use({ bind(descriptor, $0, $1) }) == 0 else { throw Verdict(call: "bind \(address) port \(port)") }
    return made
  }

  /// A connection that the other side has agreed to.
  static func connected(to address: String, port: Int) throws(Verdict) -> InternetSocket {
    let made = try InternetSocket(startingTo: address, port: port)
    let code = try made.outcome()
    guard code == 0 else {
      throw .failed("connect \(address) port \(port): \(String(cString: strerror(code)))")
    }
    return made
  }

  /// A connection that is on its way: nothing was waited for.
  init(startingTo address: String, port: Int) throws(Verdict) {
    let end = try SocketEnd(address, port)
    let descriptor = try Self.open(end, .stream)
    let code = end.use { connect(descriptor, $0, $1) } == 0 ? 0 : linux_errno()
    self.init(descriptor: descriptor, startError: code == EINPROGRESS ? 0 : code)
  }

  private static func open(_ end: SocketEnd, _ kind: Kind) throws(Verdict) -> Int32 {
    let descriptor = socket(
      end.family, kind.number | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue), 0)
    guard descriptor >= 0 else { throw Verdict(call: "socket") }
    return descriptor
  }

  /// What came of an attempt to connect: 0 or an `errno`.
  func outcome() throws(Verdict) -> Int32 {
    if startError != 0 { return startError }
    try wait(for: POLLOUT, "an answer to a connection's start")
    return pendingError()
  }

  /// The error that the kernel keeps for this socket, an `errno`; it is forgotten.
  func pendingError() -> Int32 {
    var code: Int32 = 0
    var count = socklen_t(MemoryLayout<Int32>.size)
    getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &code, &count)
    return code
  }

  func set(_ level: Int32, _ option: Int32, to value: Int32) {
    var value = value
    setsockopt(descriptor, level, option, &value, socklen_t(MemoryLayout<Int32>.size))
  }

  func listen(backlog: Int32 = 128) throws(Verdict) {
    guard CLinux.listen(descriptor, backlog) == 0 else { throw Verdict(call: "listen") }
  }

  func accept() throws(Verdict) -> InternetSocket {
    try wait(for: POLLIN, "a connection")
    let connection = CLinux.accept(descriptor, nil, nil)
    guard connection >= 0 else { throw Verdict(call: "accept") }
    var isNonblocking: Int32 = 1
    _ = linux_ioctl_pointer(connection, UInt(FIONBIO), &isNonblocking)
    return InternetSocket(descriptor: connection)
  }

  /// Sends all of it.
  func send(_ bytes: [UInt8]) throws(Verdict) {
    var done = 0
    while done < bytes.count {
      try wait(for: POLLOUT, "room for more to send")
      let count = bytes.withUnsafeBytes {
        CLinux.send(descriptor, $0.baseAddress! + done, bytes.count - done, Int32(MSG_NOSIGNAL))
      }
      guard count >= 0 || linux_errno() == EAGAIN else { throw Verdict(call: "send") }
      done += max(count, 0)
    }
  }

  func send(_ text: String) throws(Verdict) { try send(Array(text.utf8)) }

  /// Sends a datagram, which may be empty.
  func send(datagram bytes: [UInt8]) throws(Verdict) {
    guard CLinux.send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL)) == bytes.count else {
      throw Verdict(call: "send \(bytes.count) bytes")
    }
  }

  /// What has come, at least a byte; empty at the end. Of a datagram socket: the next datagram.
  func receive(upTo limit: Int = 1 << 16) throws(Verdict) -> [UInt8] {
    while true {
      try wait(for: POLLIN, "something to receive")
      var result = 0
      let bytes = [UInt8](unsafeUninitializedCapacity: limit) { buffer, count in
        result = recv(descriptor, buffer.baseAddress, limit, 0)
        count = max(result, 0)
      }
      if result >= 0 { return bytes }
      guard linux_errno() == EAGAIN else { throw Verdict(call: "recv") }
    }
  }

  /// Exactly so many bytes.
  func receive(exactly count: Int) throws(Verdict) -> [UInt8] {
    var bytes: [UInt8] = []
    while bytes.count < count {
      let more = try receive(upTo: count - bytes.count)
      guard !more.isEmpty else { throw .failed("expected \(count) bytes; got the end after \(bytes.count)") }
      bytes += more
    }
    return bytes
  }

  /// Half-close: the other side sees the end.
  func finishWriting() { shutdown(descriptor, Int32(SHUT_WR)) }

  /// The descriptor, which is the caller's to close from now on.
  mutating func release() -> Int32 {
    defer { descriptor = -1 }
    return descriptor
  }

  /// Ends the connection with a RST (socket(7), SO_LINGER with no time).
  consuming func reset() {
    var linger = linger(l_onoff: 1, l_linger: 0)
    setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &linger, socklen_t(MemoryLayout.size(ofValue: linger)))
    CLinux.close(descriptor)
    descriptor = -1
  }

  /// Of a datagram socket: what is sent and received is to and from there alone.
  func setPeer(_ address: String, _ port: Int) throws(Verdict) {
    let end = try SocketEnd(address, port)
    guard end.use({ connect(descriptor, $0, $1) }) == 0 else { throw Verdict(call: "connect \(address)") }
  }

  /// Waits until it is readable (POLLIN) or writable (POLLOUT), or in error.
  func wait(for events: Int32, _ what: String) throws(Verdict) {
    guard isReady(for: events, withinMilliseconds: Int32(Self.watchdogSeconds * 1000)) else {
      throw .failed("expected \(what) within \(Self.watchdogSeconds) s; nothing came")
    }
  }

  func isReady(for events: Int32, withinMilliseconds milliseconds: Int32) -> Bool {
    var polled = pollfd(fd: descriptor, events: Int16(events), revents: 0)
    return poll(&polled, 1, milliseconds) > 0
  }
}

/// An address and a port as the kernel takes them.
struct SocketEnd {
  private var storage = sockaddr_storage()
  private let count: socklen_t

  var family: Int32 { Int32(storage.ss_family) }

  /// - Parameter address: IPv4 or IPv6, without a zone.
  init(_ address: String, _ port: Int) throws(Verdict) {
    var isAddress: Int32
    if address.utf8.contains(0x3a) {
      var end = sockaddr_in6()
      end.sin6_family = sa_family_t(AF_INET6)
      end.sin6_port = UInt16(port).bigEndian
      isAddress = inet_pton(AF_INET6, address, &end.sin6_addr)
      count = socklen_t(MemoryLayout<sockaddr_in6>.size)
      withUnsafeMutableBytes(of: &storage) { $0.storeBytes(of: end, as: sockaddr_in6.self) }
    } else {
      var end = sockaddr_in()
      end.sin_family = sa_family_t(AF_INET)
      end.sin_port = UInt16(port).bigEndian
      isAddress = inet_pton(AF_INET, address, &end.sin_addr)
      count = socklen_t(MemoryLayout<sockaddr_in>.size)
      withUnsafeMutableBytes(of: &storage) { $0.storeBytes(of: end, as: sockaddr_in.self) }
    }
    guard isAddress == 1 else { throw .failed("'\(address)' is no address") }
  }

  func use<Result>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Result) -> Result {
    withUnsafePointer(to: storage) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, count) }
    }
  }
}
