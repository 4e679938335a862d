#if !hasFeature(Embedded)
  import CGuestKernel
  import Glibc
  import MachineABI
  import Network

  /// The hosted build's interface: a TAP device of the system's, with the same header before each frame as a virtio device's
  /// (IFF_VNET_HDR), so that checksums and segments are left to the kernel (the kernel's networking/tuntap.rst).
  ///
  /// A thread waits for frames and for what is due; what tasks have to send goes out at once.
  final class TAPLink: @unchecked Sendable {
    let capabilities: LinkCapabilities
    private let descriptor: Int32
    /// An eventfd(2) that ends the thread's wait.
    private let alarm: Int32
    private var interface: NetworkInterface!
    private let incoming: UnsafeMutableRawBufferPointer
    private var outgoing: UnsafeMutableRawBufferPointer!
    /// When the thread will wake, in nanoseconds; of use with the interface's lock held.
    private var wakeTime = UInt64.max

    /// Frames that are taken in before tasks get a turn with the stack.
    private static var receiveBatch: Int { 64 }
    private static var headerSize: Int { MemoryLayout<virtio_net_hdr>.size }
    /// The longest frame that the kernel merges, and room for a VLAN's tag.
    private static var longestFrame: Int { 65535 + 18 }

    init(_ declaration: TAPDeclaration) throws(DeviceError) {
      let name = declaration.name
      func check(_ result: Int32) throws(DeviceError) -> Int32 {
        guard result >= 0 else { throw DeviceError(device: name, reason: .systemError(errno)) }
        return result
      }
      descriptor = try check(Glibc.open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC))
      do throws(DeviceError) {
        var request = InterfaceRequest(declaration.interface)
        request.flags = Int16(truncatingIfNeeded: IFF_TAP | IFF_NO_PI | IFF_VNET_HDR)
        _ = try check(ioctl(descriptor, UInt(needletail_set_tap), &request))
        var headerSize = Int32(Self.headerSize)
        _ = try check(ioctl(descriptor, UInt(needletail_set_tap_header), &headerSize))
        _ = try check(ioctl(descriptor, UInt(needletail_set_tap_offload), CInt(TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6)))
        let socket = try check(socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0))
        defer { Glibc.close(socket) }
        _ = try check(ioctl(socket, UInt(needletail_get_mtu), &request))
        alarm = try check(eventfd(0, Int32(EFD_NONBLOCK | EFD_CLOEXEC)))
        capabilities = LinkCapabilities(
          address: declaration.address ?? .randomLocal(), mtu: Int(request.mtu), completesChecksums: true,
          segmentsIPv4: true, segmentsIPv6: true)
      } catch {
        Glibc.close(descriptor)
        throw error
      }
      incoming = .allocate(byteCount: Self.headerSize + Self.longestFrame, alignment: 64)
    }

    /// Serves an interface, for as long as the process lives.
    func start(_ interface: NetworkInterface) {
      self.interface = interface
      outgoing = .allocate(byteCount: Self.headerSize + interface.frameLimit, alignment: 64)
      interface.flush = { self.flush() }
      var thread = pthread_t()
      let result = pthread_create(
        &thread, nil,
        { argument in
          Unmanaged<TAPLink>.fromOpaque(argument!).takeRetainedValue().serve()
        }, Unmanaged.passRetained(self).toOpaque())
      guard result == 0 else { fatalError("pthread_create: error \(result)") }
      pthread_detach(thread)
    }

    private func serve() -> Never {
      while true {
        interface.exclusion.lock()
        interface.advance()
        receive()
        interface.settle()
        flush()
        wakeTime = interface.deadline ?? .max
        let timeout = milliseconds(until: wakeTime)
        interface.exclusion.unlock()
        var watched = [
          pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0),
          pollfd(fd: alarm, events: Int16(POLLIN), revents: 0),
        ]
        poll(&watched, 2, timeout)
        var count: UInt64 = 0
        if watched[1].revents != 0 { read(alarm, &count, MemoryLayout<UInt64>.size) }
      }
    }

    private func milliseconds(until time: UInt64) -> Int32 {
      let now = monotonicNanoseconds()
      guard time < .max else { return -1 }
      return time > now ? Int32(clamping: (time - now + 999_999) / 1_000_000) : 0
    }

    private func receive() {
      for _ in 0..<Self.receiveBatch {
        let count = read(descriptor, incoming.baseAddress, incoming.count)
        guard count > Self.headerSize else { return }
        let flags = incoming.load(as: virtio_net_hdr.self).flags
        let frame = UnsafeRawBufferPointer(rebasing: incoming[Self.headerSize..<count])
        interface.receive(
          frame.bytes,
          checksumIsValid: flags & UInt8(VIRTIO_NET_HDR_F_NEEDS_CSUM | VIRTIO_NET_HDR_F_DATA_VALID) != 0)
      }
    }

    /// Sends what there is to send, with the interface's lock held.
    private func flush() {
      while interface.hasOutput {
        let room = UnsafeMutableRawBufferPointer(rebasing: outgoing[Self.headerSize...])
        var frame = room.mutableBytes
        guard let sent = interface.transmit(into: &frame) else { break }
        outgoing.storeBytes(of: virtio_net_hdr(sent), as: virtio_net_hdr.self)
        // What the kernel does not take is lost, as on any link.
        write(descriptor, outgoing.baseAddress, Self.headerSize + sent.byteCount)
      }
      guard let deadline = interface.deadline, deadline < wakeTime else { return }
      wakeTime = deadline
      var one: UInt64 = 1
      write(alarm, &one, MemoryLayout<UInt64>.size)
    }
  }

  /// struct ifreq (netdevice(7)) as far as it is needed here: Swift does not see its unions' members.
  private struct InterfaceRequest {
    private var name: InlineArray<16, UInt8>
    /// The first bytes of the union: ifr_flags, or ifr_mtu.
    private var value: InlineArray<6, Int32>

    /// - Parameter name: what does not fit is cut off, and then names no interface.
    init(_ name: String) {
      self.name = InlineArray(repeating: 0)
      value = InlineArray(repeating: 0)
      for (index, byte) in name.utf8.prefix(15).enumerated() { self.name[index] = byte }
    }

    var mtu: Int32 { value[0] }
    var flags: Int16 {
      get { Int16(truncatingIfNeeded: value[0]) }
      set { value[0] = Int32(UInt16(bitPattern: newValue)) }
    }
  }
#endif
