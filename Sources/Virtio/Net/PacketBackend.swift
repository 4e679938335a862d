import CLinux
import KVM
import MachineABI

/// Frames that a descriptor gives and takes one by one, each in one system call: a TAP interface, or a socket that keeps the
/// bounds of messages.
public final class PacketBackend: NetworkBackend {
  private let file: FileDescriptor
  private let isTAP: Bool
  public let hasHeaders: Bool
  public let offloads: NetworkOffloads
  /// What the kernel leaves undone in frames now.
  private var left: NetworkOffloads
  public let mtu: Int?
  /// A byte behind the memory for a frame: if it is reached, the frame was longer. Never read.
  private let spill = UnsafeMutableRawBufferPointer.allocate(byteCount: 1, alignment: 1)

  public var descriptor: Int32 { file.rawValue }

  deinit {
    spill.deallocate()
  }

  /// Becomes the other end of a TAP interface, which is made if there is none and this process may; then it is gone again
  /// with this value. Addresses, routes and whether it is up are not touched.
  ///
  /// - Parameters:
  ///   - interface: its name.
  ///   - mtu: what to say in place of the interface's own.
  public init(interface name: String, mtu: Int? = nil) throws(NetworkBackendError) {
    let isName = name.utf8.allSatisfy { byte in
      byte > UInt8(ascii: " ") && byte != UInt8(ascii: "/") && byte != UInt8(ascii: "%") && byte != UInt8(ascii: ":")
    }
    guard isName, !name.isEmpty, name.utf8.count <= Int(LINUX_INTERFACE_NAME_LIMIT), name != ".", name != ".." else {
      throw .interfaceName(name)
    }
    let file = try orBackendError { () throws(SystemCallError) in
      try FileDescriptor(opening: "/dev/net/tun", flags: O_RDWR | O_NONBLOCK)
    }
    guard linux_tap_attach(file.rawValue, name) == 0 else {
      switch linux_errno() {
      case EBUSY: throw .interfaceInUse(name)
      case EPERM: throw .interfacePermission(name)
      case EINVAL: throw .interfaceKind(name)
      case let code: throw .system(SystemCallError("TUNSETIFF", path: name, code: code))
      }
    }
    let offloads = try Self.setUpHeaders(file.rawValue)
    let interfaceMTU = linux_interface_mtu(name)
    self.file = file
    self.offloads = offloads
    left = offloads
    self.mtu = mtu ?? (interfaceMTU > 0 ? Int(interfaceMTU) : nil)
    isTAP = true
    hasHeaders = true
  }

  /// Takes a descriptor that the process was started with: of a TAP interface, whose open file no longer waits from here on
  /// (O_NONBLOCK), or a socket of messages.
  ///
  /// - Parameter mtu: what to say to the driver, if anything.
  public init(inherited file: consuming FileDescriptor, mtu: Int? = nil) throws(NetworkBackendError) {
    let number = file.rawValue
    let flags = linux_tap_flags(number)
    if flags >= 0 {
      guard flags & IFF_TAP != 0, flags & IFF_NO_PI != 0 else {
        throw .inherited(number, reason: "expected a TAP interface opened with IFF_TAP and IFF_NO_PI")
      }
      guard linux_set_nonblocking(number) == 0 else { throw .system(SystemCallError("fcntl F_SETFL")) }
      hasHeaders = flags & IFF_VNET_HDR != 0
      offloads = hasHeaders ? try Self.setUpHeaders(number) : []
    } else {
      let kind = linux_socket_kind(number)
      guard kind == Int32(SOCK_SEQPACKET.rawValue) || kind == Int32(SOCK_DGRAM.rawValue) else {
        throw .inherited(number, reason: "expected a TAP interface or a socket")
      }
      hasHeaders = false
      offloads = []
    }
    isTAP = flags >= 0
    left = offloads
    self.mtu = mtu
    self.file = file
  }

