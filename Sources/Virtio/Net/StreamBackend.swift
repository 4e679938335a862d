import CLinux
import KVM

/// Frames over a stream, each after its length in 32 bits, the highest first: what QEMU's `-netdev stream` and passt(1) speak.
///
/// There is no word in it for offloads, so none are offered: the driver makes whole checksums and packets that fit the link.
public final class StreamBackend: NetworkBackend {
  /// The longest frame, in bytes. A length above it is no length: without a limit, the other side could have the device read
  /// for ever what it takes for one frame.
  static let frameLimit = NetworkFrame.packetLimit + NetworkFrame.headerLimit
  /// How much may be on its way in each direction, in bytes, as far as the host allows it: what a few connections of a guest's
  /// announce as their windows. Whoever sends frames without waiting, as passt does, loses what does not fit.
  static let bufferByteCount: Int32 = 8 << 20
  /// A frame that is dropped is read in pieces of this many bytes.
  private static let discardSize = 16 << 10
  private static let lengthSize = MemoryLayout<UInt32>.size

  public let hasHeaders = false
  public let offloads: NetworkOffloads = []
  public let mtu: Int?
  public var descriptor: Int32 { socket.rawValue }

  private let socket: FileDescriptor
  /// The other side, if it is a program that was started for this machine.
  private let process: PasstProcess?

  /// The next frame's length, as much of it as has come.
  private let length = UnsafeMutableRawBufferPointer.allocate(byteCount: StreamBackend.lengthSize, alignment: 4)
  private var lengthCount = 0
  /// Of the frame that has come in part: how much of it has come, and how much is still to come.
  private var received = 0
  private var missing: Int?
  private var isDiscarding = false
  /// The last read took all there was.
  private var isDrained = false

  private let sentLength = UnsafeMutableRawBufferPointer.allocate(byteCount: StreamBackend.lengthSize, alignment: 4)
  /// Of the frame that waits: how many bytes it has, its length included.
  private var sending: Int?
  /// The rest of a frame whose driver is gone.
  private var leftover: [UInt8] = []

  deinit {
    _ = end()
    length.deallocate()
    sentLength.deallocate()
  }

  /// - Parameters:
  ///   - socket: a connected socket of bytes.
  ///   - mtu: the most that a packet may have, if the other side takes others than it is usual.
  public convenience init(socket: consuming FileDescriptor, mtu: Int? = nil) {
    self.init(socket: socket, mtu: mtu, process: nil)
  }

  init(socket: consuming FileDescriptor, mtu: Int?, process: PasstProcess?) {
    linux_widen_socket(socket.rawValue, Self.bufferByteCount)
    self.socket = socket
    self.mtu = mtu
    self.process = process
  }

  /// Connects to a local socket on which somebody listens.
  public convenience init(connectingTo path: String, mtu: Int? = nil) throws(NetworkBackendError) {
    let socket = try orBackendError { () throws(SystemCallError) in
      FileDescriptor(owning: try valueOrErrno("connect", path: path, linux_connect_local(path)))
    }
    self.init(socket: socket, mtu: mtu)
  }

  public func end() -> String? {
    guard let process else { return nil }
    // The same for it as if the connection were closed.
    _ = linux_finish_writing(descriptor)
    return process.waitForEnd() ? nil : "passt has not ended; its ports may still be in use"
  }

  /// There is nothing to be told.
  public func beginReceiving(_ offloads: NetworkOffloads) {}

  public func endReceiving() {
    isDiscarding = missing != nil
  }

  public func receive(into memory: inout FrameVectors) -> NetworkReception {
    if isDrained {
      isDrained = false
      return .nothing
    }
    if missing == nil {
      if lengthCount < Self.lengthSize {
        switch readLength() {
        case nil: break
        case let outcome?: return outcome
        }
      }
      lengthCount = 0
      let announced = UInt32(bigEndian: length.load(as: UInt32.self))
      guard announced <= Self.frameLimit else { return .failed(.frameLength(announced)) }
      missing = Int(announced)
      received = 0
      isDiscarding = announced > memory.byteCount || announced < NetworkFrame.shortest
    }
    return isDiscarding ? discard() : readFrame(into: &memory)
  }

