@testable import Network

/// Anything that comes over a wire, to a stack that has ports, connections and lookups open.
let frameTarget = FuzzTarget(name: "frame") { bytes in
  var input = FuzzInput(bytes)
  let choice = input.next(UInt8.self)
  let session = StackSession(choice)
  while !input.isAtEnd { session.step(&input) }
  session.end()
}

/// A stack, its program and its clock.
private final class StackSession {
  private let stack: NetworkStack
  private var now = NetworkInstant(nanoseconds: 1_000_000_000)
  private var ports: [UDPPort] = []
  private let listener: TCPListenSocket?
  private var sockets: [TCPSocket] = []
  /// Of every other socket.
  private let reader = TakingReader()
  private var lookups: [Lookup] = []
  private var frame: [UInt8]
  /// What the stack sent last, for the input to send back as it is or changed.
  private var sent: [[UInt8]] = []

  init(_ choice: UInt8) {
    let offloads = choice & 1 != 0
    let link = LinkCapabilities(
      address: FrameBuilder.ownLink, mtu: choice & 2 != 0 ? 1500 : 1280, completesChecksums: offloads,
      segmentsIPv4: offloads, segmentsIPv6: offloads)
    let ipv4: NetworkConfiguration.IPv4 =
      choice & 4 != 0 ? .dhcp : .fixed(FrameBuilder.own, prefixLength: 24, gateway: IPv4Address(10, 0, 0, 5))
    stack = NetworkStack(
      link, NetworkConfiguration(ipv4: ipv4, nameServers: [.v4(IPv4Address(10, 0, 0, 2))]), seed: (1, 2), at: now)
    frame = [UInt8](repeating: 0, count: stack.frameLimit)
    listener = try? stack.tcp.listen(on: nil, port: 80, backlog: 4)
    if let port = try? stack.udp.bind(port: 7) { ports.append(port) }
    if choice & 8 != 0 { pass(milliseconds: 1_100) }
  }

  func step(_ input: inout FuzzInput) {
    switch input.next(below: 16) {
    case 0: receive([UInt8](input.take(Int(input.next(UInt8.self)))), &input)
    case 1: receive(FrameBuilder.arp(&input), &input)
    case 2, 3, 4, 5: receive(FrameBuilder.ipv4(&input), &input)
    case 6, 7, 8, 9: receive(FrameBuilder.ipv6(&input), &input)
    case 10: sendBack(&input)
    case 11: pass(milliseconds: Int(input.next(UInt16.self)))
    case 12:
      let remote = SocketAddress(.v4(IPv4Address(10, 0, 0, 2)), port: 80)
      if sockets.count < 4, let source = stack.sourceAddress(for: remote.address),
        let socket = try? stack.tcp.connect(to: remote, from: source, at: now)
      {
        sockets.append(socket)
      }
    case 13:
      if lookups.count < 4 { lookups.append(stack.resolver.lookup("a\(input.next(below: 4)).org", at: now)) }
    case 14:
      let payload = [UInt8](repeating: 7, count: Int(input.next(UInt16.self)))
      let destination: IPAddress =
        input.flag() ? .v4(IPv4Address(10, 0, 0, 3)) : .v6(IPv6Address(high: 0xfe80_0000_0000_0000, low: 3))
      try? ports[0].send(payload.span.bytes, to: SocketAddress(destination, port: 7))
    default: useSockets()
    }
    drain()
  }

  func end() {
    useSockets()
    for socket in sockets { socket.close(at: now) }
    for lookup in lookups { lookup.cancel() }
    for _ in 0..<8 { pass(milliseconds: 20_000) }
    // What is open keeps its protocol alive.
    for port in ports { port.close() }
    listener?.close(at: now)
    for socket in sockets { socket.abort(at: now) }
    drain()
  }

  private func receive(_ frame: [UInt8], _ input: inout FuzzInput) {
    var frame = frame
    for _ in 0..<max(0, input.next(below: 16) - 13) { frame = FrameBuilder.tagged(frame, &input) }
    stack.receive(frame.span.bytes, checksumIsValid: input.flag(), at: now)
  }

  /// What the stack sent with its two ends exchanged, as a peer might answer, and a few bytes changed.
  private func sendBack(_ input: inout FuzzInput) {
    guard !sent.isEmpty else { return }
    var frame = sent[input.next(below: sent.count)]
    func exchange(_ a: Int, _ b: Int, _ count: Int) {
      guard frame.count >= max(a, b) + count else { return }
      for offset in 0..<count { frame.swapAt(a + offset, b + offset) }
    }
    exchange(0, 6, 6)
    if frame[12] == 8, frame[13] == 0 {
      exchange(26, 30, 4)
      exchange(34, 36, 2)
    } else if frame[12] == 0x86 {
      exchange(22, 38, 16)
      exchange(54, 56, 2)
    } else {
      exchange(22, 32, 10)
      frame[21] = 2
    }
    for _ in 0..<input.next(below: 8) {
      // Behind the IP header, so that its checksum stays right.
      let offset = 34 + Int(input.next(UInt8.self))
      if offset < frame.count { frame[offset] = input.next() }
    }
    stack.receive(frame.span.bytes, checksumIsValid: true, at: now)
  }

  private func pass(milliseconds: Int) {
    let end = now.advanced(byMilliseconds: milliseconds)
    // A timer that sets itself again for now would go on for ever.
    for _ in 0..<100_000 {
      guard let deadline = stack.deadline, deadline <= end else {
        now = end
        return
      }
      now = max(now, deadline)
      stack.advance(to: now)
      drain()
    }
    require(false, "timers that never end")
  }

  private func useSockets() {
    while sockets.count < 8, let socket = listener?.accept() {
      if sockets.count % 2 == 0 { socket.reader = reader }
      sockets.append(socket)
    }
    var buffer = [UInt8](repeating: 0, count: 4096)
    for socket in sockets {
      var span = buffer.mutableSpan
      var bytes = span.mutableBytes
      _ = socket.read(into: &bytes, at: now)
      _ = socket.write(bytes.bytes, at: now)
    }
    for port in ports {
      while port.receive() != nil {}
      _ = port.takeFailure()
    }
  }

  /// Takes all that the stack sends. What it sends is bounded by what it received and was given to send.
  private func drain() {
    for _ in 0..<20_000 {
      var span = frame.mutableSpan
      var bytes = span.mutableBytes
      guard let outgoing = stack.transmit(into: &bytes, at: now) else { return }
      require(outgoing.byteCount <= stack.frameLimit, "a frame's length")
      require(
        outgoing.segmentation != nil || outgoing.byteCount <= EthernetHeader.byteCount + stack.link.mtu,
        "a frame longer than the link's MTU")
      require(outgoing.checksum == nil || stack.link.completesChecksums, "a checksum left to a device that does none")
      if sent.count == 8 { sent.removeFirst() }
      sent.append(bytes.bytes.extracting(0..<outgoing.byteCount).copy())
    }
    require(false, "frames without end")
  }
}

/// Takes some of what comes: of each piece as much as it has taken pieces before.
private final class TakingReader: TCPReader {
  private var pieceCount = 0

  func take(_ bytes: RawSpan) -> Int {
    pieceCount += 1
    return min(pieceCount, bytes.byteCount)
  }
}
