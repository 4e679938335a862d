import BenchmarkSupport
import CLinux

/// A TCP socket whose calls wait; for ever, if need be: the benchmark is run by somebody who would notice.
struct Stream: ~Copyable {
  let descriptor: Int32

  init(descriptor: Int32) {
    self.descriptor = descriptor
  }

  deinit {
    close(descriptor)
  }

  /// A connection to an IPv4 address.
  static func connected(to address: String, port: Int) throws(BenchmarkError) -> Stream {
    let made = Stream(descriptor: try openSocket())
    let end = try InternetEnd(address, port)
    guard end.use({ connect(made.descriptor, $0, $1) }) == 0 else {
      throw BenchmarkError(call: "connect \(address) port \(port)")
    }
    made.set(Int32(IPPROTO_TCP), TCP_NODELAY, to: 1)
    return made
  }

  static func openSocket(flags: UInt32 = 0) throws(BenchmarkError) -> Int32 {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | flags), 0)
    guard descriptor >= 0 else { throw BenchmarkError(call: "socket") }
    return descriptor
  }

  func set(_ level: Int32, _ option: Int32, to value: Int32) {
    var value = value
    setsockopt(descriptor, level, option, &value, socklen_t(MemoryLayout<Int32>.size))
  }

  /// Sends all of a text.
  func send(_ text: String) throws(BenchmarkError) {
    var text = text
    let isSent = text.withUTF8 { CLinux.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) == $0.count }
    guard isSent else { throw BenchmarkError(call: "send") }
  }

  /// What has come; empty at the end.
  func receive(upTo limit: Int = 4096) throws(BenchmarkError) -> [UInt8] {
    var count = 0
    let bytes = [UInt8](unsafeUninitializedCapacity: limit) { buffer, initialized in
      count = recv(descriptor, buffer.baseAddress, limit, 0)
      initialized = max(count, 0)
    }
    guard count >= 0 else { throw BenchmarkError(call: "recv") }
    return bytes
  }

  /// All to the end, as text.
  func receiveToEnd() throws(BenchmarkError) -> String {
    var bytes: [UInt8] = []
    while true {
      let more = try receive()
      guard !more.isEmpty else { return String(decoding: bytes, as: UTF8.self) }
      bytes += more
    }
  }

  /// Sends so many bytes of a buffer again and again.
  func send(_ buffer: [UInt8], total: Int) throws(BenchmarkError) {
    var rest = total
    while rest > 0 {
      let count = CLinux.send(descriptor, buffer, min(buffer.count, rest), Int32(MSG_NOSIGNAL))
      guard count > 0 else { throw BenchmarkError(call: "send") }
      rest -= count
    }
  }

  /// Takes bytes until there were so many, or the end.
  ///
  /// - Returns: how many there were.
  func drain(_ buffer: inout [UInt8], total: Int) throws(BenchmarkError) -> Int {
    var received = 0
    while received < total {
      let count = recv(descriptor, &buffer, buffer.count, 0)
      guard count >= 0 else { throw BenchmarkError(call: "recv") }
      guard count > 0 else { break }
      received += count
    }
    return received
  }
}

/// An IPv4 address and a port as the kernel takes them.
struct InternetEnd {
  private var end = sockaddr_in()

  init(_ address: String, _ port: Int) throws(BenchmarkError) {
    end.sin_family = sa_family_t(AF_INET)
    end.sin_port = UInt16(port).bigEndian
    guard inet_pton(AF_INET, address, &end.sin_addr) == 1 else { throw BenchmarkError("'\(address)' is no address") }
  }

  func use<Result>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Result) -> Result {
    withUnsafePointer(to: end) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
    }
  }
}