  /// Asks for the header that virtio has since version 1, and for all that the kernel can leave to a driver.
  ///
  /// - Returns: what the interface leaves to who receives its frames from here on.
  private static func setUpHeaders(_ descriptor: Int32) throws(NetworkBackendError) -> NetworkOffloads {
    guard linux_tap_set_header_size(descriptor, Int32(MemoryLayout<virtio_net_hdr>.size)) == 0 else {
      throw .system(SystemCallError("TUNSETVNETHDRSZ"))
    }
    let all: NetworkOffloads = [.checksum, .segmentsIPv4, .segmentsIPv6]
    if linux_tap_set_offloads(descriptor, flags(of: all)) == 0 { return all }
    // What somebody who had the interface before could do is not what the driver can.
    guard linux_tap_set_offloads(descriptor, 0) == 0 else { throw .system(SystemCallError("TUNSETOFFLOAD")) }
    return []
  }

  private static func flags(of offloads: NetworkOffloads) -> UInt32 {
    var flags: Int32 = 0
    if offloads.contains(.checksum) {
      flags |= TUN_F_CSUM
      if offloads.contains(.segmentsIPv4) { flags |= TUN_F_TSO4 }
      if offloads.contains(.segmentsIPv6) { flags |= TUN_F_TSO6 }
    }
    return UInt32(flags)
  }

  /// A change takes some 30 µs, since all that watches interfaces is told. So it is made only for a driver that does less than
  /// the one before, or more, and frames that are there already stay as they are: the receiver drops what cannot be for it.
  public func beginReceiving(_ offloads: NetworkOffloads) {
    guard hasHeaders, offloads != left else { return }
    // If the kernel should refuse, frames come whole and with their checksums, which every driver takes.
    left = linux_tap_set_offloads(descriptor, Self.flags(of: offloads)) == 0 ? offloads : []
  }

  public func receive(into memory: inout FrameVectors) -> NetworkReception {
    let room = memory.byteCount
    memory.append(spill)
    while true {
      let count = memory.withPointer {
        isTAP ? readv(descriptor, $0, $1) : linux_receive_vectors(descriptor, $0, $1)
      }
      if count > room { return .dropped }
      if count > 0 { return .frame(count) }
      // What a socket of messages says when the other side is gone; of datagrams, an empty one.
      if count == 0 {
        return linux_socket_kind(descriptor) == Int32(SOCK_SEQPACKET.rawValue)
          ? .failed(.closed("the other side of the socket is closed")) : .dropped
      }
      switch linux_errno() {
      case EINTR: continue
      case EAGAIN: return .nothing
      case EBADFD where isTAP, EFAULT where isTAP: return .failed(.closed("the TAP interface is gone"))
      case let code: return .failed(.system(SystemCallError("readv", code: code)))
      }
    }
  }

  /// A frame is read in one piece.
  public func endReceiving() {}

  public func send(_ memory: inout FrameVectors) -> NetworkSending {
    while true {
      let count = memory.withPointer {
        isTAP ? writev(descriptor, $0, $1) : linux_send_vectors(descriptor, $0, $1)
      }
      if count >= 0 { return .sent }
      switch linux_errno() {
      case EINTR: continue
      case EAGAIN: return .full
      case EBADFD where isTAP: return .failed(.closed("the TAP interface is gone"))
      case EPIPE, ECONNRESET, ENOTCONN, ECONNREFUSED:
        return .failed(.closed("the other side of the socket is closed"))
      // EIO: the interface is down. EINVAL: the header, which the kernel checks against the frame. EMSGSIZE, ENOBUFS, ...
      default: return .refused
      }
    }
  }

  /// A frame is written in one piece or not at all.
  public func endSending(_ memory: inout FrameVectors) {}
}

/// Runs `body`, turning a failed system call into a `NetworkBackendError`.
func orBackendError<Result: ~Copyable>(
  _ body: () throws(SystemCallError) -> Result
) throws(NetworkBackendError) -> Result {
  do throws(SystemCallError) {
    return try body()
  } catch {
    throw .system(error)
  }
}
