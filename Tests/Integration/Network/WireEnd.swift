import CLinux

/// One end of a wire.
struct WireEnd {
  /// What comes and goes through `descriptor`.
  private enum Kind {
    /// A TAP device: a frame for each read and write.
    case tap
    /// A socket that waits for whoever is at this end.
    case waiting
    /// Frames one after the other, each behind its length in four bytes, most significant first: QEMU's `-netdev stream`
    /// and passt.
    case stream
  }

  private(set) var descriptor: Int32
  private var kind: Kind
  /// Of a stream: what has come and is not a whole frame, and what has not gone out.
  private var incoming: [UInt8] = []
  /// How much of `incoming` has been taken.
  private var taken = 0
  private var outgoing: [UInt8] = []

  /// More is not kept for somebody who does not read; frames are lost then.
  private static let outgoingLimit = 1 << 20
  /// The largest frame: an IP packet of 65,535 bytes and an Ethernet header.
  private static let frameLimit = 65_535 + 14

  /// - Parameter text: `tap:NAME`, `tap:NAME@NAMESPACE`, or `unix:PATH`, which is made and waited on.
  init(_ text: String) throws(Verdict) {
    let kindAndName = text.utf8.split(separator: 0x3a, maxSplits: 1).map { String(decoding: $0, as: UTF8.self) }
    guard kindAndName.count == 2 else { throw .failed("'\(text)'; expected tap:NAME or unix:PATH") }
    if kindAndName[0] == "unix" {
      kind = .waiting
      descriptor = try Self.listen(at: kindAndName[1])
    } else {
      kind = .tap
      descriptor = try Self.openTap(kindAndName[1])
    }
  }

  /// A socket that somebody is at already.
  init(connected descriptor: Int32) {
    self.descriptor = descriptor
    kind = .stream
    Self.makeNonblocking(descriptor)
    linux_close_on_exec(descriptor)
  }

  var events: Int16 { Int16(outgoing.isEmpty ? POLLIN : POLLIN | POLLOUT) }

  /// The next frame that came in at this end; nil when there is none.
  mutating func read() throws(Verdict) -> [UInt8]? {
    switch kind {
    case .tap: return try readTap()
    case .stream: return try readStream()
    case .waiting:
      let connection = accept(descriptor, nil, nil)
      guard connection >= 0 else { return nil }
      Self.makeNonblocking(connection)
      close(descriptor)
      descriptor = connection
      kind = .stream
      return nil
    }
  }

  /// Lets a frame out at this end, or loses it if it does not fit.
  mutating func write(_ frame: [UInt8]) throws(Verdict) {
    switch kind {
    case .waiting: return
    case .tap:
      // A device that is down, or gone, takes none: EIO, EBADFD.
      _ = CLinux.write(descriptor, frame, frame.count)
    case .stream:
      guard outgoing.count < Self.outgoingLimit else { return }
      let count = UInt32(frame.count)
      for shift in [24, 16, 8, 0] as [UInt32] { outgoing.append(UInt8(truncatingIfNeeded: count >> shift)) }
      outgoing += frame
      try flush()
    }
  }

  /// Writes what waits for room in the socket.
  mutating func flush() throws(Verdict) {
    guard !outgoing.isEmpty else { return }
    let count = send(descriptor, outgoing, outgoing.count, Int32(MSG_DONTWAIT | MSG_NOSIGNAL))
    if count > 0 { outgoing.removeFirst(count) }
  }

  /// Ends it, if it has not ended.
  mutating func end() {
    guard descriptor >= 0 else { return }
    close(descriptor)
    descriptor = -1
  }

  private func readTap() throws(Verdict) -> [UInt8]? {
    var frame: [UInt8]?
    withUnsafeTemporaryAllocation(byteCount: Self.frameLimit, alignment: 1) { buffer in
      let count = CLinux.read(descriptor, buffer.baseAddress, buffer.count)
      if count > 0 { frame = Array(UnsafeRawBufferPointer(rebasing: buffer[..<count])) }
    }
    return frame
  }

  private mutating func readStream() throws(Verdict) -> [UInt8]? {
    if let frame = try takeFrame() { return frame }
    incoming.removeFirst(taken)
    taken = 0
    var count = 0
    withUnsafeTemporaryAllocation(byteCount: 1 << 16, alignment: 1) { buffer in
      count = CLinux.read(descriptor, buffer.baseAddress, buffer.count)
      if count > 0 { incoming.append(contentsOf: UnsafeRawBufferPointer(rebasing: buffer[..<count])) }
    }
    guard count != 0 else {
      // The machine has ended. Nothing comes any more, and there is nobody to wait for.
      end()
      return nil
    }
    return try takeFrame()
  }

  private mutating func takeFrame() throws(Verdict) -> [UInt8]? {
    let waiting = incoming[taken...]
    guard waiting.count >= 4 else { return nil }
    let count = waiting.prefix(4).reduce(0) { $0 << 8 | Int($1) }
    guard (1...Self.frameLimit).contains(count) else {
      throw .failed("a frame of \(count) bytes came through the socket; expected 1 to \(Self.frameLimit)")
    }
    guard waiting.count >= 4 + count else { return nil }
    taken += 4 + count
    return Array(waiting.dropFirst(4).prefix(count))
  }

  private static func listen(at path: String) throws(Verdict) -> Int32 {
    let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
    guard descriptor >= 0 else { throw Verdict(call: "socket") }
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    let bytes = Array(path.utf8)
    guard bytes.count < MemoryLayout.size(ofValue: address.sun_path) else { throw .failed("\(path): too long") }
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
    let isBound = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) == 0
      }
    }
    guard isBound, CLinux.listen(descriptor, 1) == 0 else { throw Verdict(call: "listen at \(path)") }
    makeNonblocking(descriptor)
    return descriptor
  }

  private static func openTap(_ text: String) throws(Verdict) -> Int32 {
    let nameAndNamespace = text.utf8.split(separator: 0x40).map { String(decoding: $0, as: UTF8.self) }
    let here = linux_open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC, 0)
    defer { close(here) }
    if nameAndNamespace.count == 2 { try enter("/run/netns/\(nameAndNamespace[1])") }
    defer { setns(here, Int32(LINUX_CLONE_NEWNET)) }
    let descriptor = linux_open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC, 0)
    guard descriptor >= 0 else { throw Verdict(call: "open /dev/net/tun") }
    guard linux_attach_tap(descriptor, nameAndNamespace[0], 0) == 0 else { throw Verdict(call: "attach \(text)") }
    return descriptor
  }

  private static func enter(_ namespace: String) throws(Verdict) {
    let descriptor = linux_open(namespace, O_RDONLY | O_CLOEXEC, 0)
    guard descriptor >= 0 else { throw Verdict(call: "open \(namespace)") }
    defer { close(descriptor) }
    guard setns(descriptor, Int32(LINUX_CLONE_NEWNET)) == 0 else { throw Verdict(call: "setns \(namespace)") }
  }

  private static func makeNonblocking(_ descriptor: Int32) {
    var isNonblocking: Int32 = 1
    _ = linux_ioctl_pointer(descriptor, UInt(FIONBIO), &isNonblocking)
  }
}
