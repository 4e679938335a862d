/// The User Datagram Protocol (RFC 768; RFC 1122, 4.1) of one interface.
public final class UDP {
  /// What became of a datagram that was received.
  enum Outcome {
    case delivered
    case malformed
    /// Nobody listens.
    case refused
    /// The port's queue is full.
    case dropped
  }

  /// A datagram that waits to be sent.
  struct Unsent {
    var port: UDPPort
    var destination: SocketAddress
    /// With the header, in which the checksum is 0.
    var bytes: [UInt8]
  }

  private var ports: [UInt16: [UDPPort]] = [:]
  private var portCount = 0
  private var random: NetworkRandom
  private var unsent = Queue<Unsent>()
  private var unsentByteCount = 0
  private var waitingPorts: [UDPPort] = []

  init(random: NetworkRandom) {
    self.random = random
  }

  /// Opens a port.
  ///
  /// - Parameters:
  ///   - address: the only address of ours whose datagrams are received; nil: all.
  ///   - port: 0: a free one at random (RFC 6056, 3.3.1).
  public func bind(address: IPAddress? = nil, port: UInt16 = 0) throws(UDPError) -> UDPPort {
    guard portCount < UDPLimits.portCount else { throw .noFreePort }
    let number = port != 0 ? port : try freePort()
    for other in ports[number] ?? [] where other.address == nil || address == nil || other.address == address {
      throw .addressInUse
    }
    let bound = UDPPort(address: address, port: number, udp: self)
    ports[number, default: []].append(bound)
    portCount += 1
    return bound
  }

  private func freePort() throws(UDPError) -> UInt16 {
    let range = UDPLimits.ephemeralPorts
    // `UDPLimits.portCount` is a small part of the range, so that the first try nearly always does.
    for _ in 0..<64 {
      let port = UInt16.random(in: range, using: &random)
      if ports[port] == nil { return port }
    }
    throw .noFreePort
  }

  func remove(_ port: UDPPort) {
    guard var others = ports[port.port] else { return }
    others.removeAll { $0 === port }
    ports[port.port] = others.isEmpty ? nil : others
    portCount -= 1
    waitingPorts.removeAll { $0 === port }
  }

  /// The port that has datagrams to one of our addresses: one that is bound to it before one that takes all.
  private func port(at local: SocketAddress) -> UDPPort? {
    guard let candidates = ports[local.port] else { return nil }
    return candidates.first { $0.address == local.address } ?? candidates.first { $0.address == nil }
  }

  // MARK: In

  /// - Parameter packet: UDP header and payload.
  func receive(_ packet: RawSpan, _ info: IncomingPacket) -> Outcome {
    guard let header = UDPHeader(packet) else { return .malformed }
    guard Self.isIntact(packet, header, info) else { return .malformed }
    let destination = SocketAddress(info.destination, port: header.destination)
    guard let port = port(at: destination) else { return .refused }
    let source = SocketAddress(info.source, port: header.source)
    return port.take(packet.extracting(UDPHeader.byteCount..<header.byteCount), from: source, to: destination)
      ? .delivered : .dropped
  }

  /// Whether a datagram's checksum is right, or need not be.
  static func isIntact(_ packet: RawSpan, _ header: UDPHeader, _ info: IncomingPacket) -> Bool {
    if info.checksumIsValid { return true }
    // Optional in IPv4 (RFC 1122, 4.1.3.4), not in IPv6 (RFC 8200, 8.1).
    if header.checksum == 0 { return !info.destination.isIPv6 }
    var checksum = InternetChecksum()
    checksum.addPseudoHeader(
      from: info.source, to: info.destination, protocol: IPProtocol.udp, length: header.byteCount)
    checksum.add(packet.extracting(0..<header.byteCount))
    return checksum.value == 0
  }

  /// An ICMP error, or no route or neighbour, for what was sent.
  func failed(from local: SocketAddress, to destination: SocketAddress, _ reason: UDPFailure.Reason) {
    port(at: local)?.failed(UDPFailure(destination: destination, reason: reason))
  }

  /// Whether a datagram from one of our addresses may have been sent lately, so that an error about it can be true.
  func hasSent(from local: SocketAddress, to destination: SocketAddress) -> Bool {
    port(at: local)?.lastDestination == destination
  }

  // MARK: Out

  var hasOutput: Bool { !unsent.isEmpty }

  func send(_ payload: RawSpan, from port: UDPPort, to destination: SocketAddress) throws(UDPError) {
    let header = destination.address.isIPv6 ? 0 : IPv4Header.byteCount
    guard payload.byteCount <= Int(UInt16.max) - UDPHeader.byteCount - header else { throw .tooLong }
    guard destination.port != 0, destination.address != .v4(.any), destination.address != .v6(.any),
      port.address == nil || port.address!.isIPv6 == destination.address.isIPv6
    else { throw .badAddress }
    let byteCount = UDPHeader.byteCount + payload.byteCount
    guard unsentByteCount + byteCount <= UDPLimits.unsentByteCount else {
      if !port.isWaitingToSend {
        port.isWaitingToSend = true
        waitingPorts.append(port)
      }
      throw .queueFull
    }
    let bytes = UDPHeader.datagram(from: port.port, to: destination.port, payload)
    port.lastDestination = destination
    unsentByteCount += byteCount
    unsent.append(Unsent(port: port, destination: destination, bytes: bytes))
  }

  /// The next datagram to send.
  func popFirst() -> Unsent? {
    guard let next = unsent.popFirst() else { return nil }
    unsentByteCount -= next.bytes.count
    if unsentByteCount <= UDPLimits.unsentByteCount / 2, !waitingPorts.isEmpty {
      let waiting = waitingPorts
      waitingPorts.removeAll()
      for port in waiting { port.canSendAgain() }
    }
    return next
  }
}
