import Testing

@testable import Network

@Suite struct UDPTests {
  private static func datagram(
    to port: UInt16, _ payload: [UInt8] = [1], checksum: Bool = true, address: IPv4Address = Host.own
  ) -> [UInt8] {
    Packets.ipv4(
      from: Host.peer, to: address, number: 17,
      Packets.udp(
        from: SocketAddress(.v4(Host.peer), port: 9), to: SocketAddress(.v4(address), port: port), payload,
        checksum: checksum))
  }

  @Test func checksums() throws {
    let host = Host.fixed()
    let port = try host.stack.udp.bind(port: 7)
    host.receive(Self.datagram(to: 7, checksum: false))
    #expect(port.receive() != nil)
    var wrong = Self.datagram(to: 7, [1, 2, 3])
    wrong[28] ^= 1
    host.receive(wrong)
    #expect(port.receive() == nil)
    #expect(host.stack.statistics.malformedPackets == 1)
    // The device has looked at it.
    host.receiveFrame(
      Packets.ethernet(to: host.link, from: Host.peerLink, type: 0x0800, wrong), checksumIsValid: true)
    #expect(port.receive() != nil)
  }

  @Test func lengthsThatCannotBe() throws {
    let host = Host.fixed()
    let port = try host.stack.udp.bind(port: 7)
    for length in [0, 7, 10, 0xffff] as [UInt16] {
      var packet = Self.datagram(to: 7, checksum: false)
      packet[24] = UInt8(length >> 8)
      packet[25] = UInt8(truncatingIfNeeded: length)
      host.receive(packet)
    }
    #expect(port.receive() == nil)
    #expect(host.stack.statistics.malformedPackets == 4)
  }

  @Test func aQueueThatNobodyReadsIsBounded() throws {
    let host = Host.fixed()
    let port = try host.stack.udp.bind(port: 7)
    for index in 0..<1000 { host.receive(Self.datagram(to: 7, [UInt8(truncatingIfNeeded: index)])) }
    #expect(host.stack.statistics.droppedDatagrams == UInt64(1000 - UDPLimits.queuedDatagramCount))
    #expect(port.droppedDatagrams == host.stack.statistics.droppedDatagrams)
    for index in 0..<UDPLimits.queuedDatagramCount { #expect(port.receive()?.payload == [UInt8(index)]) }
    #expect(port.receive() == nil)
    let large = [UInt8](repeating: 0, count: 60_000)
    for _ in 0..<10 {
      for (offset, end) in stride(from: 0, to: 60_008, by: 1480).map({ ($0, min($0 + 1480, 60_008)) }) {
        let whole = Packets.udp(
          from: SocketAddress(.v4(Host.peer), port: 9), to: SocketAddress(.v4(Host.own), port: 7), large,
          checksum: false)
        host.receive(
          Packets.ipv4(
            from: Host.peer, to: Host.own, number: 17, Array(whole[offset..<end]),
            fragment: UInt16(offset / 8) | (end < whole.count ? 0x2000 : 0)))
      }
    }
    var count = 0
    while port.receive() != nil { count += 1 }
    #expect(count == UDPLimits.queuedByteCount / 60_000)
  }

  @Test func sendingIsBoundedAndTheWriterIsTold() throws {
    final class Observer: NetworkObserver {
      var count = 0
      func networkDidChange() { count += 1 }
    }
    let host = Host.fixed()
    host.meetPeer()
    let port = try host.stack.udp.bind()
    let observer = Observer()
    port.observer = observer
    let payload = [UInt8](repeating: 0, count: 60_000)
    var sent = 0
    #expect(throws: UDPError.queueFull) {
      while true {
        try port.send(payload.span.bytes, to: SocketAddress(.v4(Host.peer), port: 9))
        sent += 1
      }
    }
    #expect(sent == UDPLimits.unsentByteCount / 60_008)
    _ = host.frames()
    #expect(observer.count == 1)
    try port.send(payload.span.bytes, to: SocketAddress(.v4(Host.peer), port: 9))
    port.observer = nil
  }

  @Test func whatCannotBeSent() throws {
    let nothing: [UInt8] = []
    let host = Host.fixed()
    let port = try host.stack.udp.bind()
    let payload = [UInt8](repeating: 0, count: 65_508)
    #expect(throws: UDPError.tooLong) {
      try port.send(payload.span.bytes, to: SocketAddress(.v4(Host.peer), port: 9))
    }
    for destination in [SocketAddress(.v4(.any), port: 9), SocketAddress(.v4(Host.peer), port: 0)] {
      #expect(throws: UDPError.badAddress) { try port.send(nothing.span.bytes, to: destination) }
    }
    port.close()
    #expect(throws: UDPError.closed) {
      try port.send(nothing.span.bytes, to: SocketAddress(.v4(Host.peer), port: 9))
    }
  }

  @Test func portsAndAddresses() throws {
    let udp = UDP(random: NetworkRandom(seed: (1, 2)))
    let all = try udp.bind(port: 7)
    #expect(throws: UDPError.addressInUse) { try udp.bind(port: 7) }
    #expect(throws: UDPError.addressInUse) { try udp.bind(address: .v4(Host.own), port: 7) }
    all.close()
    _ = try udp.bind(address: .v4(Host.own), port: 7)
    _ = try udp.bind(address: .v4(Host.peer), port: 7)
    #expect(throws: UDPError.addressInUse) { try udp.bind(address: .v4(Host.peer), port: 7) }
    var numbers: Set<UInt16> = []
    for _ in 0..<UDPLimits.portCount - 2 {
      let port = try udp.bind()
      #expect(UDPLimits.ephemeralPorts.contains(port.port))
      #expect(numbers.insert(port.port).inserted)
    }
    #expect(throws: UDPError.noFreePort) { try udp.bind() }
  }

  @Test func broadcastsAreReceived() throws {
    let host = Host.fixed()
    let port = try host.stack.udp.bind(port: 7)
    host.receive(Self.datagram(to: 7, address: .broadcast))
    #expect(port.receive()?.destination.address == .v4(.broadcast))
  }
}
