import Testing

@testable import Network

/// A stack with a clock that tests set, and its frames as arrays.
final class Host {
  let stack: NetworkStack
  let link: MACAddress
  private(set) var now = NetworkInstant(nanoseconds: 1_000_000_000)

  init(
    _ configuration: NetworkConfiguration, link: LinkCapabilities = LinkCapabilities(address: Host.ownLink),
    seed: UInt64 = 1
  ) {
    self.link = link.address
    stack = NetworkStack(link, configuration, seed: (seed, 2), at: now)
  }

  static let ownLink = MACAddress(0x0200_0000_0001)
  static let peerLink = MACAddress(0x0200_0000_0002)
  static let own = IPv4Address(10, 0, 0, 1)
  static let peer = IPv4Address(10, 0, 0, 2)
  static let router = IPv4Address(10, 0, 0, 254)

  /// One with 10.0.0.1/24 and nothing left in its queue.
  static func fixed(mtu: Int = 1500) -> Host {
    let host = Host(
      NetworkConfiguration(ipv4: .fixed(own, prefixLength: 24, gateway: router), ipv6: .none),
      link: LinkCapabilities(address: ownLink, mtu: mtu))
    _ = host.frames()
    return host
  }

  func receiveFrame(_ frame: [UInt8], checksumIsValid: Bool = false) {
    stack.receive(frame.span.bytes, checksumIsValid: checksumIsValid, at: now)
  }

  /// A packet from the peer to this host's Ethernet address.
  func receive(_ packet: [UInt8], from peer: MACAddress = Host.peerLink, type: UInt16 = 0x0800) {
    receiveFrame(Packets.ethernet(to: link, from: peer, type: type, packet))
  }

  /// A frame that it sends now; nil: none.
  func frame() -> Frame? {
    var buffer = [UInt8](repeating: 0xee, count: stack.frameLimit)
    var span = buffer.mutableSpan
    var bytes = span.mutableBytes
    guard let outgoing = stack.transmit(into: &bytes, at: now) else { return nil }
    let frame = Frame(
      bytes: Array(buffer[..<outgoing.byteCount]), checksum: outgoing.checksum, segmentation: outgoing.segmentation)
    if frame.segmentation == nil { #expect(frame.fault == nil) }
    return frame
  }

  /// All that it sends now.
  func frames() -> [Frame] {
    var frames: [Frame] = []
    while let frame = frame() {
      frames.append(frame)
      guard frames.count < 10_000 else {
        Issue.record("a stack that sends without end")
        break
      }
    }
    return frames
  }

  func advance(milliseconds: Int) {
    now = now.advanced(byMilliseconds: milliseconds)
    stack.advance(to: now)
  }

  /// Goes on as far as the next thing that it waits for; false: nothing.
  func advanceToDeadline() -> Bool {
    guard let deadline = stack.deadline else { return false }
    now = max(now, deadline)
    stack.advance(to: now)
    return true
  }

  /// The neighbour that a datagram to an address goes to; nil: there is no way. Whoever is asked for by ARP answers, each from
  /// an address on the link that tells who it is.
  func firstHop(to destination: IPv4Address) throws -> IPv4Address? {
    let port = try stack.udp.bind()
    defer { port.close() }
    try port.send(([1] as [UInt8]).span.bytes, to: SocketAddress(.v4(destination), port: 9))
    var hop: IPv4Address?
    while let frame = frame() {
      if frame.isARP {
        answerARP(frame)
      } else if frame.isIPv4, frame.ipDestination == .v4(destination) {
        hop = IPv4Address(UInt32(truncatingIfNeeded: frame.destination.value))
      }
    }
    return hop
  }

  /// Answers a question of ARP, as whoever it asks for.
  func answerARP(_ question: Frame) {
    let asker = IPv4Address(UInt32(question.number(14 + 14, 4)))
    let wanted = IPv4Address(UInt32(question.number(14 + 24, 4)))
    receive(
      Packets.arp(operation: 2, wanted, MACAddress(0x0200_0000_0000 | UInt64(wanted.value)), asker, link), type: 0x0806)
  }

  /// Makes the peer known to it.
  func meetPeer() {
    receive(
      Packets.ipv4(
        from: Self.peer, to: Self.own, number: 1,
        Packets.icmp(type: 8, from: .v4(Self.peer), to: .v4(Self.own))))
    let question = frames()
    #expect(question.count == 1 && question[0].isARP)
    receive(Packets.arp(operation: 2, Self.peer, Self.peerLink, Self.own, link), type: 0x0806)
    #expect(frames().count == 1)
  }
}
