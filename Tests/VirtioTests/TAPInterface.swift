import CLinux
import KVM

@testable import Virtio

/// A TAP interface in a network namespace that nobody else sees, and a socket that has the other side of it: what is written to
/// the one is read from the other.
final class TAPInterface {
  /// Only root may make namespaces from a process of several threads (user_namespaces(7)).
  static let isPossible = geteuid() == 0
  /// What each frame on the socket is behind: the header of virtio's as it was before version 1 (packet(7), PACKET_VNET_HDR).
  static let headerSize = 10

  let backend: PacketBackend
  private let socket: Int32
  /// What comes of opening the same interface again.
  let secondOpening: String

  private final class Work: @unchecked Sendable {
    var mtu = 0
    var result: Result<(PacketBackend, Int32, String), any Error>?
  }

  /// - Parameter mtu: the interface's.
  init(mtu: Int = 1500) throws {
    // The namespace is a thread's, so all of it is done on one that does nothing else.
    let work = Work()
    work.mtu = mtu
    var thread = pthread_t()
    let started = linux_start_thread(
      &thread,
      { argument in
        let work = Unmanaged<Work>.fromOpaque(argument!).takeUnretainedValue()
        work.result = Result { try TAPInterface.make(mtu: work.mtu) }
        return nil
      }, Unmanaged.passUnretained(work).toOpaque())
    guard started == 0 else { throw SystemCallError("pthread_create", code: started) }
    pthread_join(thread, nil)
    (backend, socket, secondOpening) = try work.result!.get()
  }

  deinit {
    close(socket)
  }

  /// A frame comes to the interface from outside, behind a header.
  func send(_ frame: [UInt8], header: [UInt8] = [UInt8](repeating: 0, count: headerSize)) throws {
    let bytes = header + frame
    guard write(socket, bytes, bytes.count) == bytes.count else { throw SystemCallError("write") }
  }

  /// The next frame that went out through the interface, behind its header; nil if none has.
  func received() -> (header: [UInt8], frame: [UInt8])? {
    var bytes = [UInt8](repeating: 0, count: 1 << 17)
    let count = read(socket, &bytes, bytes.count)
    guard count >= Self.headerSize else { return nil }
    return ([UInt8](bytes[..<Self.headerSize]), [UInt8](bytes[Self.headerSize..<count]))
  }

  // MARK: On a thread with a namespace of its own

  private static func make(mtu: Int) throws -> (PacketBackend, Int32, String) {
    let newNetwork: Int32 = 0x4000_0000  // CLONE_NEWNET
    _ = try valueOrErrno("unshare", unshare(newNetwork))
    // Else the kernel says things of its own on every new interface.
    let setting = try FileDescriptor(opening: "/proc/sys/net/ipv6/conf/default/disable_ipv6", flags: O_WRONLY)
    try Array("1".utf8).withUnsafeBytes { try FileDescriptor.writeAll($0, to: setting.rawValue) }

    let made = try PacketBackend(interface: "tap0")
    try change("SIOCSIFMTU", 0x8922, UInt32(mtu))
    try change("SIOCSIFFLAGS", 0x8914, 1)  // IFF_UP
    let index = try change("SIOCGIFINDEX", 0x8933, 0)

    let packets: Int32 = 17  // AF_PACKET
    let allProtocols = UInt16(3).bigEndian  // ETH_P_ALL
    let kind = Int32(SOCK_RAW.rawValue) | Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
    let socket = try valueOrErrno("socket", CLinux.socket(packets, kind, Int32(allProtocols)))
    var yes: Int32 = 1
    // SOL_PACKET, PACKET_VNET_HDR
    _ = try valueOrErrno("setsockopt", setsockopt(socket, 263, 15, &yes, socklen_t(MemoryLayout<Int32>.size)))
    // struct sockaddr_ll
    var address = [UInt8](repeating: 0, count: 20)
    address.withUnsafeMutableBytes {
      $0.storeBytes(of: UInt16(packets), as: UInt16.self)
      $0.storeBytes(of: allProtocols, toByteOffset: 2, as: UInt16.self)
      $0.storeBytes(of: index, toByteOffset: 4, as: UInt32.self)
    }
    let bound = address.withUnsafeBytes {
      bind(socket, $0.baseAddress!.assumingMemoryBound(to: sockaddr.self), socklen_t($0.count))
    }
    _ = try valueOrErrno("bind", bound)
    do {
      _ = try PacketBackend(interface: "tap0")
    } catch {
      return (made, socket, error.description)
    }
    return (made, socket, "opened")
  }

  /// netdevice(7): a request with the interface's name and one number, which it returns.
  @discardableResult
  private static func change(_ name: StaticString, _ request: UInt, _ value: UInt32) throws -> UInt32 {
    let socket = try valueOrErrno("socket", CLinux.socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0))
    defer { close(socket) }
    // struct ifreq
    var argument = [UInt8](repeating: 0, count: 40)
    argument.replaceSubrange(0..<4, with: Array("tap0".utf8))
    return try argument.withUnsafeMutableBytes { bytes in
      bytes.storeBytes(of: value, toByteOffset: 16, as: UInt32.self)
      _ = try valueOrErrno(name, linux_ioctl_pointer(socket, request, bytes.baseAddress))
      return bytes.load(fromByteOffset: 16, as: UInt32.self)
    }
  }
}

@_extern(c, "unshare")
private func unshare(_ flags: Int32) -> Int32
