import CLinux
import KVM
import Testing

@testable import Virtio

/// A socket whose messages are frames, as a device's link.
struct PacketLink: ~Copyable {
  private var far: Int32
  private let backend: PacketBackend

  init() throws {
    let (near, far) = try openSockets(Int32(SOCK_SEQPACKET.rawValue))
    let backend = try PacketBackend(inherited: FileDescriptor(owning: near))
    self.far = far
    self.backend = backend
  }

  deinit {
    if far >= 0 { close(far) }
  }

  func takeBackend() -> PacketBackend { backend }

  func send(_ frame: [UInt8]) throws {
    guard CLinux.send(far, frame, frame.count, 0) == frame.count else { throw SystemCallError("send") }
  }

  /// The frames that have come out.
  func received() -> [[UInt8]] {
    var frames: [[UInt8]] = []
    var bytes = [UInt8](repeating: 0, count: 1 << 17)
    while true {
      let count = recv(far, &bytes, bytes.count, Int32(MSG_DONTWAIT))
      if count <= 0 { return frames }
      frames.append([UInt8](bytes[..<count]))
    }
  }

  mutating func closeFar() {
    close(far)
    far = -1
  }
}

/// A stream on which each frame comes behind its length, as a device's link.
struct StreamLink: ~Copyable {
  private var far: Int32
  private let backend: StreamBackend

  init(mtu: Int? = nil) throws {
    let (near, far) = try openSockets(Int32(SOCK_STREAM.rawValue))
    backend = StreamBackend(socket: FileDescriptor(owning: near), mtu: mtu)
    // So that frames of tests do not all fit.
    var room: Int32 = 128 << 10
    setsockopt(near, SOL_SOCKET, SO_SNDBUF, &room, 4)
    self.far = far
  }

  deinit {
    if far >= 0 { close(far) }
  }

  func takeBackend() -> StreamBackend { backend }

  /// A frame as it is on the stream.
  static func packed(_ frame: [UInt8]) -> [UInt8] {
    withUnsafeBytes(of: UInt32(frame.count).bigEndian) { [UInt8]($0) } + frame
  }

  func send(_ bytes: some Collection<UInt8>) throws {
    let bytes = [UInt8](bytes)
    guard CLinux.send(far, bytes, bytes.count, 0) == bytes.count else { throw SystemCallError("send") }
  }

  /// Up to so many bytes of what has come out.
  func received(limit: Int = 1 << 22) -> [UInt8] {
    var bytes: [UInt8] = []
    var part = [UInt8](repeating: 0, count: 1 << 16)
    while bytes.count < limit {
      let count = recv(far, &part, min(part.count, limit - bytes.count), Int32(MSG_DONTWAIT))
      if count <= 0 { break }
      bytes += part[..<count]
    }
    return bytes
  }

  mutating func closeFar() {
    close(far)
    far = -1
  }
}

/// A frame per element, of a stream that has only whole ones.
func unpacked(_ stream: [UInt8]) throws -> [[UInt8]] {
  var frames: [[UInt8]] = []
  var rest = stream[...]
  while !rest.isEmpty {
    let length = rest.prefix(4).reduce(0) { $0 << 8 | Int($1) }
    rest = rest.dropFirst(4)
    try #require(rest.count >= length)
    frames.append([UInt8](rest.prefix(length)))
    rest = rest.dropFirst(length)
  }
  return frames
}

private func openSockets(_ kind: Int32) throws -> (Int32, Int32) {
  var ends: [Int32] = [-1, -1]
  _ = try valueOrErrno("socketpair", socketpair(AF_UNIX, kind | Int32(SOCK_CLOEXEC.rawValue), 0, &ends))
  return (ends[0], ends[1])
}