  /// Reads what is missing of the length; nil when all of it is there.
  private func readLength() -> NetworkReception? {
    var part = iovec(iov_base: length.baseAddress! + lengthCount, iov_len: Self.lengthSize - lengthCount)
    let count = linux_receive_vectors(descriptor, &part, 1)
    guard count > 0 else { return outcome(count) }
    lengthCount += count
    return lengthCount < Self.lengthSize ? .nothing : nil
  }

  /// Reads on in a frame, and the length of the next, which saves a call for it.
  private func readFrame(into memory: inout FrameVectors) -> NetworkReception {
    guard let wanted = missing else { return .nothing }
    memory.removeFirst(received)
    memory.keepFirst(wanted)
    memory.append(length)
    let count = memory.withPointer { linux_receive_vectors(descriptor, $0, $1) }
    guard count > 0 else { return outcome(count) }
    received += min(count, wanted)
    guard count >= wanted else {
      missing = wanted - count
      return .nothing
    }
    missing = nil
    lengthCount = count - wanted
    isDrained = lengthCount < Self.lengthSize
    return .frame(received)
  }

  /// Reads on in a frame that nobody wants.
  private func discard() -> NetworkReception {
    guard let wanted = missing else { return .nothing }
    guard wanted > 0 else {
      missing = nil
      return .dropped
    }
    let count = withUnsafeTemporaryAllocation(byteCount: Self.discardSize, alignment: 1) { memory in
      var part = iovec(iov_base: memory.baseAddress, iov_len: min(wanted, memory.count))
      return linux_receive_vectors(descriptor, &part, 1)
    }
    guard count > 0 else { return outcome(count) }
    missing = count < wanted ? wanted - count : nil
    return missing == nil ? .dropped : .nothing
  }

  /// What came of a read that read nothing.
  private func outcome(_ count: Int) -> NetworkReception {
    guard count < 0 else { return .failed(.closed("the other side closed the connection")) }
    return switch linux_errno() {
    case EAGAIN, EINTR: .nothing
    case ECONNRESET: .failed(.closed("the other side closed the connection"))
    case let code: .failed(.system(SystemCallError("recvmsg", code: code)))
    }
  }

  public func send(_ memory: inout FrameVectors) -> NetworkSending {
    if !leftover.isEmpty {
      switch sendLeftover() {
      case nil: break
      case let outcome?: return outcome
      }
    }
    if sending == nil {
      sentLength.storeBytes(of: UInt32(memory.byteCount).bigEndian, as: UInt32.self)
      memory.prepend(UnsafeRawBufferPointer(sentLength))
      sending = memory.byteCount
    }
    let count = memory.withPointer { linux_send_vectors(descriptor, $0, $1) }
    guard count >= 0 else { return Self.refusal }
    memory.removeFirst(count)
    guard memory.byteCount == 0 else { return .full }
    sending = nil
    return .sent
  }

  /// Sends the rest of a frame whose driver is gone; nil when all of it went.
  private func sendLeftover() -> NetworkSending? {
    let count = leftover.withUnsafeMutableBytes { bytes in
      var part = iovec(iov_base: bytes.baseAddress, iov_len: bytes.count)
      return linux_send_vectors(descriptor, &part, 1)
    }
    guard count >= 0 else { return Self.refusal }
    leftover.removeFirst(count)
    return leftover.isEmpty ? nil : .full
  }

  /// What came of a write that wrote nothing.
  private static var refusal: NetworkSending {
    switch linux_errno() {
    case EAGAIN, EINTR, ENOBUFS: .full
    case EPIPE, ECONNRESET: .failed(.closed("the other side closed the connection"))
    case let code: .failed(.system(SystemCallError("sendmsg", code: code)))
    }
  }

  /// A frame of which nothing went is forgotten; the rest of another is what the other side waits for.
  public func endSending(_ memory: inout FrameVectors) {
    if let sending, memory.byteCount < sending {
      memory.forEach { leftover.append(contentsOf: $0) }
    }
    sending = nil
  }
}
