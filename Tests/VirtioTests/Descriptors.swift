import CLinux
import KVM

/// Two descriptors joined to each other.
struct Ends: ~Copyable {
  /// What comes out here was written to `far`; where both ways are open, the other way round as well.
  private(set) var near: Int32
  private(set) var far: Int32

  private init(near: Int32, far: Int32) {
    (self.near, self.far) = (near, far)
  }

  deinit {
    if near >= 0 { _ = CLinux.close(near) }
    if far >= 0 { _ = CLinux.close(far) }
  }

  static func pipe(flags: Int32 = 0) throws -> Ends {
    let ends = UnsafeMutablePointer<Int32>.allocate(capacity: 2)
    defer { ends.deallocate() }
    _ = try valueOrErrno("pipe2", pipe2(ends, O_CLOEXEC | flags))
    return Ends(near: ends[0], far: ends[1])
  }

  static func sockets() throws -> Ends {
    let ends = UnsafeMutablePointer<Int32>.allocate(capacity: 2)
    defer { ends.deallocate() }
    _ = try valueOrErrno("socketpair", socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, ends))
    return Ends(near: ends[0], far: ends[1])
  }

  /// A terminal (near) in the guest's mode and the keyboard and screen of it (far).
  static func terminal() throws -> Ends {
    var near: Int32 = -1
    var far: Int32 = -1
    _ = try valueOrErrno("openpty", openpty(&far, &near, nil, nil, nil))
    let ends = Ends(near: near, far: far)
    var mode = termios()
    _ = try valueOrErrno("tcgetattr", tcgetattr(near, &mode))
    linux_set_guest_input(&mode)
    _ = try valueOrErrno("tcsetattr", tcsetattr(near, TCSANOW, &mode))
    return ends
  }

  func send(_ bytes: [UInt8]) throws {
    try bytes.withUnsafeBytes { try FileDescriptor.writeAll($0, to: far) }
  }

  mutating func closeNear() {
    _ = CLinux.close(near)
    near = -1
  }

  mutating func closeFar() {
    _ = CLinux.close(far)
    far = -1
  }

  /// What is there to read right now, up to `limit` bytes.
  func received(limit: Int = 1 << 20) -> [UInt8] {
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 65536)
    var polled = pollfd(fd: near, events: Int16(POLLIN), revents: 0)
    while bytes.count < limit, poll(&polled, 1, 0) == 1 {
      let count = read(near, &buffer, buffer.count)
      if count <= 0 { break }
      bytes += buffer[..<count]
    }
    return bytes
  }
}
