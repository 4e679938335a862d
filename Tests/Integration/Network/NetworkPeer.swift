import CLinux
import Network

/// Hosts on the other side of `--net NAME=unix:PATH`: this program's own end of each wire, with the stack that the machine has
/// as well (Sources/Network). That takes neither rights nor anything of the host's network, so that these cases run in every
/// lane; what Linux's stack thinks of ours is for those in namespaces.
final class PeerNetwork {
  /// One for each interface of the machine.
  private(set) var peers: [NetworkPeer] = []
  private var directory: TemporaryDirectory
  private let watchdogSeconds: Int

  init(_ session: Session) throws(Verdict) {
    directory = try TemporaryDirectory()
    watchdogSeconds = session.lane.watchdogSeconds
  }

  /// Adds a host with this address and a prefix of 24 bits.
  ///
  /// - Returns: the option that connects an interface of the machine to it.
  func add(_ interface: String, _ address: IPv4Address) throws(Verdict) -> [String] {
    let path = directory.newPath(interface)
    peers.append(NetworkPeer(try WireEnd("unix:\(path)"), address))
    return ["--net", "\(interface)=unix:\(path)"]
  }

  /// The same over a socket that the machine inherits: it is to be started next.
  func addInherited(_ interface: String, _ address: IPv4Address) throws(Verdict) -> [String] {
    var ends: (Int32, Int32) = (0, 0)
    let result = withUnsafeMutableBytes(of: &ends) {
      socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, $0.baseAddress!.assumingMemoryBound(to: Int32.self))
    }
    guard result == 0 else { throw Verdict(call: "socketpair") }
    peers.append(NetworkPeer(WireEnd(connected: ends.0), handingOver: ends.1, address))
    return ["--net", "\(interface)=fd:\(ends.1)"]
  }

  /// Carries frames for all of them until something holds.
  func run(until isDone: () throws(Verdict) -> Bool) throws(Verdict) {
    let end = MonotonicTime.nanoseconds() + UInt64(watchdogSeconds) * 1_000_000_000
    while true {
      for peer in peers { try peer.takeTurn() }
      if try isDone() { return }
      guard !peers.contains(where: { $0.isDisconnected }) else { throw .failed("the machine has left the network") }
      guard MonotonicTime.nanoseconds() < end else {
        throw .failed("expected something of the machine within \(watchdogSeconds) s; nothing came")
      }
      try wait(until: peers.reduce(end) { min($0, $1.deadline ?? end) })
    }
  }

  /// The same until the machine has left.
  func runToEnd() throws(Verdict) {
    try run { peers.allSatisfy { $0.isDisconnected } }
  }

  /// A connection that the machine has agreed to.
  func connect(_ peer: NetworkPeer, to address: IPv4Address, port: UInt16) throws(Verdict) -> PeerConnection {
    let socket = try peer.connect(to: address, port: port)
    try run { socket.state != .synSent }
    guard socket.error == nil else { throw .failed("port \(port) of the machine: expected a connection; got none") }
    return PeerConnection(self, socket)
  }

  private func wait(until time: UInt64) throws(Verdict) {
    var polled = peers.map { pollfd(fd: $0.descriptor, events: $0.events, revents: 0) }
    let now = MonotonicTime.nanoseconds()
    let milliseconds = time > now ? (time - now + 999_999) / 1_000_000 : 0
    guard poll(&polled, nfds_t(polled.count), Int32(milliseconds)) >= 0 || linux_errno() == EINTR else {
      throw Verdict(call: "poll")
    }
  }
}

/// One of the hosts.
final class NetworkPeer {
  private var end: WireEnd
  /// What the machine inherits, until that was started; -1: nothing.
  private var otherEnd: Int32
  private let stack: NetworkStack
  let address: IPv4Address
  /// All frames, in their order.
  private(set) var sent: [[UInt8]] = []
  private(set) var received: [[UInt8]] = []

  /// Of the addresses that nobody gives away.
  private static let link = MACAddress(0x0270_6565_7200)

  fileprivate init(_ end: WireEnd, handingOver otherEnd: Int32 = -1, _ address: IPv4Address) {
    self.end = end
    self.otherEnd = otherEnd
    self.address = address
    stack = NetworkStack(
      LinkCapabilities(address: Self.link),
      NetworkConfiguration(ipv4: .fixed(address, prefixLength: 24, gateway: nil), ipv6: .none), seed: (1, 2),
      at: Self.now)
  }

  deinit {
    end.end()
    closeOtherEnd()
  }

  /// The machine has its own copy of it. With ours open, it would not show when that is closed.
  private func closeOtherEnd() {
    if otherEnd >= 0 { close(otherEnd) }
    otherEnd = -1
  }

  fileprivate static var now: NetworkInstant { NetworkInstant(nanoseconds: MonotonicTime.nanoseconds()) }

  /// Whether it has sent this frame, and not the machine: by the source in the Ethernet header.
  func isSource(of frame: [UInt8]) -> Bool {
    frame[6..<12].reduce(0) { $0 << 8 | UInt64($1) } == Self.link.value
  }

  /// Begins to take connections.
  func listen(port: UInt16) throws(Verdict) -> TCPListenSocket {
    do throws(TCPError) {
      return try stack.tcp.listen(on: nil, port: port, backlog: 8)
    } catch {
      throw .failed("the peer's own stack does not listen on port \(port)")
    }
  }

  /// Begins a connection; nothing is waited for.
  func connect(to remote: IPv4Address, port: UInt16) throws(Verdict) -> TCPSocket {
    do throws(TCPError) {
      return try stack.tcp.connect(to: SocketAddress(.v4(remote), port: port), from: .v4(address), at: Self.now)
    } catch {
      throw .failed("the peer's own stack does not connect to port \(port)")
    }
  }

  /// The machine was there, and is not any more.
  fileprivate var isDisconnected: Bool { end.descriptor < 0 }
  fileprivate var descriptor: Int32 { end.descriptor }
  fileprivate var events: Int16 { end.events }
  /// When it has something to do if no frame comes before, in nanoseconds of the monotonic clock.
  fileprivate var deadline: UInt64? { stack.hasOutput ? 0 : stack.deadline?.nanoseconds }

  /// Takes all that came, and lets out all that is to be sent.
  fileprivate func takeTurn() throws(Verdict) {
    closeOtherEnd()
    try end.flush()
    while let frame = try end.read() {
      received.append(frame)
      stack.receive(frame.span.bytes, checksumIsValid: false, at: Self.now)
    }
    stack.advance(to: Self.now)
    while let frame = nextFrame() {
      sent.append(frame)
      try end.write(frame)
    }
  }

  private func nextFrame() -> [UInt8]? {
    guard stack.hasOutput else { return nil }
    var buffer = [UInt8](repeating: 0, count: stack.frameLimit)
    var elements = buffer.mutableSpan
    var bytes = elements.mutableBytes
    guard let frame = stack.transmit(into: &bytes, at: Self.now) else { return nil }
    return Array(buffer.prefix(frame.byteCount))
  }
}

/// A connection between one of the hosts and the machine. It ends with this value.
struct PeerConnection: StreamConnection, ~Copyable {
  private let network: PeerNetwork
  let socket: TCPSocket

  init(_ network: PeerNetwork, _ socket: TCPSocket) {
    self.network = network
    self.socket = socket
  }

  deinit { socket.close(at: NetworkPeer.now) }

  func send(_ bytes: [UInt8]) throws(Verdict) {
    var done = 0
    try network.run {
      done += socket.write(bytes.span.bytes.extracting(done...), at: NetworkPeer.now)
      return done == bytes.count || socket.error != nil
    }
    guard done == bytes.count else { throw .failed("the machine ended a connection that was written to") }
  }

  func receiveSome() throws(Verdict) -> [UInt8] {
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    var count = 0
    try network.run {
      count = read(into: &buffer)
      return count > 0 || socket.isEndOfStream || socket.error != nil
    }
    guard count > 0 || socket.error == nil else { throw .failed("the machine reset a connection that was read from") }
    return Array(buffer[..<count])
  }

  private func read(into buffer: inout [UInt8]) -> Int {
    var elements = buffer.mutableSpan
    var bytes = elements.mutableBytes
    return socket.read(into: &bytes, at: NetworkPeer.now)
  }

  /// Half-close.
  func finishWriting() { socket.finishWriting(at: NetworkPeer.now) }
}
